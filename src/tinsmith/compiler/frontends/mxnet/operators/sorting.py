"""Sorting: topk, sort, argsort."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import Node, operator
from tinsmith.compiler.shaping.builder import Value


def _ordered(node: Node, count: int, ascend: bool) -> tuple[list[Value], int]:
    """Values and places along the axis, and the axis; without one, of the flat array."""
    shape = node.shape()
    x, axis = node.x, 0
    if node.attributes.get("axis") == "None":
        x = x.reshape(int(np.prod(shape)))
    else:
        axis = node.axis(len(shape), "axis", -1)
    size = x.shape[axis]
    k = node.constant([min(count, size) if count > 0 else size])
    return node.several("TopK", 2, x, k, axis=axis, largest=int(not ascend)), axis


@operator("topk")
def topk(node: Node) -> Value | list[Value]:
    """The k largest: their places, values, both, or marks where they are."""
    kind = node.choice("ret_typ", "indices", "indices", "value", "both", "mask")
    (values, places), axis = _ordered(node, node.integer("k", 1), node.flag("is_ascend"))
    dtype = node.type("dtype", "float32")
    if kind == "mask":
        ones = node.constant(np.ones(places.shape, node.dtype))
        zeros = node.constant(np.zeros(node.shape(), node.dtype))
        return node.add("ScatterElements", zeros, places, ones, axis=axis)
    found = places.cast(dtype)
    if kind == "both":
        return [values, found]
    return found if kind == "indices" else values


@operator("sort")
def sort(node: Node) -> Value:
    """Along an axis."""
    return _ordered(node, 0, node.flag("is_ascend", True))[0][0]


@operator("argsort")
def argsort(node: Node) -> Value:
    """The places of the sorted elements."""
    places = _ordered(node, 0, node.flag("is_ascend", True))[0][1]
    return places.cast(node.type("dtype", "float32"))
