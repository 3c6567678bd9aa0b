from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]

EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    1e-40,
    3e38,
    -3e38,
    np.inf,
    -np.inf,
    np.nan,
    7.25,
    -100.0,
]
FLOATS: dict[np.dtype[Any], float] = {
    np.dtype(np.float32): 1e-6,
    np.dtype(np.float64): 1e-13,
    np.dtype(np.float16): 2**-10,
    np.dtype(ml_dtypes.bfloat16): 2**-7,
}
"""And how far a function may be from the exact result; a narrow type may round to the other neighbour."""
INTEGERS = [np.dtype(f"{kind}{bits}") for kind in ("int", "uint") for bits in (8, 16, 32, 64)]


def edges(dtype: np.dtype[Any]) -> Array:
    """Numbers where functions change their ways."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([0, 1, 2, 3, 5, 7, 100, info.min, info.min + 1, info.max, info.max - 1], dtype)
    with np.errstate(over="ignore"):
        return np.array(EDGES, np.float64).astype(dtype)


def pairs(dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Every edge against every edge, by broadcasting."""
    values = edges(dtype)
    return values[:, None], values


UNARY = {
    "Sqrt": np.sqrt, "Exp": np.exp, "Log": np.log, "Sin": np.sin, "Cos": np.cos, "Tan": np.tan,
    "Asin": np.arcsin, "Acos": np.arccos, "Atan": np.arctan, "Sinh": np.sinh, "Cosh": np.cosh,
    "Tanh": np.tanh,
    "Asinh": np.arcsinh, "Acosh": np.arccosh, "Atanh": np.arctanh, "Floor": np.floor, "Ceil": np.ceil,
    "Round": np.rint, "Abs": np.abs, "Neg": np.negative, "Sign": np.sign,
}  # fmt: skip
PAIRS = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Max": np.maximum, "Min": np.minimum,
    "Sum": np.add,
}  # fmt: skip


def test_functions_of_one_float(nodes: Nodes) -> None:
    for dtype, tolerance in FLOATS.items():
        x = edges(dtype)
        wide = x.astype(np.float64 if dtype.itemsize == 8 else np.float32)
        with np.errstate(all="ignore"):
            for op, function in UNARY.items():
                # Angles beyond 2^20 lose their digits.
                angles = np.where(abs(wide) > 2**20, 1, wide) if op in ("Sin", "Cos", "Tan") else wide
                wanted = function(angles).astype(dtype)
                nodes.add(op, angles.astype(dtype), expected=wanted, tolerance=tolerance)
            wanted = (np.float32(1) / x).astype(dtype)
            nodes.add("Reciprocal", x, expected=wanted, tolerance=tolerance)
    nodes.run()


def test_pairs_of_floats(nodes: Nodes) -> None:
    for dtype in FLOATS:
        a, b = pairs(dtype)
        with np.errstate(all="ignore"):
            for op, function in PAIRS.items():
                nodes.add(op, a, b, expected=function(a, b), tolerance=0)
            nodes.add("Div", a, b, expected=np.divide(a, b), tolerance=0)
            if dtype != ml_dtypes.bfloat16:
                nodes.add("Mod", a, b, expected=np.fmod(a, b), fmod=1, tolerance=0)
    nodes.run()


def test_integers(nodes: Nodes) -> None:
    for dtype in INTEGERS:
        x = edges(dtype)
        for op in ("Abs", "Sign") if dtype.kind == "u" else ("Abs", "Neg", "Sign"):
            nodes.add(op, x, expected=UNARY[op](x))
        a, b = pairs(dtype)
        divisors = np.where(b == 0, 1, b).astype(dtype)
        with np.errstate(all="ignore"):
            for op, function in PAIRS.items():
                nodes.add(op, a, b, expected=function(a, b))
            nodes.add("Div", a, divisors, expected=_quotients(a, divisors))
            nodes.add("Mod", a, divisors, expected=np.mod(a, divisors))
            nodes.add("Mod", a, divisors, expected=np.fmod(a, divisors), fmod=1)
    nodes.run()


