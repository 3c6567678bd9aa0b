"""Sorting: topk, sort, argsort."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import Node, operator


def _ordered(node: Node, count: int, ascend: bool) -> tuple[list[str], int]:
    """Values and places along the axis, and the axis; without one, of the flat array."""
    shape = node.shape()
    x, axis = node.x, 0
    if node.attributes.get("axis") == "None":
        x = node.reshaped(x, [int(np.prod(shape))])
    else:
        axis = node.axis(len(shape), "axis", -1)
    size = node.message.shape(x)[axis]
    k = node.constant([min(count, size) if count > 0 else size])
    return node.make_many("TopK", 2, x, k, axis=axis, largest=int(not ascend)), axis


@operator("topk")
def topk(node: Node) -> str | list[str]:
    """The k largest: their places, values, both, or marks where they are."""
    kind = node.choice("ret_typ", "indices", "indices", "value", "both", "mask")
    (values, places), axis = _ordered(node, node.integer("k", 1), node.flag("is_ascend"))
    dtype = node.type("dtype", "float32")
    if kind == "mask":
        ones = node.constant(np.ones(node.message.shape(places), node.dtype))
        zeros = node.constant(np.zeros(node.shape(), node.dtype))
        return node.make("ScatterElements", zeros, places, ones, axis=axis)
    found = node.cast(places, dtype)
    if kind == "both":
        return [values, found]
    return found if kind == "indices" else values


@operator("sort")
def sort(node: Node) -> str:
    """Along an axis."""
    return _ordered(node, 0, node.flag("is_ascend", True))[0][0]


@operator("argsort")
def argsort(node: Node) -> str:
    """The places of the sorted elements."""
    places = _ordered(node, 0, node.flag("is_ascend", True))[0][1]
    return node.cast(places, node.type("dtype", "float32"))
