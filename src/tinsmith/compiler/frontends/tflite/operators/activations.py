"""Functions of one tensor between layers, and normalisations over its channels."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.tflite.layer import FROM_PLANES, Arranged, Layer, scalar
from tinsmith.compiler.frontends.tflite.registry import operator


@operator("RELU")
def relu(layer: Layer) -> str:
    return layer.emit("Relu", layer.real(0))


@operator("RELU6")
def relu6(layer: Layer) -> str:
    return _clip(layer, 0, 6)


@operator("RELU_N1_TO_1")
def relu_n1_to_1(layer: Layer) -> str:
    return _clip(layer, -1, 1)


@operator("RELU_0_TO_1")
def relu_0_to_1(layer: Layer) -> str:
    return _clip(layer, 0, 1)


def _clip(layer: Layer, low: float, high: float) -> str:
    return layer.emit("Clip", layer.real(0), scalar(low), scalar(high))


@operator("LOGISTIC")
def logistic(layer: Layer) -> str:
    return layer.emit("Sigmoid", layer.real(0))


@operator("TANH")
def tanh(layer: Layer) -> str:
    return layer.emit("Tanh", layer.real(0))


@operator("ELU")
def elu(layer: Layer) -> str:
    return layer.emit("Elu", layer.real(0))


@operator("LEAKY_RELU")
def leaky_relu(layer: Layer) -> str:
    return layer.emit("LeakyRelu", layer.real(0), alpha=layer.number("alpha"))


@operator("PRELU")
def prelu(layer: Layer) -> str:
    return layer.emit("PRelu", layer.real(0), layer.real(1))


@operator("HARD_SWISH")
def hard_swish(layer: Layer) -> str:
    return layer.emit("HardSwish", layer.real(0))


@operator("GELU")
def gelu(layer: Layer) -> str:
    return layer.emit("Gelu", layer.real(0), approximate="tanh" if layer.flag("approximate") else "none")


@operator("SOFTMAX")
def softmax(layer: Layer) -> str:
    x, beta = layer.real(0), layer.number("beta")
    if beta != 1:
        x = layer.emit("Mul", x, scalar(beta))
    return layer.emit("Softmax", x, axis=-1)


@operator("LOG_SOFTMAX")
def log_softmax(layer: Layer) -> str:
    return layer.emit("LogSoftmax", layer.real(0), axis=-1)


@operator("L2_NORMALIZATION")
def l2_normalization(layer: Layer) -> str:
    """Over the last dimension; a vector of almost nothing is divided by 1e-6."""
    x = layer.real(0)
    norm = layer.emit("ReduceL2", x, np.array([-1]), keepdims=1)
    return layer.emit("Div", x, layer.emit("Max", norm, scalar(1e-6)))


@operator("LOCAL_RESPONSE_NORMALIZATION")
def local_response_normalization(layer: Layer) -> Arranged:
    """ONNX divides alpha by the number of channels it sums."""
    size = 2 * layer.integer("radius") + 1
    x = layer.arranged(0)
    alpha, beta, bias = layer.number("alpha") * size, layer.number("beta"), layer.number("bias")
    return Arranged(layer.emit("LRN", x, alpha=alpha, beta=beta, bias=bias, size=size), FROM_PLANES)
