"""What follows a sum of integers in a network, taken apart: constants, the way to floats, and rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.networks.addresses import same_place
from tinsmith.compiler.ir import dtypes, evaluate
from tinsmith.compiler.ir.scalars import (
    BOOL,
    INDEX,
    Apply,
    Expr,
    Literal,
    Load,
    Tensor,
    Var,
    literal,
    rebuild,
    walk,
)

Array = np.ndarray[Any, Any]


def constants_folded(value: Expr, channel: Var) -> Expr:
    """`value` with every part that depends on nothing but the channel, computed in its own type, as a number
    or an element of a constant."""

    def change(part: Expr) -> Expr | None:
        if not isinstance(part, Apply | Load) or part.dtype in (INDEX, BOOL):
            return None
        values = constant(part, channel)
        if values is None:
            return None
        if values.size == 1:
            return literal(values.reshape(()).item(), part.dtype)
        return Load(Tensor("constants", part.dtype, values.shape, values), (channel,))

    return rebuild(value, change)


def constant(expr: Expr, channel: Var) -> Array | None:
    """The values of a part that depends on nothing but the channel: one, or one per channel."""
    parts = walk([expr])
    if any(isinstance(part, Load) and part.tensor.value is None for part in parts):
        return None
    if any(isinstance(part, Var) and part is not channel for part in parts):
        return None
    try:
        with np.errstate(all="ignore"):
            return np.asarray(evaluate.grid(expr, (channel,), {})).ravel()
    except evaluate.CannotEvaluate:
        return None


def sum_and_start(value: Expr, source: Tensor, vars: Sequence[Var], channel: Var) -> Array | None:
    """What an int32 expression adds to the element of `source` at its own place; None where it does more."""
    if isinstance(value, Load) and value.tensor is source and same_place(value, vars):
        return np.zeros(1, np.int64)
    if isinstance(value, Apply) and value.op == "add":
        for one, other in (value.args, value.args[::-1]):
            added = constant(other, channel)
            before = None if added is None else sum_and_start(one, source, vars, channel)
            if before is not None and added is not None:
                return before + added.astype(np.int64)
    return None


def as_floats(
    value: Expr, source: Tensor, vars: Sequence[Var], channel: Var, floats: Tensor
) -> tuple[Expr, Array] | None:
    """`value` with the sums of `source` read from `floats` instead of being cast, and what is added before
    the cast. None where the sums are used in another way."""
    casts = [
        part
        for part in walk([value])
        if isinstance(part, Apply)
        and part.op == "cast"
        and part.dtype == "float32"
        and any(isinstance(inner, Load) and inner.tensor is source for inner in walk([part]))
    ]
    if not casts:
        return None
    start = sum_and_start(casts[0].args[0], source, vars, channel)
    changed = rebuild(value, lambda part: floats[tuple(vars)] if part is casts[0] else None)
    left = any(isinstance(part, Load) and part.tensor is source for part in walk([changed]))
    return None if start is None or left else (changed, start)


def rounded(value: Expr) -> tuple[Expr, int] | None:
    """(number, zero) where `value` is round(number) + zero, held within its type of bytes."""
    if not isinstance(value, Apply) or value.op != "cast" or value.dtype not in ("int8", "uint8"):
        return None
    inner: Expr = value.args[0]
    bounds = dict(zip(("max", "min"), dtypes.limits(value.dtype), strict=True))
    while isinstance(inner, Apply) and inner.op in bounds:
        bound = inner.args[1]
        if not isinstance(bound, Literal) or bound.value != bounds.pop(inner.op):
            return None
        inner = inner.args[0]
    zero = 0.0
    if isinstance(inner, Apply) and inner.op == "add" and isinstance(inner.args[1], Literal):
        zero, inner = float(inner.args[1].value), inner.args[0]
    if bounds or not isinstance(inner, Apply) or inner.op != "round" or inner.dtype != "float32":
        return None
    return inner.args[0], int(zero)


def scaled(value: Expr, x: Expr, factor: float) -> Expr | None:
    """factor * value as a function of factor * x, where `value` only bounds x; factor is positive."""
    if value is x:
        return x
    if isinstance(value, Apply) and value.op in ("min", "max") and isinstance(value.args[1], Literal):
        inner = scaled(value.args[0], x, factor)
        if inner is not None:
            bound = literal(float(value.args[1].value) * factor, value.dtype)
            return Apply(value.op, (inner, bound), value.dtype)
    return None


def bounds(value: Expr, x: Expr) -> tuple[float, float] | None:
    """(low, high) where `value` only holds x between them."""
    if value is x:
        return -math.inf, math.inf
    if isinstance(value, Apply) and value.op in ("min", "max") and isinstance(value.args[1], Literal):
        inner, bound = bounds(value.args[0], x), float(value.args[1].value)
        if inner is None:
            return None
        return (min(inner[0], bound), min(inner[1], bound)) if value.op == "min" else (
            max(inner[0], bound), max(inner[1], bound)
        )  # fmt: skip
    return None
