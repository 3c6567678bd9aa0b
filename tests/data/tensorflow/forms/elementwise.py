# mypy: ignore-errors
# ruff: noqa: B008
"""Arithmetic, comparisons, activations."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from forms.registry import case, real, whole

raw = tf.raw_ops
UNARY = [
    "Abs",
    "Acos",
    "Asin",
    "Atan",
    "Ceil",
    "Cos",
    "Cosh",
    "Erf",
    "Erfc",
    "Expm1",
    "Floor",
    "Neg",
    "Rint",
    "Round",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Tan",
    "Tanh",
    "Exp",
    "Square",
    "Softplus",
    "Softsign",
    "Relu",
    "Relu6",
    "Elu",
    "Selu",
    "Reciprocal",
    "IsNan",
    "IsFinite",
    "IsInf",
    "Asinh",
]
BINARY = [
    "Add",
    "AddV2",
    "Sub",
    "Mul",
    "RealDiv",
    "Maximum",
    "Minimum",
    "SquaredDifference",
    "FloorDiv",
    "FloorMod",
    "Pow",
    "Atan2",
    "DivNoNan",
    "Xlogy",
    "Xdivy",
    "Less",
    "LessEqual",
    "Greater",
    "GreaterEqual",
    "Equal",
    "NotEqual",
]


def elementwise():
    unary()
    binary()
    other()


def unary():
    for name in UNARY:
        operator = getattr(raw, name)
        field = {"Relu": "features", "Relu6": "features", "Elu": "features", "Selu": "features"}.get(
            name, "x"
        )
        field = "features" if name in ("Softplus", "Softsign") else field
        data = real(3, 5, low=-0.95, high=0.95) if name in ("Acos", "Asin") else real(3, 5, low=-7, high=7)
        case(name, lambda x, o=operator, f=field: o(**{f: x}), data)
    for name in ["Sqrt", "Rsqrt", "Log", "Log1p", "Acosh"]:
        case(name, lambda x, o=getattr(raw, name): o(x=x), real(3, 5, low=1.1, high=9))
    case("LeakyRelu", lambda x: raw.LeakyRelu(features=x, alpha=0.3), real(3, 5))


def binary():
    for name in BINARY:
        low = 0.1 if name in ("Pow", "Xlogy") else -3
        a, b = real(2, 1, 4, low=low, high=3), real(3, 1, low=low, high=3)
        case(name, lambda x, y, o=getattr(raw, name): o(x=x, y=y), a, b)
    case("DivNoNan zero", lambda x, y: raw.DivNoNan(x=x, y=y), real(4), np.array([0, 1, 0, 2], np.float32))
    odd = np.array([-3, -2, 2, 3], np.int32)
    for name in ["FloorDiv", "FloorMod", "TruncateDiv", "TruncateMod"]:
        numbers = whole(5, 1, low=-12, high=12)
        case(f"{name} int32", lambda x, y, o=getattr(raw, name): o(x=x, y=y), numbers, odd)


def other():
    case("AddN", lambda x, y: raw.AddN(inputs=[x, y, x]), real(3, 2), real(3, 2))
    case("Cast", lambda x: raw.Cast(x=x, DstT=tf.int32), real(4, 4, low=-5, high=5))
    case("Cast bool", lambda x: raw.Cast(x=x, DstT=tf.float32), np.array([True, False]))
    truth, other = np.array([[True], [False]]), np.array([True, False, True])
    case("LogicalAnd", lambda x, y: raw.LogicalAnd(x=x, y=y), truth, other)
    case("LogicalOr", lambda x, y: raw.LogicalOr(x=x, y=y), truth, other)
    case("LogicalNot", lambda x: raw.LogicalNot(x=x), other)
    case("Select rows", lambda c, x, y: raw.Select(condition=c, x=x, y=y), other, real(3, 2), real(3, 2))
    case("SelectV2", lambda c, x, y: raw.SelectV2(condition=c, t=x, e=y), other, real(2, 3), real(2, 1))
    case("ClipByValue", lambda x: raw.ClipByValue(t=x, clip_value_min=-0.5, clip_value_max=1.0), real(5))
    case("gelu", lambda x: tf.nn.gelu(x), real(5))
    case("gelu tanh", lambda x: tf.nn.gelu(x, approximate=True), real(5))
    case("swish", lambda x: tf.nn.silu(x), real(5))
    case("ZerosLike", lambda x: x + tf.zeros_like(x), real(2, 2))
