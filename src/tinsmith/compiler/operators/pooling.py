"""Operators that reduce windows or whole planes."""

from __future__ import annotations

import math
from collections.abc import Callable

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.scalars import Expr, Literal, Tensor, call, literal
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.reductions import reduce_axes, unravel, wide
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.windows import Windows, windows


def _shape(x: Tensor, window: Windows) -> tuple[object, ...]:
    return (*x.shape[:2], *window.out)


def _pooled(
    node: Node, x: Tensor, window: Windows, kind: str, value: Callable[[Expr], Expr], padding: Literal
) -> Tensor:
    """kind over every window of value(element)"""
    spatial = x.rank - 2

    def element(*vars: Expr) -> Expr:
        index = window.index(vars[2 : 2 + spatial], vars[2 + spatial :])
        return window.padded(index, lambda: value(x[(*vars[:2], *index)]), padding)

    return node.reduce((*x.shape[:2], *window.out), window.kernel, kind, element)


def _window(node: Node, x: Tensor) -> Windows:
    if x.rank < 3:
        raise node.refuse(f"shape {x.shape} has no spatial axes")
    return windows(node, x.shape[2:], node.integers("kernel_shape"))


@operator("AveragePool")
def average_pool(node: Node, x: Tensor) -> Tensor:
    window, dtype = _window(node, x), wide(x.dtype)
    total = _pooled(node, x, window, "sum", lambda e: e.cast(dtype), literal(0, dtype))
    include = bool(node.integer("count_include_pad", 0))
    counts = [window.counts(axis, include) for axis in range(x.rank - 2)]
    factors: list[int | Tensor] = [
        row[0] if len(set(row)) == 1 else node.constant(row, dtype) for row in counts if row
    ]

    def value(*i: Expr) -> Expr:
        fixed = math.prod(factor for factor in factors if isinstance(factor, int))
        count: Expr = literal(fixed, dtype)
        for axis, factor in enumerate(factors):
            if isinstance(factor, Tensor):
                count = count * factor[i[2 + axis]]
        return (total[i] / count).cast(x.dtype)

    return node.map(total.shape, value)


@operator("MaxPool")
def max_pool(node: Node, x: Tensor) -> tuple[Tensor, Tensor | None]:
    window = _window(node, x)
    lowest = Literal(dtypes.limits(x.dtype)[0] if dtypes.is_integer(x.dtype) else -math.inf, x.dtype)
    best = _pooled(node, x, window, "max", lambda e: e, lowest)
    return best, _places(node, x, window, lowest) if node.wants(1) else None


def _places(node: Node, x: Tensor, window: Windows, lowest: Literal) -> Tensor:
    """Where the maxima lie, as numbers of elements of the whole input."""
    elements = math.prod(window.kernel)

    def element(*vars: Expr) -> Expr:
        index = window.index(vars[2:-1], unravel(vars[-1], window.kernel))
        return window.padded(index, lambda: x[(*vars[:2], *index)], lowest)

    shape = (*x.shape[:2], *window.out)
    found = node.arg_reduce(shape, elements, "max", False, element)
    order = range(len(window.sizes))
    axes = order[::-1] if node.integer("storage_order", 0) else order

    def number(*i: Expr) -> Expr:
        index = window.index(i[2:], unravel(found[i].as_index, window.kernel))
        flat = i[0] * int(x.static_shape[1]) + i[1]
        plane: Expr = literal(0, "index")
        for axis in axes:
            plane = plane * window.sizes[axis] + index[axis]
        return (flat * math.prod(window.sizes) + plane).cast("int64")

    return node.map(shape, number)


@operator("LpPool")
def lp_pool(node: Node, x: Tensor) -> Tensor:
    return _rooted(
        node, _pooled(node, x, _window(node, x), "sum", _power(node, x), literal(0, wide(x.dtype))), x
    )


@operator("GlobalLpPool")
def global_lp_pool(node: Node, x: Tensor) -> Tensor:
    power = _power(node, x)
    return _rooted(node, reduce_axes(node, x.shape, range(2, x.rank), "sum", lambda i: power(x[i])), x)


def _power(node: Node, x: Tensor) -> Callable[[Expr], Expr]:
    """|x|^p"""
    p, dtype = node.integer("p", 2), wide(x.dtype)

    def power(element: Expr) -> Expr:
        size = call("abs", element.cast(dtype))
        return size if p == 1 else size * size if p == 2 else call("pow", size, literal(p, dtype))

    return power


def _rooted(node: Node, total: Tensor, x: Tensor) -> Tensor:
    p = node.integer("p", 2)

    def root(value: Expr) -> Expr:
        if p == 1:
            return value
        return call("sqrt", value) if p == 2 else call("pow", value, literal(1 / p, value.dtype))

    return node.map(total.shape, lambda *i: root(total[i]).cast(x.dtype))


@operator("GlobalAveragePool")
def global_average_pool(node: Node, x: Tensor) -> Tensor:
    dtype = wide(x.dtype)
    total = reduce_axes(node, x.shape, range(2, x.rank), "sum", lambda i: x[i].cast(dtype))
    count = literal(math.prod(x.static_shape[2:]), dtype)
    return node.map(total.shape, lambda *i: (total[i] / count).cast(x.dtype))


@operator("GlobalMaxPool")
def global_max_pool(node: Node, x: Tensor) -> Tensor:
    return reduce_axes(node, x.shape, range(2, x.rank), "max", lambda i: x[i])