def _quotients(a: Array, b: Array) -> Array:
    """Truncated to zero, modulo the width of the type."""
    bits = 8 * a.dtype.itemsize
    exact = [[abs(int(x)) // abs(int(y)) * (-1 if (x < 0) != (y < 0) else 1) for y in b] for x in a[:, 0]]
    unsigned = np.array([[value % 2**bits for value in row] for row in exact], f"uint{bits}")
    return unsigned.view(a.dtype)


def test_division_by_zero_is_zero(nodes: Nodes) -> None:
    a, zero = np.array([0, 5, -5], np.int32), np.zeros(3, np.int32)
    for op in ("Div", "Mod"):
        nodes.add(op, a, zero, expected=zero)
    nodes.run()


def test_remainders_take_the_sign_of_the_divisor(nodes: Nodes) -> None:
    nodes.opset = 27
    a = np.array([5.5, -5.5, 0.0, -0.0, np.inf, np.nan, 3.0, -3.0, 1.0], np.float32)
    b = np.array([2.0, 2.0, -3.0, 3.0, 2.0, 2.0, np.inf, np.inf, 0.0], np.float32)
    with np.errstate(all="ignore"):
        nodes.add("Mod", a, b, expected=np.mod(a, b), tolerance=0)
    nodes.run()


def test_shapes_are_broadcast(nodes: Nodes) -> None:
    for shapes in ([(), ()], [(0,), (1,)], [(3, 1), (1, 5)], [(2, 0, 3), (3,)], [(7,), (2, 1, 7)]):
        a, b = (np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1 for shape in shapes)
        nodes.add("Sub", a, b, expected=a - b)
        nodes.add("Max", a, b, a, expected=np.maximum(a, b))
        nodes.add("Mean", a, b, a, expected=(a + b + a) / np.float32(3))
        nodes.add("Sum", a, expected=a)
    nodes.run()


def test_shapes_that_do_not_fit_are_refused(nodes: Nodes) -> None:
    nodes.add("Add", np.zeros((2, 3), np.float32), np.zeros(2, np.float32), expected=np.zeros(0, np.float32))
    with pytest.raises(ClientError, match=r"shapes \(2, 3\), \(2,\) do not fit together"):
        nodes.run()


POWER_TYPES = [
    ("float32", "float32"), ("float32", "int64"), ("float32", "int32"), ("int32", "float32"),
    ("int64", "int64"),
    ("int64", "float64"), ("float64", "int32"), ("uint8", "uint8"), ("float16", "float32"),
]  # fmt: skip


def test_powers_have_the_type_of_the_base(nodes: Nodes) -> None:
    for of_base, of_exponent in POWER_TYPES:
        base = np.array([1, 2, 3, 5, 7, 10], of_base)
        exponent = np.array([[0], [1], [2], [3]], of_exponent)
        with np.errstate(all="ignore"):
            wanted = np.power(base, exponent).astype(of_base)
        nodes.add("Pow", base, exponent, expected=wanted, tolerance=1e-3 if of_base == "float16" else 1e-6)
        for number in (1, 2, 3):
            known = np.array(number, of_exponent)
            nodes.add("Pow", base, known, expected=wanted[number], constant=[1], tolerance=1e-3)
    nodes.run()


def test_powers_of_edges(nodes: Nodes) -> None:
    a, b = pairs(np.dtype(np.float32))
    with np.errstate(all="ignore"):
        nodes.add("Pow", a, b, expected=np.power(a.astype(np.float64), b).astype(np.float32))
        for number in (0.5, -1.0, 2.0, 3.0, 0.0):
            wanted = np.power(b, np.full_like(b, number))
            nodes.add("Pow", b, np.array(number, np.float32), expected=wanted, constant=[1])
    nodes.run()


def test_negative_powers_of_integers_truncate(nodes: Nodes) -> None:
    base = np.array([1, -1, -1, 2, -3], np.int32)
    exponent = np.array([-5, -2, -3, -1, -2], np.int32)
    nodes.add("Pow", base, exponent, expected=np.array([1, 1, -1, 0, 0], np.int32))
    nodes.run()


def test_limits(nodes: Nodes) -> None:
    x = edges(np.dtype(np.float32))
    low, high = np.array(-1.5, np.float32), np.array(2.0, np.float32)
    nodes.add("Clip", x, low, high, expected=np.clip(x, low, high))
    nodes.add("Clip", x, low, high, expected=np.clip(x, low, high), constant=[1, 2])
    nodes.add("Clip", x, None, high, expected=np.minimum(x, high))
    nodes.add("Clip", x, low, expected=np.maximum(x, low))
    nodes.add("Clip", x, expected=x)
    nodes.add("Clip", x, high, low, expected=np.minimum(np.maximum(x, high), low))
    whole = edges(np.dtype(np.int8))
    nodes.add("Clip", whole, np.array(-3, np.int8), np.array(5, np.int8), expected=np.clip(whole, -3, 5))
    nodes.run()


def test_limits_were_attributes(nodes: Nodes) -> None:
    nodes.opset = 7
    x = edges(np.dtype(np.float32))
    nodes.add("Clip", x, expected=np.clip(x, np.float32(-1), np.float32(2)), min=-1.0, max=2.0)
    nodes.add("Clip", x, expected=np.minimum(x, 2), max=2.0)
    nodes.run()
