"""Functions of one tensor between layers, and normalisations over its channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite import fixed
from tinsmith.compiler.frontends.tflite.layer import FROM_PLANES, Arranged, Codes, Layer, scalar
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.shaping.builder import Value


@operator("RELU")
def relu(layer: Layer) -> Value | Codes:
    return layer.emit("Relu", layer.real(0)) if not fixed.computes(layer, 0) else _rescaled(layer, "RELU")


@operator("RELU6")
def relu6(layer: Layer) -> Value | Codes:
    return _clip(layer, 0, 6) if not fixed.computes(layer, 0) else _rescaled(layer, "RELU6")


@operator("RELU_N1_TO_1")
def relu_n1_to_1(layer: Layer) -> Value | Codes:
    return _clip(layer, -1, 1) if not fixed.computes(layer, 0) else _rescaled(layer, "RELU_N1_TO_1")


def _rescaled(layer: Layer, activation: str) -> Codes:
    factor = fixed.Factor.of(fixed.scale(layer.tensor(0)) / fixed.scale(layer.output()))
    return fixed.stored(layer, fixed.multiply(layer, fixed.centred(layer, 0), factor), activation=activation)


@operator("RELU_0_TO_1")
def relu_0_to_1(layer: Layer) -> Value:
    return _clip(layer, 0, 1)


def _clip(layer: Layer, low: float, high: float) -> Value:
    return layer.emit("Clip", layer.real(0), scalar(low), scalar(high))


@operator("LOGISTIC")
def logistic(layer: Layer) -> Value | Codes:
    if fixed.computes(layer, 0):
        return fixed.rounded(layer, _sigmoid)
    return layer.emit("Sigmoid", layer.real(0))


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    power = np.exp(-x.astype(np.float64)).astype(np.float32)
    return np.asarray(np.float32(1) / (np.float32(1) + power), np.float32)


@operator("TANH")
def tanh(layer: Layer) -> Value | Codes:
    if fixed.computes(layer, 0):
        return fixed.rounded(layer, lambda x: np.tanh(x.astype(np.float64)).astype(np.float32))
    return layer.emit("Tanh", layer.real(0))


@operator("ELU")
def elu(layer: Layer) -> Value:
    return layer.emit("Elu", layer.real(0))


@operator("LEAKY_RELU")
def leaky_relu(layer: Layer) -> Value:
    return layer.emit("LeakyRelu", layer.real(0), alpha=layer.number("alpha"))


@operator("PRELU")
def prelu(layer: Layer) -> Value:
    return layer.emit("PRelu", layer.real(0), layer.real(1))


@operator("HARD_SWISH")
def hard_swish(layer: Layer) -> Value | Codes:
    if not fixed.computes(layer, 0):
        return layer.emit("HardSwish", layer.real(0))
    own, other = fixed.scale(layer.tensor(0)), fixed.scale(layer.output())
    return fixed.looked_up(layer, lambda codes: fixed.hard_swish(codes, own, other))


@operator("GELU")
def gelu(layer: Layer) -> Value:
    return layer.emit("Gelu", layer.real(0), approximate="tanh" if layer.flag("approximate") else "none")


@operator("SOFTMAX")
def softmax(layer: Layer) -> Value:
    x, beta = layer.real(0), layer.number("beta")
    if beta != 1:
        x = layer.emit("Mul", x, scalar(beta))
    return layer.emit("Softmax", x, axis=-1)


@operator("LOG_SOFTMAX")
def log_softmax(layer: Layer) -> Value:
    return layer.emit("LogSoftmax", layer.real(0), axis=-1)


@operator("L2_NORMALIZATION")
def l2_normalization(layer: Layer) -> Value:
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
