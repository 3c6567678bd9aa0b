"""Activation functions. Those of float16 and bfloat16 are computed in float32 and rounded once."""

from __future__ import annotations

import math
from collections.abc import Callable

from tinsmith.compiler.ir.scalars import Expr, Tensor, call, literal, select
from tinsmith.compiler.operators.elementwise import FLOATS, NUMBERS, check_type, pointwise, unary
from tinsmith.compiler.operators.node import Node, at, broadcast
from tinsmith.compiler.operators.registry import operator

MICROSOFT = "com.microsoft"
"""Domain of the operators that ONNX Runtime adds."""

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
    """max(0, x)"""
    return call("max", x, literal(0, x.dtype))


@_activation("Sigmoid")
def sigmoid(node: Node, x: Expr) -> Expr:
    """1 / (1 + exp(-x))"""
    return logistic(x)


@_activation("Softplus")
def softplus(node: Node, x: Expr) -> Expr:
    """log(1 + exp(x))"""
    return softplus_of(x)


@_activation("Softsign")
def softsign(node: Node, x: Expr) -> Expr:
    """x / (1 + |x|)"""
    return x / (call("abs", x) + 1)


@_activation("Mish")
def mish(node: Node, x: Expr) -> Expr:
    """x tanh(log(1 + exp(x)))"""
    return x * call("tanh", softplus_of(x))


@_activation("HardSigmoid")
def hard_sigmoid(node: Node, x: Expr) -> Expr:
    """alpha x + beta, within 0 and 1"""
    return clamped(x * node.number("alpha", 0.2) + node.number("beta", 0.5), 0, 1)


@_activation("HardSwish")
def hard_swish(node: Node, x: Expr) -> Expr:
    """x times x / 6 + 1 / 2, that within 0 and 1"""
    return x * clamped(x * (1 / 6) + 0.5, 0, 1)


@_activation("Swish")
def swish(node: Node, x: Expr) -> Expr:
    """x / (1 + exp(-alpha x))"""
    return swish_of(x, node.number("alpha", 1.0))


def swish_of(x: Expr, alpha: float) -> Expr:
    """x / (1 + exp(-alpha x))"""
    return x * logistic(x * alpha)


@_activation("Gelu")
def gelu(node: Node, x: Expr) -> Expr:
    """x times the normal distribution of x, exact or approximated."""
    form = node.text("approximate", "none")
    if form not in ("none", "tanh"):
        raise node.refuse(f"approximate {form}; none or tanh is needed")
    return gelu_of(x, form)


def gelu_of(x: Expr, approximate: str) -> Expr:
    """x times the normal distribution of x; `tanh` approximates it."""
    if approximate == "tanh":
        inner = call("tanh", (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi))
    else:
        inner = call("erf", x * math.sqrt(0.5))
    return x * 0.5 * (inner + 1)


def _biased(name: str, approximate: str) -> None:
    """Gelu of the first input plus a bias, as ONNX Runtime's graph optimiser writes it."""

    @operator(name, domain=MICROSOFT)
    def rule(node: Node, x: Tensor, bias: Tensor | None = None) -> Tensor:
        tensors = (x,) if bias is None else (x, bias)
        check_type(node, FLOATS, *tensors)

        def value(element: Expr, *more: Expr) -> Expr:
            total = element + more[0] if more else element
            return gelu_of(widened(total), approximate).cast(total.dtype)

        return pointwise(node, value, *tensors)


_biased("Gelu", "none")
_biased("BiasGelu", "none")
_biased("FastGelu", "tanh")


@operator("QuickGelu", domain=MICROSOFT)
def quick_gelu(node: Node, x: Tensor) -> Tensor:
    """x / (1 + exp(-alpha x))"""
    check_type(node, FLOATS, x)
    alpha = node.number("alpha", 1.702)
    return pointwise(node, lambda value: swish_of(widened(value), alpha).cast(value.dtype), x)


@_activation("Elu")
def elu(node: Node, x: Expr) -> Expr:
    """alpha (exp(x) - 1) below 0"""
    return select(x < 0, call("expm1", x) * node.number("alpha", 1.0), x)


@_activation("Celu")
def celu(node: Node, x: Expr) -> Expr:
    """alpha (exp(x / alpha) - 1) below 0"""
    alpha = node.number("alpha", 1.0)
    return select(x < 0, call("expm1", x / alpha) * alpha, x)


@_activation("Selu")
def selu(node: Node, x: Expr) -> Expr:
    """gamma times x, or times alpha (exp(x) - 1) up to 0"""
    alpha = node.number("alpha", 1.67326319217681884765625)
    gamma = node.number("gamma", 1.05070102214813232421875)
    return select(x > 0, x, call("expm1", x) * alpha) * gamma


@_activation("LeakyRelu")
def leaky_relu(node: Node, x: Expr) -> Expr:
    """alpha x below 0"""
    return select(x < 0, x * node.number("alpha", 0.01), x)


@_activation("ThresholdedRelu")
def thresholded_relu(node: Node, x: Expr) -> Expr:
    """x above alpha, else 0"""
    return select(x > node.number("alpha", 1.0), x, 0)


@unary("Shrink", NUMBERS)
def shrink(node: Node, x: Expr) -> Expr:
    """0 within the limits; what is outside moves by the bias towards 0."""
    limit, bias = node.number("lambd", 0.5), node.number("bias", 0.0)
    if x.dtype not in FLOATS:
        wide = x.cast("float64")
        return _shrunk(wide, limit, bias).cast(x.dtype)
    return _shrunk(x, limit, bias)


def _shrunk(x: Expr, limit: float, bias: float) -> Expr:
    return select(x < -limit, x + bias, select(x > limit, x - bias, 0))


@operator("PRelu")
def prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    """slope x below 0; the slope is broadcast to x."""
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
