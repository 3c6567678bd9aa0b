"""Arithmetic, comparisons, activations: element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.tensors import STRING
from tinsmith.compiler.frontends.tensorflow.things import Unsupported
from tinsmith.compiler.shaping.builder import Value, element

_SAME = {
    "Abs": "Abs",
    "Acos": "Acos",
    "Acosh": "Acosh",
    "Add": "Add",
    "AddV2": "Add",
    "Asin": "Asin",
    "Asinh": "Asinh",
    "Atan": "Atan",
    "Atanh": "Atanh",
    "BitwiseAnd": "BitwiseAnd",
    "BitwiseOr": "BitwiseOr",
    "BitwiseXor": "BitwiseXor",
    "Ceil": "Ceil",
    "Cos": "Cos",
    "Cosh": "Cosh",
    "Equal": "Equal",
    "Erf": "Erf",
    "Exp": "Exp",
    "Floor": "Floor",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Inv": "Reciprocal",
    "Invert": "BitwiseNot",
    "IsNan": "IsNaN",
    "IsInf": "IsInf",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
    "Log": "Log",
    "LogicalAnd": "And",
    "LogicalNot": "Not",
    "LogicalOr": "Or",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mul": "Mul",
    "Neg": "Neg",
    "Pow": "Pow",
    "RealDiv": "Div",
    "Reciprocal": "Reciprocal",
    "Relu": "Relu",
    "Rint": "Round",
    "Round": "Round",
    "Sigmoid": "Sigmoid",
    "Sign": "Sign",
    "Sin": "Sin",
    "Sinh": "Sinh",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Sqrt": "Sqrt",
    "Sub": "Sub",
    "Tan": "Tan",
    "Tanh": "Tanh",
    "TruncateDiv": "Div",
}


@converts(*_SAME)
def same(op: Op, *inputs: Value) -> Any:
    if op.type in ("Round", "Rint") and inputs[0].dtype.kind in "iu":
        return inputs[0]
    return op.add(_SAME[op.type], *inputs)


@converts("NotEqual")
def not_equal(op: Op, a: Value, b: Value) -> Any:
    return op.add("Not", op.add("Equal", a, b))


@converts("LogicalXor")
def logical_xor(op: Op, a: Value, b: Value) -> Any:
    return op.add("Xor", a, b)


@converts("AddN", "AccumulateNV2")
def add_n(op: Op, *inputs: Value) -> Any:
    if inputs[0].dtype.kind not in "iu":
        return op.add("Sum", *inputs)
    total = inputs[0]
    for value in inputs[1:]:
        total = op.add("Add", total, value)
    return total


@converts("Square")
def square(op: Op, x: Value) -> Any:
    return op.add("Mul", x, x)


@converts("SquaredDifference")
def squared_difference(op: Op, a: Value, b: Value) -> Any:
    difference = op.add("Sub", a, b)
    return op.add("Mul", difference, difference)


@converts("Rsqrt")
def rsqrt(op: Op, x: Value) -> Any:
    return op.add("Reciprocal", op.add("Sqrt", x))


@converts("Log1p")
def log1p(op: Op, x: Value) -> Any:
    return op.add("Log", op.add("Add", x, op.like(1, x)))


@converts("Expm1")
def expm1(op: Op, x: Value) -> Any:
    return op.add("Sub", op.add("Exp", x), op.like(1, x))


@converts("Erfc")
def erfc(op: Op, x: Value) -> Any:
    return op.add("Sub", op.like(1, x), op.add("Erf", x))


@converts("Div")
def div(op: Op, a: Value, b: Value) -> Any:
    return op.add("Div", a, b)


@converts("DivNoNan", "Xdivy")
def div_no_nan(op: Op, a: Value, b: Value) -> Any:
    """0 where the divisor (for Xdivy the dividend) is 0."""
    judged = b if op.type == "DivNoNan" else a
    return op.add("Where", op.add("Equal", judged, op.like(0, judged)), op.like(0, a), op.add("Div", a, b))


@converts("MulNoNan")
def mul_no_nan(op: Op, a: Value, b: Value) -> Any:
    return op.add("Where", op.add("Equal", b, op.like(0, b)), op.like(0, a), op.add("Mul", a, b))


@converts("Xlogy", "Xlog1py")
def xlogy(op: Op, a: Value, b: Value) -> Any:
    inner = b if op.type == "Xlogy" else op.add("Add", b, op.like(1, b))
    product = op.add("Mul", a, op.add("Log", inner))
    return op.add("Where", op.add("Equal", a, op.like(0, a)), op.like(0, a), product)


@converts("FloorDiv")
def floor_div(op: Op, a: Value, b: Value) -> Any:
    if a.dtype.kind not in "iu":
        return op.add("Floor", op.add("Div", a, b))
    rest = op.add("Mod", a, b)  # of the sign of the divisor, so that the division leaves none
    return op.add("Div", op.add("Sub", a, rest), b)


@converts("FloorMod", "Mod", "TruncateMod")
def mod(op: Op, a: Value, b: Value) -> Any:
    if op.type != "FloorMod":
        return op.add("Mod", a, b, fmod=1)
    if a.dtype.kind in "iu":
        return op.add("Mod", a, b)
    return op.add("Sub", a, op.add("Mul", op.add("Floor", op.add("Div", a, b)), b))


@converts("IsFinite")
def is_finite(op: Op, x: Value) -> Any:
    return op.add("Not", op.add("Or", op.add("IsNaN", x), op.add("IsInf", x)))


@converts("Atan2")
def atan2(op: Op, y: Value, x: Value) -> Any:
    zero = op.like(0, x)
    angle = op.add("Atan", op.add("Div", y, x))
    turn = op.add("Where", op.add("Less", y, zero), op.like(-math.pi, x), op.like(math.pi, x))
    angle = op.add("Where", op.add("Less", x, zero), op.add("Add", angle, turn), angle)
    upright = op.add("Mul", op.add("Sign", y), op.like(math.pi / 2, x))
    return op.add("Where", op.add("Equal", x, zero), upright, angle)


@converts("Relu6")
def relu6(op: Op, x: Value) -> Any:
    return op.add("Clip", x, op.like(0, x), op.like(6, x))


@converts("LeakyRelu")
def leaky_relu(op: Op, x: Value) -> Any:
    return op.add("LeakyRelu", x, alpha=op.real("alpha", 0.2))


@converts("Elu")
def elu(op: Op, x: Value) -> Any:
    return op.add("Elu", x, alpha=1.0)


@converts("Selu")
def selu(op: Op, x: Value) -> Any:
    return op.add("Selu", x)


@converts("ClipByValue", "_ClipByValue")
def clip_by_value(op: Op, x: Value, low: Value, high: Value) -> Any:
    return op.add("Max", op.add("Min", x, high), low)


@converts("Cast")
def cast(op: Op, x: Value) -> Any:
    if op.node.attr["DstT"].type == STRING:
        raise Unsupported("it makes text")
    target = op.type_of("DstT", 1)
    return x if target == x.dtype else x.cast(target)


@converts("Bitcast")
def bitcast(op: Op, x: Value) -> Any:
    return op.add("BitCast", x, to=element(op.type_of("type", 1)))


@converts("LeftShift", "RightShift")
def shift(op: Op, a: Value, b: Value) -> Any:
    if a.dtype.kind == "u":
        return op.add("BitShift", a, b, direction="LEFT" if op.type == "LeftShift" else "RIGHT")
    power = op.add("Pow", op.constant(2.0, np.float64), b.cast(np.float64)).cast(a.dtype)
    if op.type == "LeftShift":
        return op.add("Mul", a, power)
    return op.add("Div", op.add("Sub", a, op.add("Mod", a, power)), power)


@converts("ZerosLike", "OnesLike")
def zeros_like(op: Op, x: Value) -> Any:
    number = op.like(0 if op.type == "ZerosLike" else 1, x)
    if x.dims is not None and None not in x.dims:
        return op.add("Expand", number, op.ints(*x.shape))
    return op.add("Expand", number, op.add("Shape", x))


@converts("Select")
def select(op: Op, condition: Value, a: Value, b: Value) -> Any:
    """A vector chooses whole rows."""
    if condition.dims is not None and condition.rank == 1 and a.rank > 1:
        condition = condition.unsqueeze(*range(1, a.rank))
    return op.add("Where", condition, a, b)


@converts("SelectV2")
def select_v2(op: Op, condition: Value, a: Value, b: Value) -> Any:
    return op.add("Where", condition, a, b)


@converts("ApproximateEqual")
def approximate_equal(op: Op, a: Value, b: Value) -> Any:
    return op.add("Less", op.add("Abs", op.add("Sub", a, b)), op.like(op.real("tolerance", 1e-5), a))
