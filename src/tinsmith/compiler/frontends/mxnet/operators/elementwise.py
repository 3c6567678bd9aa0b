"""Operators of one operand, element by element."""

from __future__ import annotations

import math

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import Node, Rule, operator

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
    return lambda node: node.make(name, node.x)


for _mxnet, _onnx in _DIRECT.items():
    operator(_mxnet)(_direct(_onnx))


@operator("_copy", "identity", "BlockGrad", "stop_gradient", "Dropout", "IdentityAttachKLSparseReg")
def same(node: Node) -> str:
    """Training alone makes a difference."""
    return node.x


@operator("_identity_with_attr_like_rhs")
def same_like(node: Node) -> str:
    """The second input tells a shape."""
    return node.x


@operator("square")
def square(node: Node) -> str:
    """x * x"""
    return node.make("Mul", node.x, node.x)


@operator("rsqrt")
def rsqrt(node: Node) -> str:
    """1 / sqrt(x)"""
    return node.make("Reciprocal", node.make("Sqrt", node.x))


@operator("cbrt")
def cbrt(node: Node) -> str:
    """Of negative numbers too."""
    root = node.make("Pow", node.make("Abs", node.x), 1 / 3)
    return node.make("Mul", node.make("Sign", node.x), root)


@operator("rcbrt")
def rcbrt(node: Node) -> str:
    """1 / cbrt(x)"""
    return node.make("Reciprocal", cbrt(node))


@operator("log2")
def log2(node: Node) -> str:
    """To base 2."""
    return node.make("Mul", node.make("Log", node.x), 1 / math.log(2))


@operator("log10")
def log10(node: Node) -> str:
    """To base 10."""
    return node.make("Mul", node.make("Log", node.x), 1 / math.log(10))


@operator("log1p")
def log1p(node: Node) -> str:
    """log(1 + x), precise near 0: log(u) x / (u - 1) with u = 1 + x as rounded."""
    u = node.make("Add", node.x, 1.0)
    rest = node.make("Sub", u, 1.0)
    flat = node.make("Equal", rest, 0.0)
    safe = node.make("Where", flat, node.make("Add", rest, 1.0), rest)
    return node.make(
        "Where", flat, node.x, node.make("Mul", node.make("Log", u), node.make("Div", node.x, safe))
    )


@operator("expm1")
def expm1(node: Node) -> str:
    """exp(x) - 1, precise near 0: 2 sinh(x / 2) exp(x / 2)."""
    half = node.make("Mul", node.x, 0.5)
    return node.make("Mul", node.make("Mul", node.make("Sinh", half), 2.0), node.make("Exp", half))


@operator("round")
def round_half_away(node: Node) -> str:
    """Halves away from zero."""
    found = node.make("Floor", node.make("Add", node.make("Abs", node.x), 0.5))
    return node.make("Mul", node.make("Sign", node.x), found)


@operator("rint")
def rint(node: Node) -> str:
    """Halves down, unlike the function of that name in C."""
    return node.make("Ceil", node.make("Sub", node.x, 0.5))


@operator("fix", "trunc")
def trunc(node: Node) -> str:
    """Towards zero."""
    found = node.make("Floor", node.make("Abs", node.x))
    return node.make("Mul", node.make("Sign", node.x), found)


@operator("degrees")
def degrees(node: Node) -> str:
    """From radians."""
    return node.make("Mul", node.x, 180 / math.pi)


@operator("radians")
def radians(node: Node) -> str:
    """From degrees."""
    return node.make("Mul", node.x, math.pi / 180)


@operator("logical_not")
def logical_not(node: Node) -> str:
    """1 where x is 0, else 0."""
    return node.cast(node.make("Equal", node.x, 0.0), node.dtype)


@operator("hard_sigmoid")
def hard_sigmoid(node: Node) -> str:
    """alpha x + beta between 0 and 1"""
    return node.make("HardSigmoid", node.x, alpha=node.real("alpha", 0.2), beta=node.real("beta", 0.5))


@operator("smooth_l1")
def smooth_l1(node: Node) -> str:
    """Square near zero, linear elsewhere."""
    square_of = node.real("scalar", 1.0) ** 2
    size = node.make("Abs", node.x)
    inner = node.make("Mul", node.make("Mul", node.x, node.x), 0.5 * square_of)
    outer = node.make("Sub", size, 0.5 / square_of)
    return node.make("Where", node.make("Less", size, 1 / square_of), inner, outer)


@operator("_contrib_quadratic")
def quadratic(node: Node) -> str:
    """a x² + b x + c"""
    inner = node.make("Add", node.make("Mul", node.x, node.real("a", 0.0)), node.real("b", 0.0))
    return node.make("Add", node.make("Mul", node.x, inner), node.real("c", 0.0))


@operator("_contrib_div_sqrt_dim")
def div_sqrt_dim(node: Node) -> str:
    """x / sqrt(its last size)"""
    return node.make("Div", node.x, math.sqrt(node.shape()[-1]))


@operator("clip")
def clip(node: Node) -> str:
    """Between two bounds."""
    return node.make("Clip", node.x, node.real("a_min"), node.real("a_max"))


@operator("Cast", "cast", "amp_cast")
def cast(node: Node) -> str:
    """Fractions go towards zero."""
    return node.cast(node.x, node.type("dtype", "float32"))


@operator("amp_multicast")
def amp_multicast(node: Node) -> list[str]:
    """All inputs in the widest type among them, or the narrowest."""
    types = [node.message.dtype(value) for value in node.inputs]
    pick = min if node.flag("cast_narrow") else max
    dtype = pick(types, key=lambda each: each.itemsize)
    return [node.cast(value, dtype) for value in node.inputs]


@operator("Activation")
def activation(node: Node) -> str:
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
        return node.make("Neg", node.make("Softplus", node.make("Neg", node.x)))
    return node.make(kinds[kind], node.x)


@operator("LeakyReLU")
def leaky_relu(node: Node) -> str:
    """leaky, prelu, elu, selu, gelu; rrelu with the mean of its slopes."""
    kind = node.choice("act_type", "leaky", "leaky", "prelu", "elu", "selu", "gelu", "rrelu")
    slope = node.real("slope", 0.25)
    if kind == "prelu":
        return _prelu(node)
    if kind == "elu":
        return node.make("Elu", node.x, alpha=slope)
    if kind == "selu":
        return node.make("Selu", node.x, alpha=1.6732632423543772, gamma=1.0507009873554805)
    if kind == "gelu":
        return node.make("Gelu", node.x)
    if kind == "rrelu":
        slope = (node.real("lower_bound", 0.125) + node.real("upper_bound", 0.334)) / 2
    return node.make("LeakyRelu", node.x, alpha=slope)


def _prelu(node: Node) -> str:
    """One slope, or one for each channel, the second axis."""
    gamma, rank = node.input(1), len(node.shape())
    count = int(np.prod(node.shape(1)))
    shape = [count] + [1] * (rank - 2) if rank > 1 else [count]
    return node.make("PRelu", node.x, node.reshaped(gamma, shape))
