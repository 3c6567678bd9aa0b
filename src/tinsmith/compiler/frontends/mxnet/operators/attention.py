"""Attention on projections that lie interleaved, as in GluonNLP's BERT: [steps, batch, heads * 3 * size]."""

from __future__ import annotations

import math

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.shaping.builder import Value


def _parts(node: Node, value: Value, kinds: int) -> list[Value]:
    """Queries, keys and values (or keys and values), each [batch * heads, steps, size]."""
    heads = node.integer("heads")
    steps, batch, width = value.shape
    if heads < 1 or width % (heads * kinds):
        raise AttributeProblem(f"heads is {heads}, expected a divisor of {width} / {kinds}")
    size = width // heads // kinds
    found = value.reshape(steps, batch, heads, kinds, size)
    found = found.transpose(3, 1, 2, 0, 4)
    parts = node.several("Split", kinds, found, node.constant([1] * kinds), axis=0) if kinds > 1 else [found]
    return [part.reshape(batch * heads, steps, size) for part in parts]


def _scores(node: Node, query: Value, key: Value) -> Value:
    size = query.shape[-1]
    scaled = node.add("Div", query, math.sqrt(size))
    return node.add("MatMul", scaled, key.transpose(0, 2, 1))


def _gathered(node: Node, weights: Value, value: Value) -> Value:
    heads = node.integer("heads")
    found = node.add("MatMul", weights, value)
    rows, steps, size = found.shape
    found = found.reshape(rows // heads, heads, steps, size)
    return found.transpose(2, 0, 1, 3).reshape(steps, rows // heads, heads * size)


@operator("_contrib_interleaved_matmul_selfatt_qk")
def self_attention_scores(node: Node) -> Value:
    """[batch * heads, steps, steps]"""
    query, key, _ = _parts(node, node.x, 3)
    return _scores(node, query, key)


@operator("_contrib_interleaved_matmul_selfatt_valatt")
def self_attention_values(node: Node) -> Value:
    """[steps, batch, heads * size]"""
    return _gathered(node, node.input(1), _parts(node, node.x, 3)[2])


@operator("_contrib_interleaved_matmul_encdec_qk")
def cross_attention_scores(node: Node) -> Value:
    """As of self-attention, with queries of their own."""
    (query,) = _parts(node, node.x, 1)
    return _scores(node, query, _parts(node, node.input(1), 2)[0])


@operator("_contrib_interleaved_matmul_encdec_valatt")
def cross_attention_values(node: Node) -> Value:
    """As of self-attention."""
    return _gathered(node, node.input(1), _parts(node, node.x, 2)[1])
