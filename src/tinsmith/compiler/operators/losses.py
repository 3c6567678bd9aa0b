"""Losses of classifications, and determinants."""

from __future__ import annotations

from tinsmith.compiler.ir.scalars import Expr, Literal, Tensor, call, literal, select
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.reductions import reduce_axes, softmax, wide
from tinsmith.compiler.operators.registry import operator


@operator("NegativeLogLikelihoodLoss")
def negative_log_likelihood(node: Node, x: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    return _loss(node, x, target, weight)


@operator("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(
    node: Node, x: Tensor, target: Tensor, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    logs = softmax(node, x, [1], log=True)
    return _loss(node, logs, target, weight), logs


def _loss(node: Node, logs: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Of logs[n, class, ..] and the right class[n, ..]."""
    if logs.rank < 2 or target.shape != (logs.shape[0], *logs.shape[2:]):
        raise node.refuse(f"target of shape {target.shape} for input of shape {logs.shape}")
    reduction, dtype = node.text("reduction", "mean"), wide(logs.dtype)
    if reduction not in ("none", "sum", "mean"):
        raise node.refuse(f"reduction {reduction}")
    ignored = node.integer("ignore_index", 0) if node.has("ignore_index") else None

    def counted(i: tuple[Expr, ...], value: Expr) -> Expr:
        return value if ignored is None else select(target[i].equals(ignored), literal(0, dtype), value)

    def share(i: tuple[Expr, ...]) -> Expr:
        one = literal(1, dtype) if weight is None else weight[target[i].as_index].cast(dtype)
        return counted(i, one)

    def single(i: tuple[Expr, ...]) -> Expr:
        value = -logs[(i[0], target[i].as_index, *i[1:])].cast(dtype)
        return counted(i, value if weight is None else value * weight[target[i].as_index].cast(dtype))

    if reduction == "none":
        return node.map(target.shape, lambda *i: single(i).cast(logs.dtype))
    axes = range(target.rank)
    total = reduce_axes(node, target.shape, axes, "sum", single, keepdims=False)
    if reduction == "sum":
        return node.cast(total, logs.dtype)
    shares = reduce_axes(node, target.shape, axes, "sum", share, keepdims=False)
    return node.map((), lambda: (total[()] / shares[()]).cast(logs.dtype))


@operator("Det")
def determinant(node: Node, x: Tensor) -> Tensor:
    """By elimination with the largest pivot of every column."""
    if x.rank < 2 or not x.is_static or x.shape[-1] != x.shape[-2]:
        raise node.refuse(f"shape {x.shape} is not of square matrices")
    dtype, lead = wide(x.dtype), x.static_shape[:-2]
    rest = node.cast(x, dtype)
    result = node.map(lead, lambda *i: literal(1, dtype))
    for size in range(x.static_shape[-1], 0, -1):
        rest, result = _eliminated(node, rest, result, size)
    return node.cast(result, x.dtype)


def _eliminated(node: Node, x: Tensor, product: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Without the first column and its pivot's row, and the product of pivots so far."""
    lead = x.static_shape[:-2]
    zero = Literal(0, "index")
    place = node.arg_reduce(lead, size, "max", False, lambda *i: call("abs", x[(*i[:-1], i[-1], zero)]))

    def pivot(i: tuple[Expr, ...]) -> Expr:
        return x[(*i, place[i].as_index, zero)]

    def grown(*i: Expr) -> Expr:
        value = product[i] * pivot(i)
        return select(place[i].equals(0), value, -value)

    def below(*i: Expr) -> Expr:
        lead_index, row, column = i[:-2], i[-2] + 1, i[-1] + 1
        best = place[lead_index].as_index
        source = select(row.equals(best), zero, row)
        divisor = pivot(lead_index)
        factor = x[(*lead_index, source, zero)] / divisor
        change = factor * x[(*lead_index, best, column)]
        old = x[(*lead_index, source, column)]
        return select(divisor.equals(0), old, old - change)

    return node.map((*lead, size - 1, size - 1), below), node.map(lead, grown)
