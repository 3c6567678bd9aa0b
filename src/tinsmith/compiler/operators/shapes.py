"""Operators that give shapes, or the same elements in another shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinsmith.compiler.ir import scalars
from tinsmith.compiler.ir.scalars import Dim, Expr, Size, Tensor
from tinsmith.compiler.operators.node import Node, at, broadcast
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.sizes import computed_shape
from tinsmith.compiler.operators.steering import axes_of, clamped, declared_shape, static_shape


@operator("Shape")
def shape_of(node: Node, x: Tensor) -> Tensor:
    start, end, _ = slice(node.integer("start", 0), node.integer("end", x.rank)).indices(x.rank)
    dims = x.shape[start:end]
    known = scalars.static(dims)
    if known is not None:
        return node.constant(list(known), "int64")

    def value(axis: Expr) -> Expr:
        result = scalars.size(dims[-1])
        for number in reversed(range(len(dims) - 1)):
            result = scalars.select(axis.equals(number), scalars.size(dims[number]), result)
        return result.cast("int64")

    return node.map((len(dims),), value)


@operator("Size")
def size_of(node: Node, x: Tensor) -> Tensor:
    known = scalars.static(x.shape)
    if known is not None:
        return node.constant(math.prod(known), "int64")

    def value() -> Expr:
        total: Expr = scalars.literal(1, scalars.INDEX)
        for dim in x.shape:
            total = total * scalars.size(dim)
        return total.cast("int64")

    return node.map((), value)


@operator("Reshape")
def reshape(node: Node, x: Tensor, shape: Tensor | None = None) -> Tensor:
    wanted = computed_shape(node, 1, "shape") if node.known(1) is None else node.known_ints(1, "shape")
    target = _resolved(node, x.shape, wanted, bool(node.integer("allowzero", 0)))
    before, after = scalars.static(x.shape), scalars.static(target)
    if before is not None and after is not None and math.prod(before) != math.prod(after):
        raise node.refuse(f"shape {before} does not become {after}")
    return node.view(x, target)


def _resolved(node: Node, shape: Sequence[Dim], wanted: Sequence[Dim], allow_zero: bool) -> tuple[Dim, ...]:
    """`wanted` with 0 (copy the dimension) and one -1 (the rest) replaced."""
    known = [dim for dim in wanted if isinstance(dim, int)]
    if known.count(-1) > 1 or min(known, default=0) < -1:
        raise node.refuse(f"shape {tuple(wanted)}")
    target: list[Dim] = list(wanted)
    for axis, dim in enumerate(wanted):
        if dim == 0 and not allow_zero:
            if axis >= len(shape):
                raise node.refuse(f"shape {tuple(wanted)} copies dimension {axis} of {len(shape)}")
            target[axis] = shape[axis]
    if -1 in wanted:
        place = wanted.index(-1)
        target[place] = _rest(node, shape, [dim for axis, dim in enumerate(target) if axis != place])
    return tuple(target)


def _rest(node: Node, shape: Sequence[Dim], others: Sequence[Dim]) -> Dim:
    """The dimension that makes `others` as many elements as `shape`."""
    unknown = [dim for dim in shape if isinstance(dim, Size)]
    if any(isinstance(dim, Size) and dim not in unknown for dim in others):
        return _quotient(node, shape, others)
    for dim in others:
        if isinstance(dim, Size):
            unknown.remove(dim)
    whole = math.prod(dim for dim in shape if isinstance(dim, int))
    part = math.prod(dim for dim in others if isinstance(dim, int))
    if not unknown:
        if part == 0 or whole % part:
            raise node.refuse(f"{whole} elements do not divide by {part}")
        return whole // part
    if len(unknown) == 1 and whole == part:
        return unknown[0]
    return _quotient(node, [whole, *unknown], [part])


def _quotient(node: Node, shape: Sequence[Dim], others: Sequence[Dim]) -> Dim:
    """The elements of `shape` divided by those of `others`, at run time."""
    count, divisor = node.elements(shape), node.elements(others)
    most = count.most if isinstance(count, Size) else count
    return node.measure(
        scalars.size(count) // scalars.call("max", scalars.size(divisor), scalars.size(1)), most
    )


@operator("Flatten")
def flatten(node: Node, x: Tensor) -> Tensor:
    axis = node.integer("axis", 1)
    if not -x.rank <= axis <= x.rank:
        raise node.refuse(f"axis {axis} of {x.rank} dimensions")
    axis += x.rank if axis < 0 else 0
    return node.view(x, (_product(node, x.shape[:axis]), _product(node, x.shape[axis:])))


def _product(node: Node, dims: Sequence[Dim]) -> Dim:
    return _rest(node, dims, ()) if any(isinstance(dim, Size) for dim in dims) else math.prod(dims)


@operator("Squeeze")
def squeeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    if axes is not None and axes.value is None:
        return node.view(x, declared_shape(node, "axes"))
    chosen = axes_of(node, x.rank)
    if chosen is None:
        chosen = tuple(axis for axis, dim in enumerate(x.shape) if dim == 1)
    for axis in chosen:
        if x.shape[axis] != 1:
            raise node.refuse(f"axis {axis} of shape {x.shape} is not 1 long")
    return node.view(x, [dim for axis, dim in enumerate(x.shape) if axis not in chosen])


@operator("Unsqueeze")
def unsqueeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    if axes is not None and axes.value is None:
        return node.view(x, declared_shape(node, "axes"))
    count = len(node.integers("axes")) if node.has("axes") else len(node.known_ints(1, "axes"))
    chosen = axes_of(node, x.rank + count) or ()
    dims = iter(x.shape)
    return node.view(x, [1 if axis in chosen else next(dims) for axis in range(x.rank + count)])


@operator("Expand")
def expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    wanted = computed_shape(node, 1, "shape") if shape.value is None else node.known_ints(1, "shape")
    target = broadcast(node, x.shape, wanted)
    if target == x.shape:
        return x
    return node.map(target, lambda *i: at(x, i))


@operator("Tile")
def tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    if repeats.value is None:
        return _tiled_by_remainder(node, x, declared_shape(node, "repeats"))
    counts = node.known_ints(1, "repeats")
    if len(counts) != x.rank or min(counts, default=0) < 0:
        raise node.refuse(f"repeats {counts} of a tensor of shape {x.shape}")
    if all(count == 1 for count in counts):
        return x
    shape = static_shape(node, x)
    apart = [dim for pair in zip(counts, shape, strict=True) for dim in pair]
    copies = node.map(apart, lambda *i: x[i[1::2]])
    return node.view(copies, [count * dim for count, dim in zip(counts, shape, strict=True)])


def _tiled_by_remainder(node: Node, x: Tensor, target: Sequence[int]) -> Tensor:
    if len(target) != x.rank:
        raise node.refuse(f"a tensor of shape {x.shape} does not become {tuple(target)}")
    shape = static_shape(node, x)
    return node.map(
        target,
        lambda *i: x[
            tuple(clamped(part % dim, dim) if dim else part for part, dim in zip(i, shape, strict=True))
        ],
    )
