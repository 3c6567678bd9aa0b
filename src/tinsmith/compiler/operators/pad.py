"""Operators that put elements around a tensor, or cut some off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinsmith.compiler.ir.scalars import INDEX, Expr, Literal, Tensor, select
from tinsmith.compiler.operators.node import Node, element
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.steering import (
    all_of,
    clamped,
    declared_shape,
    entries,
    inside,
    number_of,
    per_axis,
    static_shape,
    zero,
)


@operator("Pad")
def pad(
    node: Node, x: Tensor, pads: Tensor | None = None, fill: Tensor | None = None, *_: Tensor | None
) -> Tensor:
    shape = static_shape(node, x)
    if pads is None:
        given: list[Expr] | None = [Literal(number, INDEX) for number in node.integers("pads")]
        axes = None
    else:
        given, axes = entries(node, 1, "pads"), entries(node, 3, "axes")
    assert given is not None
    if len(given) % 2:
        raise node.refuse(f"{len(given)} pads, expected as many at the beginnings as at the ends")
    none = [Literal(0, INDEX)] * x.rank
    before = per_axis(node, given[: len(given) // 2], axes, none)
    after = per_axis(node, given[len(given) // 2 :], axes, none)
    target = _padded(node, shape, before, after)
    mode = node.text("mode", "constant")
    if mode == "constant":
        value: Expr = zero(x.dtype) if fill is None else element(fill)
        if fill is None and node.has("value"):
            value = Literal(node.number("value"), x.dtype)
        return framed(node, x, target, before, value)
    if mode not in OUTSIDE:
        raise node.refuse(f"mode {mode}")
    if 0 in shape and 0 not in target:
        raise node.refuse(f"mode {mode} of an empty tensor")

    def place(index: Expr, start: Expr, length: int, dim: int) -> Expr:
        return OUTSIDE[mode](index - start, dim) if _leaves(start, length, dim) else index - start

    return node.map(target, lambda *i: x[tuple(map(place, i, before, target, shape))])


def _padded(
    node: Node, shape: Sequence[int], before: Sequence[Expr], after: Sequence[Expr]
) -> tuple[int, ...]:
    first, last = [number_of(part) for part in before], [number_of(part) for part in after]
    if None in first or None in last:
        target = declared_shape(node, "pads or axes")
        if len(target) != len(shape):
            raise node.refuse(f"a tensor of shape {shape} does not become {target}")
        return target
    target = tuple(dim + int(a or 0) + int(b or 0) for dim, a, b in zip(shape, first, last, strict=True))
    if min(target, default=0) < 0:
        raise node.refuse(f"pads {first} and {last} of shape {shape}")
    return target


def framed(node: Node, x: Tensor, target: Sequence[int], before: Sequence[Expr], value: Expr) -> Tensor:
    """A tensor of shape `target` with `x` behind `before` elements and `value` elsewhere; or part of `x`."""
    shape = static_shape(node, x)
    framed_axes = [axis for axis in range(x.rank) if _leaves(before[axis], target[axis], shape[axis])]
    if not framed_axes and target == shape:
        return x

    def element_at(*i: Expr) -> Expr:
        at = tuple(part - start for part, start in zip(i, before, strict=True))
        if not framed_axes:
            return x[at]
        return select(all_of([inside(at[axis], shape[axis]) for axis in framed_axes]), x[at], value)

    return node.map(target, element_at)


def _leaves(start: Expr, length: int, dim: int) -> bool:
    """An axis of `length` that begins `start` before an axis of `dim` reaches beyond it."""
    first = number_of(start)
    return first is None or first > 0 or length - first > dim


def reflected(index: Expr, dim: int) -> Expr:
    """0 1 2 3 goes on as 2 1 0 1 2 ..., to both sides."""
    if dim == 1:
        return Literal(0, INDEX)
    turn = index % (2 * dim - 2)
    return clamped(select(turn < dim, turn, Literal(2 * dim - 2, INDEX) - turn), dim)


def mirrored(index: Expr, dim: int) -> Expr:
    """0 1 2 3 goes on as 3 2 1 0 0 1 ..., to both sides."""
    turn = index % (2 * dim)
    return clamped(select(turn < dim, turn, Literal(2 * dim - 1, INDEX) - turn), dim)


OUTSIDE: dict[str, Callable[[Expr, int], Expr]] = {
    "reflect": reflected,
    "edge": clamped,
    "wrap": lambda index, dim: clamped(index % dim, dim),
}
"""What stands for an index beyond an axis, by mode."""


@operator("CenterCropPad")
def center_crop_pad(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    own = static_shape(node, x)
    if shape.value is None:
        target = declared_shape(node, "shape")
    else:
        wanted: list[Expr] = [Literal(number, INDEX) for number in node.known_ints(1, "shape")]
        axes: list[Expr] | None = None
        if node.has("axes"):
            axes = [Literal(axis, INDEX) for axis in node.integers("axes")]
        chosen = per_axis(node, wanted, axes, [Literal(dim, INDEX) for dim in own])
        target = tuple(int(number_of(part) or 0) for part in chosen)
    # Of an odd difference, the larger half is at the end.
    before = [
        Literal((new - dim) // 2 if new >= dim else -((dim - new) // 2), INDEX)
        for new, dim in zip(target, own, strict=True)
    ]
    return framed(node, x, target, before, zero(x.dtype))
