"""Softmax, and the heads of training as they predict: their labels are no inputs."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import Node, operator
from tinsmith.compiler.shaping.builder import Value


@operator("softmax", "softmin", "log_softmax")
def softmax(node: Node) -> Value:
    """Along `axis`, after division by `temperature`; with use_length, of the first places only."""
    rank = len(node.shape())
    axis, temperature = node.axis(rank, "axis", -1), node.real("temperature", 1.0)
    x = node.add("Neg", node.x) if node.op == "softmin" else node.x
    if temperature != 1:
        x = node.add("Div", x, temperature)
    name = "LogSoftmax" if node.op == "log_softmax" else "Softmax"
    if node.flag("use_length"):
        return _masked(node, name, x, axis)
    found = node.add(name, x, axis=axis)
    return found.cast(node.type("dtype", node.dtype.name)) if node.has("dtype") else found


def _masked(node: Node, name: str, x: Value, axis: int) -> Value:
    """The places behind the length are 0."""
    shape = node.shape()
    if name != "Softmax":
        raise node.refuse("use_length of log_softmax")
    length = node.input(1).cast(np.int64)
    lengths = [size for index, size in enumerate(shape) if index != axis]
    if node.shape(1) != tuple(lengths):
        lengths = [*node.shape(1), *[1] * (len(shape) - 1 - len(node.shape(1)))]
    lengths.insert(axis, 1)
    places = np.arange(shape[axis]).reshape([-1 if index == axis else 1 for index in range(len(shape))])
    inside = node.add("Less", node.constant(places), length.reshape(*lengths))
    low = node.constant(np.array(np.finfo(np.float16).min / 2, node.dtype))
    found = node.add(name, node.add("Where", inside, x, low), axis=axis)
    return node.add("Where", inside, found, 0.0)


@operator("SoftmaxActivation")
def softmax_activation(node: Node) -> Value:
    """Over everything of an instance, or over the channels."""
    if node.choice("mode", "instance", "instance", "channel") == "channel":
        return node.add("Softmax", node.x, axis=1)
    if len(node.shape()) > 2:
        raise node.refuse("mode instance of more than two axes, which MXNet's kernels do not agree about")
    return node.add("Softmax", node.x, axis=1)


@operator("SoftmaxOutput", "Softmax")
def softmax_output(node: Node) -> Value:
    """Over the channels (multi_output), the last axis (preserve_shape) or everything of an instance."""
    if node.flag("multi_output"):
        return node.add("Softmax", node.x, axis=1)
    if node.flag("preserve_shape"):
        return node.add("Softmax", node.x, axis=-1)
    return _over_instance(node)


def _over_instance(node: Node) -> Value:
    shape = node.shape()
    rows = node.x.reshape(shape[0], int(np.prod(shape[1:])))
    return node.add("Softmax", rows, axis=1).reshape(*shape)


@operator("LogisticRegressionOutput")
def logistic_regression_output(node: Node) -> Value:
    """Probabilities."""
    return node.add("Sigmoid", node.x)


@operator("LinearRegressionOutput", "MAERegressionOutput", "SVMOutput", "MakeLoss", "make_loss")
def unchanged(node: Node) -> Value:
    """What it gets."""
    return node.x
