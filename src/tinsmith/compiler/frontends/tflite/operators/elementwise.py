"""Arithmetic, comparisons and choices, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinsmith.compiler.frontends.tflite import fixed
from tinsmith.compiler.frontends.tflite.layer import Codes, Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.shaping.builder import Value

Convert = Callable[[Layer], Value]
_SPARE = 20
"""Bits that LiteRT adds behind bytes before it adds them up."""

_UNARY = {
    "ABS": "Abs",
    "NEG": "Neg",
    "EXP": "Exp",
    "LOG": "Log",
    "SQRT": "Sqrt",
    "SIN": "Sin",
    "COS": "Cos",
    "CEIL": "Ceil",
    "FLOOR": "Floor",
    "ROUND": "Round",
    "SIGN": "Sign",
    "LOGICAL_NOT": "Not",
}
_BINARY = {
    "DIV": "Div",
    "POW": "Pow",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
    "EQUAL": "Equal",
    "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual",
    "GREATER": "Greater",
    "GREATER_EQUAL": "GreaterOrEqual",
    "LOGICAL_AND": "And",
    "LOGICAL_OR": "Or",
    "BITWISE_XOR": "BitwiseXor",
}


def _unary(kind: str) -> Convert:
    return lambda layer: layer.emit(kind, layer.real(0))


def _binary(kind: str) -> Convert:
    return lambda layer: layer.emit(kind, layer.real(0), layer.real(1))


for _name, _kind in _UNARY.items():
    operator(_name)(_unary(_kind))
for _name, _kind in _BINARY.items():
    operator(_name)(_binary(_kind))


@operator("ADD")
def add(layer: Layer) -> Value | Codes:
    return _sum(layer, "Add")


@operator("SUB")
def sub(layer: Layer) -> Value | Codes:
    return _sum(layer, "Sub")


def _sum(layer: Layer, kind: str) -> Value | Codes:
    """Bytes are brought to half of the larger scale, with _SPARE more bits."""
    if not fixed.computes(layer, 0, 1):
        return layer.emit(kind, layer.real(0), layer.real(1))
    scales = [np.float64(fixed.scale(layer.tensor(index))) for index in (0, 1)]
    twice = 2 * max(scales)
    terms = [
        fixed.multiply(layer, fixed.centred(layer, index), fixed.Factor.of(scale / twice), _SPARE)
        for index, scale in enumerate(scales)
    ]
    factor = fixed.Factor.of(twice / (2.0**_SPARE * np.float64(fixed.scale(layer.output()))))
    return fixed.stored(layer, fixed.multiply(layer, layer.emit(kind, *terms), factor))


@operator("MUL")
def mul(layer: Layer) -> Value | Codes:
    if not fixed.computes(layer, 0, 1):
        return layer.emit("Mul", layer.real(0), layer.real(1))
    product = layer.emit("Mul", *(fixed.centred(layer, index) for index in (0, 1)))
    scales = fixed.scale(layer.tensor(0)) * fixed.scale(layer.tensor(1)) / fixed.scale(layer.output())
    return fixed.stored(layer, fixed.multiply(layer, product, fixed.Factor.of(scales)))


def _is_float(layer: Layer, index: int = 0) -> bool:
    return "float" in layer.tensor(index).dtype or layer.is_quantised(index)


@operator("NOT_EQUAL")
def not_equal(layer: Layer) -> Value:
    return layer.emit("Not", layer.emit("Equal", layer.real(0), layer.real(1)))


@operator("ADD_N")
def add_n(layer: Layer) -> Value:
    return layer.emit("Sum", *(layer.real(index) for index in range(layer.count)))


@operator("SQUARE")
def square(layer: Layer) -> Value:
    return layer.emit("Mul", layer.real(0), layer.real(0))


@operator("RSQRT")
def rsqrt(layer: Layer) -> Value:
    return layer.emit("Reciprocal", layer.emit("Sqrt", layer.real(0)))


@operator("SQUARED_DIFFERENCE")
def squared_difference(layer: Layer) -> Value:
    difference = layer.emit("Sub", layer.real(0), layer.real(1))
    return layer.emit("Mul", difference, difference)


@operator("FLOOR_DIV")
def floor_div(layer: Layer) -> Value:
    x, y = layer.real(0), layer.real(1)
    quotient = layer.emit("Div", x, y)
    if _is_float(layer):
        return layer.emit("Floor", quotient)
    rest = layer.emit("Sub", x, layer.emit("Mul", quotient, y))
    one = np.array(1, layer.tensor(0).dtype)
    return layer.emit("Where", _strays(layer, rest, y), layer.emit("Sub", quotient, one), quotient)


@operator("FLOOR_MOD")
def floor_mod(layer: Layer) -> Value:
    x, y = layer.real(0), layer.real(1)
    if not _is_float(layer):
        return layer.emit("Mod", x, y)
    rest = layer.emit("Mod", x, y, fmod=1)
    return layer.emit("Where", _strays(layer, rest, y), layer.emit("Add", rest, y), rest)


def _strays(layer: Layer, rest: Value, divisor: Value) -> Value:
    """Whether a division that rounds towards zero left a rest of another sign than the divisor's."""
    zero = np.array(0, "float32" if _is_float(layer) else layer.tensor(0).dtype)
    signs = [layer.emit("Less", value, zero) for value in (rest, divisor)]
    differs = layer.emit("Xor", *signs)
    return layer.emit("And", differs, layer.emit("Not", layer.emit("Equal", rest, zero)))


