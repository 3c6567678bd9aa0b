"""Activation functions. Those of float16 and bfloat16 are computed in float32 and rounded once."""

from __future__ import annotations

import math
from collections.abc import Callable

from tinsmith.compiler.ir.loops import Expr, Tensor, call, literal, select
from tinsmith.compiler.operators.elementwise import FLOATS, NUMBERS, check_type, pointwise, unary
from tinsmith.compiler.operators.node import Node, at, broadcast
from tinsmith.compiler.operators.registry import operator

Function = Callable[[Node, Expr], Expr]


def _activation(*names: str) -> Callable[[Function], Function]:
    """Registers a function of a float32 or float64."""

    def register(function: Function) -> Function:
        for name in names:
            unary(name, FLOATS)(lambda node, x: function(node, widened(x)).cast(x.dtype))
        return function

    return register


def widened(x: Expr) -> Expr:
    """The value in a type to compute functions in."""
    return x.cast("float32") if x.dtype in ("float16", "bfloat16") else x


def logistic(x: Expr) -> Expr:
    """1 / (1 + exp(-x))"""
    return literal(1, x.dtype) / (call("exp", -x) + 1)


def softplus_of(x: Expr) -> Expr:
    """log(1 + exp(x)), without overflow."""
    return call("max", x, literal(0, x.dtype)) + call("log1p", call("exp", -call("abs", x)))


def clamped(x: Expr, low: float, high: float) -> Expr:
    """max(low, min(high, x))"""
    return call("max", call("min", x, literal(high, x.dtype)), literal(low, x.dtype))


@unary("Relu", NUMBERS)
def relu(node: Node, x: Expr) -> Expr:
    return call("max", x, literal(0, x.dtype))


@_activation("Sigmoid")
def sigmoid(node: Node, x: Expr) -> Expr:
    return logistic(x)


@_activation("Softplus")
def softplus(node: Node, x: Expr) -> Expr:
    return softplus_of(x)


@_activation("Softsign")
def softsign(node: Node, x: Expr) -> Expr:
    return x / (call("abs", x) + 1)


@_activation("Mish")
def mish(node: Node, x: Expr) -> Expr:
    return x * call("tanh", softplus_of(x))


@_activation("HardSigmoid")
def hard_sigmoid(node: Node, x: Expr) -> Expr:
    return clamped(x * node.number("alpha", 0.2) + node.number("beta", 0.5), 0, 1)


@_activation("HardSwish")
def hard_swish(node: Node, x: Expr) -> Expr:
    return x * clamped(x * (1 / 6) + 0.5, 0, 1)


@_activation("Swish")
def swish(node: Node, x: Expr) -> Expr:
    return x * logistic(x * node.number("alpha", 1.0))


@_activation("Gelu")
def gelu(node: Node, x: Expr) -> Expr:
    form = node.text("approximate", "none")
    if form == "none":
        inner = call("erf", x * math.sqrt(0.5))
    elif form == "tanh":
        inner = call("tanh", (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi))
    else:
        raise node.refuse(f"approximate {form}; none or tanh is needed")
    return x * 0.5 * (inner + 1)


@_activation("Elu")
def elu(node: Node, x: Expr) -> Expr:
    return select(x < 0, call("expm1", x) * node.number("alpha", 1.0), x)


@_activation("Celu")
def celu(node: Node, x: Expr) -> Expr:
    alpha = node.number("alpha", 1.0)
    return select(x < 0, call("expm1", x / alpha) * alpha, x)


@_activation("Selu")
def selu(node: Node, x: Expr) -> Expr:
    alpha = node.number("alpha", 1.67326319217681884765625)
    gamma = node.number("gamma", 1.05070102214813232421875)
    return select(x > 0, x, call("expm1", x) * alpha) * gamma


@_activation("LeakyRelu")
def leaky_relu(node: Node, x: Expr) -> Expr:
    return select(x < 0, x * node.number("alpha", 0.01), x)


@_activation("ThresholdedRelu")
def thresholded_relu(node: Node, x: Expr) -> Expr:
    return select(x > node.number("alpha", 1.0), x, 0)


@unary("Shrink", NUMBERS)
def shrink(node: Node, x: Expr) -> Expr:
    limit, bias = node.number("lambd", 0.5), node.number("bias", 0.0)
    if x.dtype not in FLOATS:
        wide = x.cast("float64")
        return _shrunk(wide, limit, bias).cast(x.dtype)
    return _shrunk(x, limit, bias)


def _shrunk(x: Expr, limit: float, bias: float) -> Expr:
    return select(x < -limit, x + bias, select(x > limit, x - bias, 0))


@operator("PRelu")
def prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    check_type(node, NUMBERS, x, slope)
    if broadcast(node, x.shape, slope.shape) != x.shape:
        raise node.refuse(f"a slope of shape {slope.shape} for an input of shape {x.shape}")
    return node.map(x.shape, lambda *i: select(x[i] < 0, x[i] * at(slope, i), x[i]))


@operator("SwiGLU")
def swiglu(node: Node, gate: Tensor, value: Tensor) -> Tensor:
    """Rounds where its definition by Swish and a product rounds."""
    check_type(node, FLOATS, gate, value)
    if gate.shape != value.shape:
        raise node.refuse(f"shapes {gate.shape} and {value.shape} differ")

    def result(a: Expr, b: Expr) -> Expr:
        return swish(node, widened(a)).cast(a.dtype) * b

    return pointwise(node, result, gate, value)


@operator("Dropout")
def dropout(node: Node, x: Tensor, ratio: Tensor | None = None, training: Tensor | None = None) -> object:
    """Of a trained model: the input, and a mask of what it keeps, which is everything."""
    if training is not None:
        _check_inference(node)
    if not node.wants(1):
        return x
    dtype = "bool" if node.version >= 10 else x.dtype
    return x, node.map(x.shape, lambda *i: literal(1, dtype))


def _check_inference(node: Node) -> None:
    mode, ratio = node.known(2), node.known(1)
    if mode is None:
        raise node.refuse("training_mode is not a constant")
    if mode.any() and (ratio is None or ratio.any()):
        raise node.refuse("training_mode with a ratio other than 0 draws random numbers; " + REPRODUCIBLE)


REPRODUCIBLE = "compiled models answer the same input with the same output"
