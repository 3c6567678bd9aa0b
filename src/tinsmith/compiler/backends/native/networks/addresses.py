"""Where elements lie: offsets as sums of index * stride, and loops that may be one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tinsmith.compiler.ir.scalars import (
    INDEX,
    Apply,
    Dim,
    Expr,
    Literal,
    Load,
    Tensor,
    Var,
    rebuild,
    size,
    walk,
)


@dataclass(frozen=True, eq=False)
class Element(Load):
    """A load with its offset taken apart: the sum of coefficient * var in `terms`, and the only `index`."""

    terms: tuple[tuple[Var, int], ...] = ()

    @property
    def rest(self) -> Expr:
        """What of the offset is not in `terms`."""
        return self.index[0]


def strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Of a row-major array, in elements."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def layout_strides(tensor: Tensor) -> tuple[tuple[int, ...], int, int]:
    """Of a tensor of known shape: per axis from element to element; the first element; elements of the whole
    buffer."""
    shape, layout = tensor.static_shape, tensor.layout
    if layout is None:
        return strides(shape), 0, math.prod(shape)
    found = [0] * len(shape)
    step = 1
    for axis in reversed(layout.order):
        found[axis] = step
        step *= layout.before[axis] + shape[axis] + layout.after[axis]
    start = sum(before * stride for before, stride in zip(layout.before, found, strict=True))
    return tuple(found), start, step


def loop_order(out: Tensor, vars: Sequence[Var]) -> tuple[Var, ...]:
    """`vars`, one per axis of `out`, in the order in which its elements lie."""
    return tuple(vars) if out.layout is None else tuple(vars[axis] for axis in out.layout.order)


def same_place(load: Load, vars: Sequence[Var]) -> bool:
    """`load` is the element at the place `vars`, of a tensor of that rank."""
    return load.tensor.rank == len(vars) and all(
        index is var or (dim == 1 and isinstance(index, Literal))
        for index, var, dim in zip(load.index, vars, load.tensor.shape, strict=True)
    )


def flat(load: Load) -> Element:
    """`load` by offset. Where a later size is known only at run time, an index is part of the `rest`."""
    tensor = load.tensor
    terms: dict[Var, int] = {}
    steps: Sequence[int | None] = _known_strides(tensor.shape)
    start = 0
    if tensor.is_static:
        steps, start, _ = layout_strides(tensor)
    rest: Expr = Literal(start, INDEX)
    for axis, (part, stride) in enumerate(zip(load.index, steps, strict=True)):
        if stride is None:
            for dim in tensor.shape[axis + 1 :]:
                part = part * size(dim)
            rest = rest + part
        else:
            rest = rest + _affine(part, stride, terms)
    return Element(tensor, (rest,), tuple((var, factor) for var, factor in terms.items() if factor))


def _known_strides(shape: Sequence[Dim]) -> list[int | None]:
    """As `strides`; None where only the run can tell."""
    found: list[int | None] = []
    step: int | None = 1
    for dim in reversed(shape):
        found.insert(0, step)
        step = step * dim if step is not None and isinstance(dim, int) else None
    return found


def _affine(expr: Expr, factor: int, terms: dict[Var, int]) -> Expr:
    """Adds the linear part of factor * expr to `terms`; what is left."""
    if isinstance(expr, Var):
        terms[expr] = terms.get(expr, 0) + factor
        return Literal(0, INDEX)
    if isinstance(expr, Apply) and expr.op in ("add", "sub"):
        left = _affine(expr.args[0], factor, terms)
        return left + _affine(expr.args[1], factor if expr.op == "add" else -factor, terms)
    if isinstance(expr, Apply) and expr.op == "mul":
        for one, other in (expr.args, expr.args[::-1]):
            if isinstance(other, Literal):
                return _affine(one, factor * int(other.value), terms)
    return expr * factor


def flatten(expr: Expr) -> Expr:
    """`expr` with all its loads taken apart."""

    def change(part: Expr) -> Expr | None:
        if not isinstance(part, Load) or isinstance(part, Element):
            return None
        return flat(Load(part.tensor, tuple(flatten(index) for index in part.index)))

    return rebuild(expr, change)


def merge(vars: Sequence[Var], exprs: Sequence[Expr]) -> tuple[tuple[Var, ...], list[Expr]]:
    """Adjacent loops that every element passes through in one stride become one loop."""
    merged, current = list(vars), list(exprs)
    axis = len(merged) - 2
    while axis >= 0:
        outer, inner = merged[axis], merged[axis + 1]
        if _one_stride(outer, inner, current):
            assert isinstance(outer.extent, int)
            assert isinstance(inner.extent, int)
            both = Var(outer.name, outer.extent * inner.extent)
            current = [_replace(expr, outer, inner, both) for expr in current]
            merged[axis : axis + 2] = [both]
        axis -= 1
    return tuple(merged), current


def _one_stride(outer: Var, inner: Var, exprs: Sequence[Expr]) -> bool:
    if not isinstance(outer.extent, int) or not isinstance(inner.extent, int):
        return False
    for part in walk(exprs):
        if part is outer or part is inner:
            return False
        if isinstance(part, Element):
            terms = dict(part.terms)
            if terms.get(outer, 0) != terms.get(inner, 0) * inner.extent:
                return False
    return True


def _replace(expr: Expr, outer: Var, inner: Var, both: Var) -> Expr:
    def change(part: Expr) -> Expr | None:
        if not isinstance(part, Element):
            return None
        terms = {var: factor for var, factor in part.terms if var not in (outer, inner)}
        factor = dict(part.terms).get(inner, 0)
        if factor:
            terms[both] = factor
        rest = _replace(part.rest, outer, inner, both)
        return Element(part.tensor, (rest,), tuple(terms.items()))

    return rebuild(expr, change)
