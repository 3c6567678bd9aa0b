"""BatchNorm and its kin."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator


@operator("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm")
def batch_norm(node: Node) -> str:
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
        gamma = node.constant(np.ones(channels, node.message.dtype(gamma)))
    order = [index for index in range(rank) if index != axis]
    order.insert(1, axis)
    moved = axis != 1 and rank > 1
    if moved:
        x = node.transposed(x, order)
    epsilon = node.real("eps", 1e-3)
    found = node.make("BatchNormalization", x, gamma, *node.inputs[2:5], epsilon=epsilon)
    return node.transposed(found, list(np.argsort(order))) if moved else found


@operator("LayerNorm")
def layer_norm(node: Node) -> str:
    """Along one axis."""
    rank = len(node.shape())
    axis, epsilon = node.axis(rank, "axis", -1), node.real("eps", 1e-5)
    if axis == rank - 1:
        return node.make("LayerNormalization", *node.inputs[:3], axis=axis, epsilon=epsilon)
    shape = [-1 if index == axis else 1 for index in range(rank)]
    shape[axis] = node.shape()[axis]
    return _normalised(node, node.x, [axis], epsilon, *(node.reshaped(v, shape) for v in node.inputs[1:3]))


@operator("InstanceNorm")
def instance_norm(node: Node) -> str:
    """Each plane of each picture."""
    return node.make("InstanceNormalization", *node.inputs[:3], epsilon=node.real("eps", 1e-3))


@operator("GroupNorm")
def group_norm(node: Node) -> str:
    """Groups of channels; factors are those of groups or of channels."""
    shape, groups = node.shape(), node.integer("num_groups", 1)
    if groups < 1 or len(shape) < 3 or shape[1] % groups:
        raise AttributeProblem(f"num_groups is {groups}, expected a divisor of {shape[1]} channels")
    parts = node.reshaped(node.x, (shape[0], groups, shape[1] // groups, *shape[2:]))
    ones = [1] * (len(shape) - 2)
    factors = []
    for value in node.inputs[1:3]:
        (count,) = node.message.shape(value)
        factors.append(node.reshaped(value, [groups, count // groups, *ones]))
    found = _normalised(node, parts, list(range(2, len(shape) + 1)), node.real("eps", 1e-5), *factors)
    return node.reshaped(found, shape)


def _normalised(node: Node, x: str, axes: list[int], epsilon: float, gamma: str, beta: str) -> str:
    where = node.constant(axes)
    centred = node.make("Sub", x, node.make("ReduceMean", x, where))
    variance = node.make("ReduceMean", node.make("Mul", centred, centred), where)
    found = node.make("Div", centred, node.make("Sqrt", node.make("Add", variance, epsilon)))
    return node.make("Add", node.make("Mul", found, gamma), beta)


@operator("L2Normalization")
def l2_normalization(node: Node) -> str:
    """Of length 1: each instance, each pixel (channel) or each plane (spatial)."""
    rank = len(node.shape())
    axes = {
        "instance": list(range(1, rank)),
        "channel": [1],
        "spatial": list(range(2, rank)),
    }[node.choice("mode", "instance", "instance", "channel", "spatial")]
    squares = node.make("ReduceSumSquare", node.x, node.constant(axes))
    return node.make("Div", node.x, node.make("Sqrt", node.make("Add", squares, node.real("eps", 1e-10))))


@operator("LRN")
def lrn(node: Node) -> str:
    """Each pixel over its neighbours among the channels."""
    return node.make(
        "LRN",
        node.x,
        alpha=node.real("alpha", 1e-4),
        beta=node.real("beta", 0.75),
        bias=node.real("knorm", 2.0),
        size=node.integer("nsize"),
    )
