"""Operators that need elements in order. Elements are sorted as keys, and what is found is picked by
index."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.ir import dtypes, scalars
from tinsmith.compiler.ir.scalars import Apply, Dim, Expr, Size, Tensor, literal, select
from tinsmith.compiler.operators.node import Node, element
from tinsmith.compiler.operators.registry import operator

GREATEST = 2**63 - 1


def sort_key(value: Expr) -> Expr:
    """An int64 in the same order as `value`: both zeros are one, NaN is the greatest."""
    if dtypes.is_float(value.dtype):
        wide = select(value.equals(0), literal(0, value.dtype), value).cast("float64")
        bits = Apply("reinterpret", (wide,), "int64")
        key = select(bits < 0, bits ^ GREATEST, bits)
        return select(Apply("isnan", (value,), scalars.BOOL), literal(GREATEST, "int64"), key)
    if value.dtype == "uint64":
        return value.cast("int64") ^ -(2**63)
    return value.cast("int64")


def sorted_order(node: Node, x: Tensor, axis: int, falling: bool) -> Tensor:
    """[the other axes.., n]: the indices along `axis` in the order of the elements; of equal ones the
    lower first."""
    last = [*(dim for other, dim in enumerate(x.shape) if other != axis), x.shape[axis]]

    def key(*i: Expr) -> Expr:
        value = sort_key(x[(*i[:axis], i[-1], *i[axis:-1])])
        return ~value if falling else value

    keys = node.map(last, key)
    order, _ = node.extern(
        "sort", [keys], [(last, "int64"), (last[-1:], "int64")], [node.elements(last[:-1]), last[-1]]
    )
    return order


@operator("TopK")
def top_k(node: Node, x: Tensor, k: Tensor | None = None) -> tuple[Tensor, Tensor]:
    axis = node.axis(x.rank, default=-1)
    order = sorted_order(node, x, axis, falling=bool(node.integer("largest", 1)))
    shape = [*x.shape]
    shape[axis] = _wanted(node, x.shape[axis], k, axis)

    def found(*i: Expr) -> Expr:
        return order[(*i[:axis], *i[axis + 1 :], i[axis])]

    values = node.map(shape, lambda *i: x[(*i[:axis], found(*i).as_index, *i[axis + 1 :])])
    return values, node.map(shape, found)


def _wanted(node: Node, count: Dim, k: Tensor | None, axis: int) -> Dim:
    """How many: never more than there are."""
    most = count.most if isinstance(count, Size) else count
    if k is None or k.value is not None:
        number = node.integer("k") if k is None else node.known_ints(1, "K")[0]
        if not 0 <= number <= most:
            raise node.refuse(f"K is {number} of {most} elements")
        return (
            number if isinstance(count, int) else node.measure(scalars.binary("min", count, number), number)
        )
    declared = node.declared[0]
    if declared is not None and isinstance(count, int) and declared[axis] <= count:
        return declared[axis]
    return node.measure(scalars.binary("min", scalars.size(count), element(k).as_index), most)


@operator("Unique")
def unique(node: Node, x: Tensor) -> tuple[Tensor, ...]:
    axis = node.axis(x.rank) if node.has("axis") else None
    if axis is None:
        x = node.view(x, (node.elements(x.shape),))
        axis = 0
    count, others = x.shape[axis], [*x.shape[:axis], *x.shape[axis + 1 :]]
    keys = node.map([count, *others], lambda n, *i: sort_key(x[(*i[:axis], n, *i[axis:])]))
    found = node.size(x.static_shape[axis])
    numbers: list[int | Size] = [count, node.elements(others), node.integer("sorted", 1)]
    per_group, per_entry = ((found,), "int64"), ((count,), "int64")
    first, inverse, counts, *_ = node.extern(
        "unique", [keys], [per_group, per_entry, per_group, per_entry, per_entry], numbers
    )
    shape = [*x.shape]
    shape[axis] = found
    values = node.map(shape, lambda *i: x[(*i[:axis], first[i[axis]].as_index, *i[axis + 1 :])])
    return values, first, inverse, counts


@operator("NonMaxSuppression")
def non_max_suppression(
    node: Node,
    boxes: Tensor,
    scores: Tensor,
    most: Tensor | None = None,
    overlap: Tensor | None = None,
    least: Tensor | None = None,
) -> Tensor:
    if boxes.rank != 3 or scores.rank != 3 or boxes.shape[2] != 4 or boxes.shape[1] != scores.shape[2]:
        raise node.refuse(f"boxes of shape {boxes.shape} with scores of shape {scores.shape}")
    batches, classes, count = scores.shape
    order = sorted_order(node, scores, 2, falling=True)
    limit = node.constant(np.zeros(1, np.int64)) if most is None else node.cast(most, "int64")
    bound = scores.static_shape[2]
    if limit.value is not None:
        bound = min(bound, max(int(limit.value.item()), 0))
    zero = node.constant(np.zeros(1, np.float32))
    found = node.size(scores.static_shape[0] * scores.static_shape[1] * bound)
    (kept,) = node.extern(
        "boxes",
        [boxes, scores, order, limit, overlap or zero, least or zero],
        [((found, 3), "int64")],
        [batches, classes, count, node.integer("center_point_box", 0), int(least is not None)],
    )
    return kept
