"""Operators that reduce axes."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import Node, Rule, operator
from tinsmith.compiler.shaping.builder import Value


def axes_of(node: Node) -> list[int]:
    """`axis`, or with `exclude` all others; all where it is not given."""
    rank = len(node.shape())
    axes = [node.normal(axis, rank) for axis in node.integers("axis", ())] if node.has("axis") else []
    if not axes:
        return list(range(rank))
    return [axis for axis in range(rank) if axis not in axes] if node.flag("exclude") else axes


def reduced(node: Node, name: str, x: Value) -> Value:
    """A reduction of `x`; MXNet has no arrays without axes, so that of everything has one."""
    axes, keep = axes_of(node), node.flag("keepdims")
    found = node.add(name, x, node.constant(axes), keepdims=int(keep))
    return found if found.shape else found.reshape(1)


def _reduction(name: str) -> Rule:
    return lambda node: reduced(node, name, node.x)


for _onnx, _names in {
    "ReduceSum": "sum sum_axis",
    "ReduceMean": "mean",
    "ReduceMax": "max max_axis",
    "ReduceMin": "min min_axis",
    "ReduceProd": "prod",
}.items():
    operator(*_names.split())(_reduction(_onnx))


def _without_nan(name: str, neutral: float) -> Rule:
    def rule(node: Node) -> Value:
        return reduced(node, name, node.add("Where", node.add("IsNaN", node.x), neutral, node.x))

    return rule


operator("nansum")(_without_nan("ReduceSum", 0.0))
operator("nanprod")(_without_nan("ReduceProd", 1.0))


@operator("norm")
def norm(node: Node) -> Value:
    """Of order 1 or 2."""
    order = node.integer("ord", 2)
    if order not in (1, 2):
        raise node.refuse(f"ord is {order}; 1 and 2 are compiled")
    return reduced(node, "ReduceL1" if order == 1 else "ReduceL2", node.x)


@operator("argmax", "argmin")
def argmax(node: Node) -> Value:
    """A place as a number of the type of the input, of the first extreme one."""
    name, shape, keep = ("ArgMax" if node.op == "argmax" else "ArgMin"), node.shape(), node.flag("keepdims")
    if node.has("axis"):
        found = node.add(name, node.x, axis=node.axis(len(shape)), keepdims=int(keep))
        found = found if found.shape else found.reshape(1)
    else:
        flat = node.x.reshape(int(np.prod(shape)))
        found = node.add(name, flat, axis=0).reshape(*([1] * len(shape) if keep else [1]))
    return found.cast(np.float32)


@operator("argmax_channel")
def argmax_channel(node: Node) -> Value:
    """Along the second axis."""
    return node.add("ArgMax", node.x, axis=1, keepdims=0).cast(node.dtype)
