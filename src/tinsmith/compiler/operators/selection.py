"""Operators whose result has a size that only a run can tell: what is not zero, what is chosen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinsmith.compiler.ir import scalars
from tinsmith.compiler.ir.scalars import BOOL, Dim, Expr, Tensor
from tinsmith.compiler.operators.node import Node, bool_of
from tinsmith.compiler.operators.registry import operator


def positions(node: Node, flags: Tensor) -> Tensor:
    """The indices, int64, at which the BOOLs of a tensor of one dimension hold."""
    found = node.size(flags.static_shape[0])
    (where,) = node.extern("positions", [flags], [((found,), "int64")], [flags.shape[0]])
    return where


@operator("NonZero")
def non_zero(node: Node, x: Tensor) -> Tensor:
    if x.value is not None:
        return node.constant(np.array(np.nonzero(np.atleast_1d(x.value)), np.int64))
    x = node.view(x, (1,)) if x.rank == 0 else x
    flags = node.map(x.shape, lambda *i: bool_of(x[i]), BOOL)
    where = positions(node, node.view(flags, (node.elements(x.shape),)))
    rows = [_coordinate(where, x.shape, axis) for axis in range(x.rank)]

    def value(row: Expr, n: Expr) -> Expr:
        result = rows[-1](n)
        for axis in reversed(range(x.rank - 1)):
            result = scalars.select(row.equals(axis), rows[axis](n), result)
        return result.cast("int64")

    return node.map((x.rank, where.shape[0]), value)


def _coordinate(where: Tensor, shape: tuple[Dim, ...], axis: int) -> Callable[[Expr], Expr]:
    """The index along `axis` of the n-th element found in a tensor of that shape."""

    def coordinate(n: Expr) -> Expr:
        position = where[n].as_index
        for dim in reversed(shape[axis + 1 :]):
            position = position // scalars.size(dim)
        return position % scalars.size(shape[axis]) if axis else position

    return coordinate


@operator("Compress")
def compress(node: Node, x: Tensor, condition: Tensor) -> Tensor:
    if node.has("axis"):
        axis = node.axis(x.rank)
    else:
        x = node.view(x, (node.elements(x.shape),))
        axis = 0
    where = _chosen(node, condition, x.shape[axis])
    shape = [*x.shape]
    shape[axis] = where.shape[0]
    return node.map(shape, lambda *i: x[(*i[:axis], where[i[axis]].as_index, *i[axis + 1 :])])


def _chosen(node: Node, condition: Tensor, count: Dim) -> Tensor:
    """Where the condition holds, as far as there are elements."""
    if condition.value is not None and isinstance(count, int):
        return node.constant(np.flatnonzero(condition.value[:count]).astype(np.int64))
    length = condition.shape[0]
    if isinstance(length, int) and isinstance(count, int) and length > count:
        condition = node.map((count,), lambda i: condition[i])
    elif length is not count and not (isinstance(length, int) and isinstance(count, int)):
        raise node.refuse(f"a condition of {length} elements for an axis of {count}")
    return positions(node, condition)
