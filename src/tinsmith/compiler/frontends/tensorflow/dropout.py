"""Dropout that a graph was left with: a tensor scaled up, times a mask of random zeros and ones."""

from __future__ import annotations

from collections.abc import Mapping

from tinsmith.compiler.frontends.tensorflow.messages import Message

_RANDOM = frozenset({"RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2"})
_MASKS = frozenset({"Floor", "Cast", "GreaterEqual"})
_WITHIN = frozenset({"Add", "AddV2", "Mul", "Sub", "GreaterEqual", "Identity", "Cast"})
_DEPTH = 6


def dropped_out(node: Message, nodes: Mapping[str, Message]) -> str | None:
    """What `node` would be without dropout, as a reference; None where it is no dropout."""
    inputs = [name for name in node.input if not name.startswith("^")]
    if node.op == "Mul" and len(inputs) == 2:
        for mask, data in (inputs, inputs[::-1]):
            if _is_mask(mask, nodes):
                return _unscaled(data, nodes)
    if node.op in ("SelectV2", "Select") and len(inputs) == 3 and _is_mask(inputs[0], nodes):
        return _unscaled(inputs[1], nodes)
    return None


def _is_mask(reference: str, nodes: Mapping[str, Message]) -> bool:
    node = _node(reference, nodes)
    return node is not None and node.op in _MASKS and _is_random(node, nodes, _DEPTH)


def _is_random(node: Message, nodes: Mapping[str, Message], depth: int) -> bool:
    sources = [_node(name, nodes) for name in node.input if not name.startswith("^")]
    return any(
        source is not None
        and (
            source.op in _RANDOM
            or (depth > 0 and source.op in _WITHIN and _is_random(source, nodes, depth - 1))
        )
        for source in sources
    )


def _unscaled(reference: str, nodes: Mapping[str, Message]) -> str:
    """Dropout divides by the share that is kept, or multiplies by its reciprocal."""
    node = _node(reference, nodes)
    if node is None or len(node.input) < 2:
        return reference
    if node.op in ("RealDiv", "Div"):
        return str(node.input[0])
    factor = _node(node.input[1], nodes)
    if node.op == "Mul" and factor is not None and factor.op in ("Const", "RealDiv", "Reciprocal"):
        return str(node.input[0])
    return reference


def _node(reference: str, nodes: Mapping[str, Message]) -> Message | None:
    return nodes.get(reference.partition(":")[0])
