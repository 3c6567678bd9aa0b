"""Attention on projections that lie interleaved, as in GluonNLP's BERT: [steps, batch, heads * 3 * size]."""

from __future__ import annotations

import math

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator


def _parts(node: Node, value: str, kinds: int) -> list[str]:
    """Queries, keys and values (or keys and values), each [batch * heads, steps, size]."""
    heads = node.integer("heads")
    steps, batch, width = node.message.shape(value)
    if heads < 1 or width % (heads * kinds):
        raise AttributeProblem(f"heads is {heads}, expected a divisor of {width} / {kinds}")
    size = width // heads // kinds
    found = node.reshaped(value, [steps, batch, heads, kinds, size])
    found = node.transposed(found, [3, 1, 2, 0, 4])
    parts = (
        node.make_many("Split", kinds, found, node.constant([1] * kinds), axis=0) if kinds > 1 else [found]
    )
    return [node.reshaped(part, [batch * heads, steps, size]) for part in parts]


def _scores(node: Node, query: str, key: str) -> str:
    size = node.message.shape(query)[-1]
    scaled = node.make("Div", query, math.sqrt(size))
    return node.make("MatMul", scaled, node.transposed(key, [0, 2, 1]))


def _gathered(node: Node, weights: str, value: str) -> str:
    heads = node.integer("heads")
    found = node.make("MatMul", weights, value)
    rows, steps, size = node.message.shape(found)
    found = node.reshaped(found, [rows // heads, heads, steps, size])
    return node.reshaped(node.transposed(found, [2, 0, 1, 3]), [steps, rows // heads, heads * size])


@operator("_contrib_interleaved_matmul_selfatt_qk")
def self_attention_scores(node: Node) -> str:
    """[batch * heads, steps, steps]"""
    query, key, _ = _parts(node, node.x, 3)
    return _scores(node, query, key)


@operator("_contrib_interleaved_matmul_selfatt_valatt")
def self_attention_values(node: Node) -> str:
    """[steps, batch, heads * size]"""
    return _gathered(node, node.input(1), _parts(node, node.x, 3)[2])


@operator("_contrib_interleaved_matmul_encdec_qk")
def cross_attention_scores(node: Node) -> str:
    """As of self-attention, with queries of their own."""
    (query,) = _parts(node, node.x, 1)
    return _scores(node, query, _parts(node, node.input(1), 2)[0])


@operator("_contrib_interleaved_matmul_encdec_valatt")
def cross_attention_values(node: Node) -> str:
    """As of self-attention."""
    return _gathered(node, node.input(1), _parts(node, node.x, 2)[1])
