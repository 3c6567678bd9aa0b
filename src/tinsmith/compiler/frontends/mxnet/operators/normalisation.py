"""BatchNorm and its kin."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.shaping.builder import Value


@operator("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm")
def batch_norm(node: Node) -> Value:
    """By the means and variances of training. With fix_gamma, the default, the factors are 1."""
    if len(node.inputs) < 5:
        raise AttributeProblem(
            f"it has {len(node.inputs)} inputs, expected 5: data, gamma, beta, mean and variance"
        )
    rank = len(node.shape())
    axis = node.axis(rank, "axis", 1)
    channels = node.shape()[axis]
    if any(node.shape(index) != (channels,) for index in range(1, 5)):
        sizes = ", ".join(str(list(node.shape(index))) for index in range(1, 5))
        raise AttributeProblem(
            f"gamma, beta, mean and variance have the shapes {sizes}, expected [{channels}]"
        )
    x, gamma = node.x, node.input(1)
    if node.flag("fix_gamma", True):
        gamma = node.constant(np.ones(channels, gamma.dtype))
    order = [index for index in range(rank) if index != axis]
    order.insert(1, axis)
    moved = axis != 1 and rank > 1
    if moved:
        x = x.transpose(*order)
    epsilon = node.real("eps", 1e-3)
    found = node.add("BatchNormalization", x, gamma, *node.inputs[2:5], epsilon=epsilon)
    return found.transpose(*list(np.argsort(order))) if moved else found


@operator("LayerNorm")
def layer_norm(node: Node) -> Value:
    """Along one axis."""
    rank = len(node.shape())
    axis, epsilon = node.axis(rank, "axis", -1), node.real("eps", 1e-5)
    if axis == rank - 1:
        return node.add("LayerNormalization", *node.inputs[:3], axis=axis, epsilon=epsilon)
    shape = [-1 if index == axis else 1 for index in range(rank)]
    shape[axis] = node.shape()[axis]
    return _normalised(node, node.x, [axis], epsilon, *(v.reshape(*shape) for v in node.inputs[1:3]))


@operator("InstanceNorm")
def instance_norm(node: Node) -> Value:
    """Each plane of each picture."""
    return node.add("InstanceNormalization", *node.inputs[:3], epsilon=node.real("eps", 1e-3))


@operator("GroupNorm")
def group_norm(node: Node) -> Value:
    """Groups of channels; factors are those of groups or of channels."""
    shape, groups = node.shape(), node.integer("num_groups", 1)
    if groups < 1 or len(shape) < 3 or shape[1] % groups:
        raise AttributeProblem(f"num_groups is {groups}, expected a divisor of {shape[1]} channels")
    parts = node.x.reshape(shape[0], groups, shape[1] // groups, *shape[2:])
    ones = [1] * (len(shape) - 2)
    factors = []
    for value in node.inputs[1:3]:
        (count,) = value.shape
        factors.append(value.reshape(groups, count // groups, *ones))
    found = _normalised(node, parts, list(range(2, len(shape) + 1)), node.real("eps", 1e-5), *factors)
    return found.reshape(*shape)


def _normalised(node: Node, x: Value, axes: list[int], epsilon: float, gamma: Value, beta: Value) -> Value:
    where = node.constant(axes)
    centred = node.add("Sub", x, node.add("ReduceMean", x, where))
    variance = node.add("ReduceMean", node.add("Mul", centred, centred), where)
    found = node.add("Div", centred, node.add("Sqrt", node.add("Add", variance, epsilon)))
    return node.add("Add", node.add("Mul", found, gamma), beta)


@operator("L2Normalization")
def l2_normalization(node: Node) -> Value:
    """Of length 1: each instance, each pixel (channel) or each plane (spatial)."""
    rank = len(node.shape())
    axes = {
        "instance": list(range(1, rank)),
        "channel": [1],
        "spatial": list(range(2, rank)),
    }[node.choice("mode", "instance", "instance", "channel", "spatial")]
    squares = node.add("ReduceSumSquare", node.x, node.constant(axes))
    return node.add("Div", node.x, node.add("Sqrt", node.add("Add", squares, node.real("eps", 1e-10))))


@operator("LRN")
def lrn(node: Node) -> Value:
    """Each pixel over its neighbours among the channels."""
    return node.add(
        "LRN",
        node.x,
        alpha=node.real("alpha", 1e-4),
        beta=node.real("beta", 0.75),
        bias=node.real("knorm", 2.0),
        size=node.integer("nsize"),
    )
