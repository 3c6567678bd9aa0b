"""Operators of one operand, element by element."""

from __future__ import annotations

import math

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import Node, Rule, operator
from tinsmith.compiler.shaping.builder import Value

_DIRECT = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "abs": "Abs",
    "sign": "Sign",
    "ceil": "Ceil",
    "floor": "Floor",
    "negative": "Neg",
    "reciprocal": "Reciprocal",
    "erf": "Erf",
    "softsign": "Softsign",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "arcsin": "Asin",
    "arccos": "Acos",
    "arctan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "arcsinh": "Asinh",
    "arccosh": "Acosh",
    "arctanh": "Atanh",
}


def _direct(name: str) -> Rule:
    return lambda node: node.add(name, node.x)


for _mxnet, _onnx in _DIRECT.items():
    operator(_mxnet)(_direct(_onnx))


@operator("_copy", "identity", "BlockGrad", "stop_gradient", "Dropout", "IdentityAttachKLSparseReg")
def same(node: Node) -> Value:
    """Training alone makes a difference."""
    return node.x


@operator("_identity_with_attr_like_rhs")
def same_like(node: Node) -> Value:
    """The second input tells a shape."""
    return node.x


@operator("square")
def square(node: Node) -> Value:
    """x * x"""
    return node.add("Mul", node.x, node.x)


@operator("rsqrt")
def rsqrt(node: Node) -> Value:
    """1 / sqrt(x)"""
    return node.add("Reciprocal", node.add("Sqrt", node.x))


@operator("cbrt")
def cbrt(node: Node) -> Value:
    """Of negative numbers too."""
    root = node.add("Pow", node.add("Abs", node.x), 1 / 3)
    return node.add("Mul", node.add("Sign", node.x), root)


@operator("rcbrt")
def rcbrt(node: Node) -> Value:
    """1 / cbrt(x)"""
    return node.add("Reciprocal", cbrt(node))


@operator("log2")
def log2(node: Node) -> Value:
    """To base 2."""
    return node.add("Mul", node.add("Log", node.x), 1 / math.log(2))


@operator("log10")
def log10(node: Node) -> Value:
    """To base 10."""
    return node.add("Mul", node.add("Log", node.x), 1 / math.log(10))


@operator("log1p")
def log1p(node: Node) -> Value:
    """log(1 + x), precise near 0: log(u) x / (u - 1) with u = 1 + x as rounded."""
    u = node.add("Add", node.x, 1.0)
    rest = node.add("Sub", u, 1.0)
    flat = node.add("Equal", rest, 0.0)
    safe = node.add("Where", flat, node.add("Add", rest, 1.0), rest)
    return node.add("Where", flat, node.x, node.add("Mul", node.add("Log", u), node.add("Div", node.x, safe)))


@operator("expm1")
def expm1(node: Node) -> Value:
    """exp(x) - 1, precise near 0: 2 sinh(x / 2) exp(x / 2)."""
    half = node.add("Mul", node.x, 0.5)
    return node.add("Mul", node.add("Mul", node.add("Sinh", half), 2.0), node.add("Exp", half))


@operator("round")
def round_half_away(node: Node) -> Value:
    """Halves away from zero."""
    found = node.add("Floor", node.add("Add", node.add("Abs", node.x), 0.5))
    return node.add("Mul", node.add("Sign", node.x), found)


@operator("rint")
def rint(node: Node) -> Value:
    """Halves down, unlike the function of that name in C."""
    return node.add("Ceil", node.add("Sub", node.x, 0.5))


@operator("fix", "trunc")
def trunc(node: Node) -> Value:
    """Towards zero."""
    found = node.add("Floor", node.add("Abs", node.x))
    return node.add("Mul", node.add("Sign", node.x), found)


@operator("degrees")
def degrees(node: Node) -> Value:
    """From radians."""
    return node.add("Mul", node.x, 180 / math.pi)


@operator("radians")
def radians(node: Node) -> Value:
    """From degrees."""
    return node.add("Mul", node.x, math.pi / 180)


