from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

EDGES = np.array([0.0, -0.0, 1.0, -1.0, 3e4, np.inf, -np.inf, np.nan])
NUMBERS = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int8, np.uint8, np.int32, np.uint64]


def test_comparisons(nodes: Nodes) -> None:
    for dtype in NUMBERS:
        kind: np.dtype[Any] = np.dtype(dtype)
        values = (
            EDGES.astype(kind) if kind.kind not in "iu" else np.array([0, 1, 100, np.iinfo(kind).min], kind)
        )
        a, b = values[:, None], values
        for op, function in {
            "Equal": np.equal, "Less": np.less, "LessOrEqual": np.less_equal, "Greater": np.greater,
            "GreaterOrEqual": np.greater_equal,
        }.items():  # fmt: skip
            with np.errstate(invalid="ignore"):
                wanted = function(a, b)
            nodes.add(op, a, b, expected=wanted)
    nodes.run()


def test_truth_values(nodes: Nodes) -> None:
    a, b = np.array([[False], [True]]), np.array([False, True])
    functions = {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor, "Equal": np.equal}
    for op, function in functions.items():
        nodes.add(op, a, b, expected=function(a, b))
    nodes.add("Not", a, expected=~a)
    nodes.run()


def test_bits(nodes: Nodes) -> None:
    for bits in (8, 16, 32, 64):
        for kind in ("int", "uint"):
            info = np.iinfo(f"{kind}{bits}")
            values = np.array([0, 1, 5, 85, info.max, info.min, info.max - 3], info.dtype)
            a, b = values[:, None], values
            nodes.add("BitwiseAnd", a, b, expected=a & b)
            nodes.add("BitwiseOr", a, b, expected=a | b)
            nodes.add("BitwiseXor", a, b, expected=a ^ b)
            nodes.add("BitwiseNot", a, expected=~a)
    nodes.run()


def test_shifts_by_any_number(nodes: Nodes) -> None:
    nodes.opset = 28
    for bits in (8, 16, 32, 64):
        for kind in ("int", "uint"):
            info = np.iinfo(f"{kind}{bits}")
            values = np.array([0, 1, 5, 85, info.max, info.min], info.dtype)[:, None]
            counts = np.array([0, 1, 3, bits - 1, bits, bits + 1, info.max, info.min], info.dtype)
            for direction, function in (("LEFT", np.left_shift), ("RIGHT", np.right_shift)):
                nodes.add("BitShift", values, counts, expected=function(values, counts), direction=direction)
    nodes.run()


def test_what_is_no_number(nodes: Nodes) -> None:
    for dtype in (np.float32, np.float64, np.float16, ml_dtypes.bfloat16):
        x = EDGES.astype(dtype)
        nodes.add("IsNaN", x, expected=np.isnan(x))
        nodes.add("IsInf", x, expected=np.isinf(x))
        nodes.add("IsInf", x, expected=x == np.inf, detect_negative=0)
        nodes.add("IsInf", x, expected=x == -np.inf, detect_positive=0)
        nodes.add("IsInf", x, expected=np.zeros(8, bool), detect_positive=0, detect_negative=0)
    small = EDGES.astype(ml_dtypes.float8_e5m2)
    nodes.add("IsNaN", small, expected=np.isnan(small))
    nodes.add("IsInf", small, expected=np.isinf(small))
    nodes.run()


def test_choices(nodes: Nodes) -> None:
    condition = np.array([[True], [False]])
    for dtype in (np.float32, np.int64, np.bool_, np.float16, ml_dtypes.float8_e4m3fn, np.uint8):
        yes, no = np.array([1, 0, 1]).astype(dtype), np.array([[0], [1]]).astype(dtype)
        nodes.add("Where", condition, yes, no, expected=np.where(condition, yes, no))
    nodes.add("Where", np.array(True), yes, no, expected=np.broadcast_to(yes, (2, 3)))
    nodes.add("Where", np.zeros((0, 1), bool), yes, yes, expected=np.zeros((0, 3), np.uint8))
    nodes.run()


def test_a_nan_moves_with_its_bits(nodes: Nodes) -> None:
    """What only moves keeps its bits, those of signalling NaNs too."""
    odd = np.array([0x7C01, 0xFE55, 0x7DFF], np.uint16)
    nodes.opset = 26
    nodes.add("BitCast", odd.view(np.float16), expected=odd, to=4)
    nodes.add("BitCast", odd, expected=odd.view(np.float16), to=10)
    nodes.run()


def test_mixed_types_are_refused(nodes: Nodes) -> None:
    a, b = np.zeros(2, np.float32), np.zeros(2, np.float64)
    nodes.add("Equal", a, b, expected=np.zeros(2, bool))
    nodes.add("And", a, a, expected=np.zeros(2, bool))
    nodes.add("BitShift", a.astype(np.uint8), a.astype(np.uint8), expected=a.astype(np.uint8), direction="UP")
    with pytest.raises(ClientError) as error:
        nodes.run()
    for text in ("different types: float32, float64", "inputs of type float32", "direction UP"):
        assert text in str(error.value)
