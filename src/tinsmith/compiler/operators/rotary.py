"""Rotary position embeddings."""

from __future__ import annotations

from tinsmith.compiler.ir.scalars import INDEX, Expr, Literal, Tensor, call, select, size
from tinsmith.compiler.operators.elementwise import FLOATS, check_type
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator


@operator("RotaryEmbedding")
def rotary_embedding(
    node: Node, x: Tensor, cosines: Tensor, sines: Tensor, positions: Tensor | None = None
) -> Tensor:
    """Pairs of the first features of every head are turned by the angles of their position.

    x is [batch, head, position, feature] or [batch, position, head * feature]; tables are [position, angle]
    where there are `positions`, else [batch, position, angle]. Positions outside a table count as the nearest
    inside.
    """
    check_type(node, FLOATS, x, cosines, sines)
    heads_last = x.rank == 3
    batch, heads, length, features = _sizes(node, x)
    turned = node.integer("rotary_embedding_dim", 0) or features
    _check_tables(node, cosines, sines, positions, turned, features)
    interleaved, half = bool(node.integer("interleaved", 0)), turned // 2
    source = node.view(x, (batch, length, heads, features)) if heads_last else x

    def table(which: Tensor, b: Expr, s: Expr, k: Expr) -> Expr:
        if positions is None:
            return which[(b, s, k)]
        place = positions[(b, s)].as_index
        inside = call("max", call("min", place, size(which.shape[0]) - 1), Literal(0, INDEX))
        return which[(inside, k)]

    def value(b: Expr, second: Expr, third: Expr, d: Expr) -> Expr:
        lead, s = (b, second, third), second if heads_last else third
        if interleaved:
            first, pair = (d % 2).equals(0), d // 2
            partner = select(first, d + 1, d - 1)
        else:
            first = d < half
            pair = select(first, d, d - half)
            partner = select(first, d + half, d - half)
        straight = table(cosines, b, s, pair) * source[(*lead, d)]
        across = table(sines, b, s, pair) * source[(*lead, partner)]
        result = select(first, straight - across, straight + across)
        return result if turned == features else select(d < turned, result, source[(*lead, d)])

    return node.view(node.map(source.shape, value), x.shape)


def _sizes(node: Node, x: Tensor) -> tuple[int, int, int, int]:
    """Batch, heads, length, features."""
    if not x.is_static or x.rank not in (3, 4):
        raise node.refuse(f"an input of shape {x.shape}; 3 or 4 known dimensions are needed")
    if x.rank == 4:
        batch, heads, length, features = x.static_shape
        return batch, heads, length, features
    batch, length, hidden = x.static_shape
    heads = node.integer("num_heads", 0)
    if heads <= 0 or hidden % heads:
        raise node.refuse(f"num_heads {heads} for a last dimension of {hidden}")
    return batch, heads, length, hidden // heads


def _check_tables(
    node: Node, cosines: Tensor, sines: Tensor, positions: Tensor | None, turned: int, features: int
) -> None:
    if turned % 2 or turned > features:
        raise node.refuse(f"{turned} turned features of {features}")
    rank = 3 if positions is None else 2
    if cosines.rank != rank or cosines.shape != sines.shape or cosines.shape[-1] != turned // 2:
        raise node.refuse(
            f"tables of shapes {cosines.shape} and {sines.shape}; {rank} dimensions are needed, "
            f"the last of {turned // 2}"
        )
