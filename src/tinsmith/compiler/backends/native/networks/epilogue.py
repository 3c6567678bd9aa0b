"""What follows a contraction element by element: scale and shift per channel, a residual, an activation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from tinsmith.compiler.backends.native.networks.addresses import same_place
from tinsmith.compiler.ir import evaluate
from tinsmith.compiler.ir.loops import Map
from tinsmith.compiler.ir.scalars import Apply, Expr, Literal, Load, Tensor, Var, rebuild, walk

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Affine:
    """scale * x + shift, each a number per channel or for all."""

    scale: Array
    shift: Array


@dataclass(frozen=True)
class Residual:
    """x + tensor, of the same shape."""

    tensor: Tensor


@dataclass(frozen=True)
class Activation:
    """A function of x alone: `value`, in which `x` stands for it."""

    value: Expr
    x: Expr


Step = Affine | Residual | Activation


def steps(stage: Map, source: Tensor, channel: int) -> list[Step] | None:
    """`stage` as a function of the element of `source` at the same place; None where it is anything else.
    `channel` is the axis that per-channel numbers run along."""
    x = _only_load(stage, source)
    if x is None:
        return None
    return _steps(stage.value, x, stage, channel)


def _only_load(stage: Map, source: Tensor) -> Load | None:
    """The one load of `source`, at the place that is written."""
    loads = [part for part in walk([stage.value]) if isinstance(part, Load) and part.tensor is source]
    if stage.out.shape != source.shape or stage.out.dtype != source.dtype:
        return None
    if not loads or not all(same_place(load, stage.vars) for load in loads):
        return None
    return loads[0]


def _steps(value: Expr, x: Load, stage: Map, channel: int) -> list[Step] | None:
    if _is_x(value, x):
        return []
    if (found := _affine(value, x, stage.vars, channel)) is not None:
        return [found]
    if isinstance(value, Apply) and value.op == "add":
        for one, other in (value.args, value.args[::-1]):
            if _is_residual(other, x, stage):
                before = _steps(one, x, stage, channel)
                return None if before is None else [*before, Residual(other.tensor)]
    return _activation(value, x, stage, channel)


def _activation(value: Expr, x: Load, stage: Map, channel: int) -> list[Step] | None:
    """The largest part that is affine or a residual comes first; all above it must need nothing else."""
    inner = _innermost(value, x, stage, channel)
    if inner is None:
        return None
    part, before = inner
    mark = Literal(0.0, value.dtype)

    def change(expr: Expr) -> Expr | None:
        return mark if expr is part or (part is x and _is_x(expr, x)) else None

    function = rebuild(value, change)
    if any(isinstance(expr, Load | Var) for expr in walk([function])):
        return None
    return [*before, Activation(function, mark)]


def _innermost(value: Expr, x: Load, stage: Map, channel: int) -> tuple[Expr, list[Step]] | None:
    for part in reversed(walk([value])):
        if part is value or not _has(part, x) or part.dtype != x.dtype:
            continue
        if _is_x(part, x):
            return x, []
        before = _linear_steps(part, x, stage, channel)
        if before and not _has_outside(value, part, x):
            return part, before
    return None


def _linear_steps(part: Expr, x: Load, stage: Map, channel: int) -> list[Step] | None:
    if (found := _affine(part, x, stage.vars, channel)) is not None:
        return [found]
    if isinstance(part, Apply) and part.op == "add":
        for one, other in (part.args, part.args[::-1]):
            if _is_residual(other, x, stage):
                before = [] if _is_x(one, x) else _linear_steps(one, x, stage, channel)
                return None if before is None else [*before, Residual(other.tensor)]
    return None


def _is_residual(expr: Expr, x: Load, stage: Map) -> TypeGuard[Load]:
    return (
        isinstance(expr, Load)
        and expr.tensor.value is None
        and expr.tensor is not x.tensor
        and expr.tensor.shape == stage.out.shape
        and same_place(expr, stage.vars)
    )


def _is_x(expr: Expr, x: Load) -> bool:
    return isinstance(expr, Load) and expr.tensor is x.tensor


def _has(expr: Expr, x: Load) -> bool:
    return any(_is_x(part, x) for part in walk([expr]))


def _has_outside(value: Expr, part: Expr, x: Load) -> bool:
    """x is used in `value` beside `part`."""
    mark = Literal(0.0, part.dtype)
    return _has(rebuild(value, lambda expr: mark if expr is part else None), x)


def _affine(value: Expr, x: Load, vars: tuple[Var, ...], channel: int) -> Affine | None:
    """scale * x + shift in float64, where `value` is that."""
    parts: dict[int, tuple[Array, Array] | None] = {}
    for part in walk([value]):
        parts[id(part)] = _linear(part, x, vars, channel, parts)
    found = parts[id(value)]
    return None if found is None else Affine(*found)


def _linear(
    part: Expr, x: Load, vars: tuple[Var, ...], channel: int, parts: Mapping[int, tuple[Array, Array] | None]
) -> tuple[Array, Array] | None:
    zero = np.zeros(1)
    if _is_x(part, x):
        return np.ones(1), zero
    if isinstance(part, Literal):
        return (zero, np.full(1, float(part.value))) if part.dtype == x.dtype else None
    if isinstance(part, Load):
        constant = _per_channel(part, vars, channel)
        return None if constant is None else (zero, constant)
    if (
        not isinstance(part, Apply)
        or part.dtype != x.dtype
        or part.op not in ("add", "sub", "mul", "div", "neg")
    ):
        return _computed(part, x, vars, channel)
    arguments = [parts[id(argument)] for argument in part.args]
    if any(argument is None for argument in arguments):
        return None
    return _combined(part.op, [argument for argument in arguments if argument is not None])


def _combined(op: str, arguments: list[tuple[Array, Array]]) -> tuple[Array, Array] | None:
    (a, b), (c, d) = arguments[0], arguments[-1]
    if op == "neg":
        return -a, -b
    if op == "add":
        return a + c, b + d
    if op == "sub":
        return a - c, b - d
    if op == "mul":
        if c.any() and a.any():
            return None
        return (a * d, b * d) if not c.any() else (c * b, d * b)
    return None if c.any() or (d == 0).any() else (a / d, b / d)


def _computed(part: Expr, x: Load, vars: tuple[Var, ...], channel: int) -> tuple[Array, Array] | None:
    """Another function of constants, such as the root of a variance."""
    if _has(part, x) or part.dtype != x.dtype:
        return None
    loads = [load for load in walk([part]) if isinstance(load, Load)]
    if any(_per_channel(load, vars, channel) is None for load in loads):
        return None
    try:
        var = vars[channel]
        values = evaluate.grid(part, [var], {})
    except evaluate.CannotEvaluate:
        return None
    return np.zeros(1), np.asarray(values, np.float64).ravel()


def _per_channel(load: Load, vars: tuple[Var, ...], channel: int) -> Array | None:
    """The numbers of a constant that depends on the channel at most."""
    value = load.tensor.value
    if value is None:
        return None
    axes = [axis for axis, index in enumerate(load.index) if index is vars[channel]]
    others = [index for index in load.index if index is not vars[channel]]
    if len(axes) > 1 or any(not isinstance(index, Literal) for index in others):
        return None
    chosen = tuple(slice(None) if axis in axes else int(load.index[axis].value) for axis in range(value.ndim))  # type: ignore[attr-defined]
    return np.asarray(value[chosen], np.float64).ravel()