@operator("logical_not")
def logical_not(node: Node) -> Value:
    """1 where x is 0, else 0."""
    return node.add("Equal", node.x, 0.0).cast(node.dtype)


@operator("hard_sigmoid")
def hard_sigmoid(node: Node) -> Value:
    """alpha x + beta between 0 and 1"""
    return node.add("HardSigmoid", node.x, alpha=node.real("alpha", 0.2), beta=node.real("beta", 0.5))


@operator("smooth_l1")
def smooth_l1(node: Node) -> Value:
    """Square near zero, linear elsewhere."""
    square_of = node.real("scalar", 1.0) ** 2
    size = node.add("Abs", node.x)
    inner = node.add("Mul", node.add("Mul", node.x, node.x), 0.5 * square_of)
    outer = node.add("Sub", size, 0.5 / square_of)
    return node.add("Where", node.add("Less", size, 1 / square_of), inner, outer)


@operator("_contrib_quadratic")
def quadratic(node: Node) -> Value:
    """a x² + b x + c"""
    inner = node.add("Add", node.add("Mul", node.x, node.real("a", 0.0)), node.real("b", 0.0))
    return node.add("Add", node.add("Mul", node.x, inner), node.real("c", 0.0))


@operator("_contrib_div_sqrt_dim")
def div_sqrt_dim(node: Node) -> Value:
    """x / sqrt(its last size)"""
    return node.add("Div", node.x, math.sqrt(node.shape()[-1]))


@operator("clip")
def clip(node: Node) -> Value:
    """Between two bounds."""
    return node.add("Clip", node.x, node.real("a_min"), node.real("a_max"))


@operator("Cast", "cast", "amp_cast")
def cast(node: Node) -> Value:
    """Fractions go towards zero."""
    return node.x.cast(node.type("dtype", "float32"))


@operator("amp_multicast")
def amp_multicast(node: Node) -> list[Value]:
    """All inputs in the widest type among them, or the narrowest."""
    types = [value.dtype for value in node.inputs]
    pick = min if node.flag("cast_narrow") else max
    dtype = pick(types, key=lambda each: each.itemsize)
    return [value.cast(dtype) for value in node.inputs]


@operator("Activation")
def activation(node: Node) -> Value:
    """By name."""
    kinds = {
        "relu": "Relu",
        "sigmoid": "Sigmoid",
        "tanh": "Tanh",
        "softrelu": "Softplus",
        "softsign": "Softsign",
        "mish": "Mish",
    }
    kind = node.choice("act_type", "", *kinds, "log_sigmoid")
    if kind == "log_sigmoid":
        return node.add("Neg", node.add("Softplus", node.add("Neg", node.x)))
    return node.add(kinds[kind], node.x)


@operator("LeakyReLU")
def leaky_relu(node: Node) -> Value:
    """leaky, prelu, elu, selu, gelu; rrelu with the mean of its slopes."""
    kind = node.choice("act_type", "leaky", "leaky", "prelu", "elu", "selu", "gelu", "rrelu")
    slope = node.real("slope", 0.25)
    if kind == "prelu":
        return _prelu(node)
    if kind == "elu":
        return node.add("Elu", node.x, alpha=slope)
    if kind == "selu":
        return node.add("Selu", node.x, alpha=1.6732632423543772, gamma=1.0507009873554805)
    if kind == "gelu":
        return node.add("Gelu", node.x)
    if kind == "rrelu":
        slope = (node.real("lower_bound", 0.125) + node.real("upper_bound", 0.334)) / 2
    return node.add("LeakyRelu", node.x, alpha=slope)


def _prelu(node: Node) -> Value:
    """One slope, or one for each channel, the second axis."""
    gamma, rank = node.input(1), len(node.shape())
    count = int(np.prod(node.shape(1)))
    shape = [count] + [1] * (rank - 2) if rank > 1 else [count]
    return node.add("PRelu", node.x, gamma.reshape(*shape))
