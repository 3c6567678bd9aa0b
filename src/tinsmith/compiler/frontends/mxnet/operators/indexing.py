"""Operators that pick elements by numbers."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator


def _inside(node: Node, index: str, size: int, mode: str) -> str:
    """Numbers as int64, beyond the ends at the ends (clip) or round (wrap)."""
    index = node.cast(index, np.int64)
    return node.make("Mod", index, size) if mode == "wrap" else node.make("Clip", index, 0, size - 1)


@operator("take")
def take(node: Node) -> str:
    """Slices along an axis."""
    shape = node.shape()
    axis, mode = node.axis(len(shape), "axis", 0), node.choice("mode", "clip", "clip", "wrap", "raise")
    return node.make("Gather", node.x, _inside(node, node.input(1), shape[axis], mode), axis=axis)


@operator("batch_take")
def batch_take(node: Node) -> str:
    """One element of each row."""
    index = _inside(node, node.input(1), node.shape()[1], "clip")
    rows = node.shape()[0]
    return node.reshaped(node.make("GatherElements", node.x, node.reshaped(index, [rows, 1]), axis=1), [rows])


@operator("pick", "choose_element_0index")
def pick(node: Node) -> str:
    """One element along an axis, each at its own place."""
    shape = node.shape()
    axis, mode = node.axis(len(shape), "axis", -1), node.choice("mode", "clip", "clip", "wrap")
    kept = [1 if index == axis else size for index, size in enumerate(shape)]
    index = _inside(node, node.reshaped(node.input(1), kept), shape[axis], mode)
    found = node.make("GatherElements", node.x, index, axis=axis)
    if node.flag("keepdims"):
        return found
    return node.reshaped(found, [size for place, size in enumerate(shape) if place != axis] or [1])


@operator("gather_nd")
def gather_nd(node: Node) -> str:
    """The first axis of the second input goes through the axes of the first."""
    rank = len(node.shape(1))
    index = node.transposed(node.cast(node.input(1), np.int64), [*range(1, rank), 0])
    return node.make("GatherND", node.x, index)


@operator("one_hot")
def one_hot(node: Node) -> str:
    """Numbers outside of the depth have no mark."""
    depth, dtype = node.integer("depth"), np.dtype(node.type("dtype", "float32"))
    if not 1 <= depth <= 2**24:
        raise AttributeProblem(f"depth is {depth}, expected a number from 1 on")
    index = node.reshaped(node.cast(node.x, np.int64), [*node.shape(), 1])
    hit = node.make("Equal", index, node.constant(list(range(depth))))
    values = (
        np.array(node.real(key, default)).astype(dtype)
        for key, default in (("on_value", 1.0), ("off_value", 0.0))
    )
    return node.make("Where", hit, *(node.constant(value) for value in values))
