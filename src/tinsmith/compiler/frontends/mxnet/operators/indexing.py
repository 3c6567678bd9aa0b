"""Operators that pick elements by numbers."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.shaping.builder import Value


def _inside(node: Node, index: Value, size: int, mode: str) -> Value:
    """Numbers as int64, beyond the ends at the ends (clip) or round (wrap)."""
    index = index.cast(np.int64)
    return node.add("Mod", index, size) if mode == "wrap" else node.add("Clip", index, 0, size - 1)


@operator("take")
def take(node: Node) -> Value:
    """Slices along an axis."""
    shape = node.shape()
    axis, mode = node.axis(len(shape), "axis", 0), node.choice("mode", "clip", "clip", "wrap", "raise")
    return node.add("Gather", node.x, _inside(node, node.input(1), shape[axis], mode), axis=axis)


@operator("batch_take")
def batch_take(node: Node) -> Value:
    """One element of each row."""
    index = _inside(node, node.input(1), node.shape()[1], "clip")
    rows = node.shape()[0]
    return node.add("GatherElements", node.x, index.reshape(rows, 1), axis=1).reshape(rows)


@operator("pick", "choose_element_0index")
def pick(node: Node) -> Value:
    """One element along an axis, each at its own place."""
    shape = node.shape()
    axis, mode = node.axis(len(shape), "axis", -1), node.choice("mode", "clip", "clip", "wrap")
    kept = [1 if index == axis else size for index, size in enumerate(shape)]
    index = _inside(node, node.input(1).reshape(*kept), shape[axis], mode)
    found = node.add("GatherElements", node.x, index, axis=axis)
    if node.flag("keepdims"):
        return found
    return found.reshape(*([size for place, size in enumerate(shape) if place != axis] or [1]))


@operator("gather_nd")
def gather_nd(node: Node) -> Value:
    """The first axis of the second input goes through the axes of the first."""
    rank = len(node.shape(1))
    index = node.input(1).cast(np.int64).transpose(*range(1, rank), 0)
    return node.add("GatherND", node.x, index)


@operator("one_hot")
def one_hot(node: Node) -> Value:
    """Numbers outside of the depth have no mark."""
    depth, dtype = node.integer("depth"), np.dtype(node.type("dtype", "float32"))
    if not 1 <= depth <= 2**24:
        raise AttributeProblem(f"depth is {depth}, expected a number from 1 on")
    index = node.x.cast(np.int64).reshape(*node.shape(), 1)
    hit = node.add("Equal", index, node.constant(list(range(depth))))
    values = (
        np.array(node.real(key, default)).astype(dtype)
        for key, default in (("on_value", 1.0), ("off_value", 0.0))
    )
    return node.add("Where", hit, *(node.constant(value) for value in values))
