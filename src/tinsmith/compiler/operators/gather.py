"""Operators that read elements at indices that a tensor holds.

A run's index is clamped to its axis: a wrong one gives some element, never foreign memory.
"""

from __future__ import annotations

from tinsmith.compiler.ir import scalars
from tinsmith.compiler.ir.scalars import Expr, Literal, Tensor, select
from tinsmith.compiler.operators.node import Node, wrapped
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.steering import clamped, declared_shape


@operator("Gather")
def gather(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis = node.axis(x.rank, default=0)
    end = axis + indices.rank
    if indices.value is not None and indices.value.size == 1:
        return _taken(node, x, axis, indices)

    def value(*i: Expr) -> Expr:
        return x[(*i[:axis], _index(indices[i[axis:end]], x, axis), *i[end:])]

    return node.map((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), value)


def _taken(node: Node, x: Tensor, axis: int, indices: Tensor) -> Tensor:
    """One constant index: a slice."""
    assert indices.value is not None
    number, extent = int(indices.value.ravel()[0]), x.shape[axis]
    if isinstance(extent, int) and not -extent <= number < extent:
        raise node.refuse(f"index {number} of an axis of length {extent}")
    place: Expr = scalars.size(extent) + number if number < 0 else Literal(number, scalars.INDEX)
    if not isinstance(extent, int):
        place = clamped(place, extent)
    end = axis + indices.rank
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return node.map(shape, lambda *i: x[(*i[:axis], place, *i[end:])])


def _index(value: Expr, x: Tensor, axis: int) -> Expr:
    return clamped(wrapped(value.as_index, x.shape[axis]), x.shape[axis])


@operator("GatherElements")
def gather_elements(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis = node.axis(x.rank, default=0)
    if indices.rank != x.rank:
        raise node.refuse(f"indices of shape {indices.shape} into shape {x.shape}")
    return node.map(
        indices.shape,
        lambda *i: x[tuple(
            _index(indices[i], x, axis) if number == axis else clamped(part, x.shape[number])
            if indices.shape[number] != x.shape[number] else part
            for number, part in enumerate(i)
        )],
    )  # fmt: skip


@operator("GatherND")
def gather_nd(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    batch = node.integer("batch_dims", 0)
    depth = indices.shape[-1] if indices.rank else None
    if not isinstance(depth, int) or not 0 <= batch < min(x.rank, indices.rank) or batch + depth > x.rank:
        raise node.refuse(
            f"indices of shape {indices.shape} into shape {x.shape} with {batch} batch dimensions"
        )
    if x.shape[:batch] != indices.shape[:batch]:
        raise node.refuse(f"batches {x.shape[:batch]} and {indices.shape[:batch]} differ")
    lead = indices.rank - 1

    def value(*i: Expr) -> Expr:
        place = (_index(indices[(*i[:lead], number)], x, batch + number) for number in range(depth))
        return x[(*i[:batch], *place, *i[lead:])]

    return node.map((*indices.shape[:-1], *x.shape[batch + depth :]), value)


@operator("ArrayFeatureExtractor", domain="ai.onnx.ml")
def array_feature_extractor(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    flat = node.view(indices, (_length(node, indices),))
    table = node.view(x, (1, *x.shape)) if x.rank == 1 else x
    axis = table.rank - 1
    return node.map(
        (*table.shape[:-1], *flat.shape), lambda *i: table[(*i[:-1], _index(flat[i[-1]], table, axis))]
    )


def _length(node: Node, tensor: Tensor) -> scalars.Dim:
    long = [dim for dim in tensor.shape if dim != 1]
    if len(long) > 1:
        raise node.refuse(f"indices of shape {tensor.shape}, expected one dimension")
    return long[0] if long else 1


@operator("OneHot")
def one_hot(node: Node, indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    axis = node.normal_axis(node.integer("axis", -1), indices.rank + 1)
    count = declared_shape(node, "depth")[axis] if depth.value is None else int(depth.value.ravel()[0])
    shape = (*indices.shape[:axis], count, *indices.shape[axis:])

    def value(*i: Expr) -> Expr:
        index = indices[(*i[:axis], *i[axis + 1 :])].cast("int64").as_index
        return select(wrapped(index, count).equals(i[axis]), values[1], values[0])

    return node.map(shape, value)