@operator("ATAN2")
def atan2(layer: Layer) -> Value:
    """atan(y / x), and half a turn more where x is negative; straight up or down where x is 0."""
    y, x = layer.real(0), layer.real(1)
    dtype = layer.tensor(0).dtype

    def number(value: float) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
        return np.array(value, dtype)

    zero = number(0)
    below = layer.emit("Less", y, zero)
    turn = layer.emit("Where", below, number(-math.pi), number(math.pi))
    angle = layer.emit("Atan", layer.emit("Div", y, x))
    angle = layer.emit("Where", layer.emit("Less", x, zero), layer.emit("Add", angle, turn), angle)
    upright = layer.emit("Where", below, number(-math.pi / 2), number(math.pi / 2))
    upright = layer.emit("Where", layer.emit("Equal", y, zero), zero, upright)
    return layer.emit("Where", layer.emit("Equal", x, zero), upright, angle)


@operator("RIGHT_SHIFT")
def right_shift(layer: Layer) -> Value:
    """Of numbers with a sign: rounded down."""
    x, dtype = layer.real(0), layer.tensor(0).dtype
    if dtype.startswith("u"):
        return layer.emit("BitShift", x, layer.real(1), direction="RIGHT")
    wide = "uint" + dtype.removeprefix("int")
    ones = layer.emit("Less", x, np.array(0, dtype))
    x = layer.emit("Where", ones, layer.emit("BitwiseNot", x), x)
    shifted = layer.emit("BitShift", layer.cast(x, wide), layer.cast(layer.real(1), wide), direction="RIGHT")
    shifted = layer.cast(shifted, dtype)
    return layer.emit("Where", ones, layer.emit("BitwiseNot", shifted), shifted)


@operator("SELECT", "SELECT_V2")
def select(layer: Layer) -> Value:
    """SELECT knows a vector of conditions, one for each part of the first dimension."""
    condition = layer.real(0)
    missing = layer.rank(1) - layer.rank(0)
    if layer.operator.kind == "SELECT" and layer.rank(0) == 1 and missing > 0:
        condition = condition.reshape(*([-1] + [1] * missing))
    return layer.emit("Where", condition, layer.real(1), layer.real(2))


@operator("BUCKETIZE")
def bucketize(layer: Layer) -> Value:
    """How many boundaries are not above an element."""
    boundaries = np.array(layer.operator.options["boundaries"], np.float32)
    x = layer.emit("Unsqueeze", layer.cast(layer.real(0), "float32"), np.array([-1]))
    passed = layer.cast(layer.emit("GreaterOrEqual", x, boundaries), "int32")
    return layer.emit("ReduceSum", passed, np.array([-1]), keepdims=0)
