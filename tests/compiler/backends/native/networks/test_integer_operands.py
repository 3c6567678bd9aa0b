from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.networks.integer_operands import Operands, operands_of
from tinsmith.compiler.backends.native.networks.kernels.integer import Source
from tinsmith.compiler.ir.loops import Contract, Gemm
from tinsmith.compiler.ir.scalars import Expr, Literal, Quantised, Tensor, variables

CODES = np.arange(-6, 6).reshape(4, 3).astype(np.int8)


def number(value: float, dtype: str = "float32") -> Tensor:
    return Tensor("number", dtype, (), np.array(value, dtype))


def dequantised(codes: Tensor, scale: Tensor, zero: Tensor | None, axis: int | None = None) -> Tensor:
    value = None if codes.value is None else codes.value.astype(np.float32)
    return Tensor("floats", "float32", codes.shape, value, quantised=Quantised(codes, scale, zero, axis))


def product(**changes: Any) -> Operands | None:
    """Of dequantised x[2, 4] and w[4, 3]."""
    x = Tensor("x", "uint8", (2, 4))
    scales = Tensor("scales", "float32", (3,), np.array([1, 2, 3], np.float32))
    left = dequantised(changes.get("x", x), number(0.5), number(7, "uint8"), changes.get("x_axis"))
    w = Tensor("w", "int8", (4, 3), changes.get("w", CODES))
    right = dequantised(w, scales, changes.get("w_zero"), changes.get("w_axis", 1))
    vars, (k,) = variables((2, 3)), variables([4], "r")
    out = Tensor("y", changes.get("dtype", "float32"), (2, 3))
    stage = Contract(out, vars, (k,), left[vars[0], k], right[k, vars[1]], Gemm(), (left, right))
    return operands_of(stage)


def test_dequantised() -> None:
    found = product()
    assert found is not None
    assert found.source == Source(False, 7)
    np.testing.assert_array_equal(found.weights, CODES)
    assert found.scale is not None
    assert found.scale.tolist() == [0.5, 1, 1.5]
    moved = product(w_zero=Tensor("zeros", "int8", (3,), np.array([1, 0, -1], np.int8)))
    assert moved is not None
    np.testing.assert_array_equal(moved.weights, CODES - np.array([1, 0, -1]))


def test_not_taken() -> None:
    assert product(w_axis=0) is None
    assert product(x_axis=1) is None
    assert product(x=Tensor("x", "int16", (2, 4))) is None
    assert product(w=np.full((4, 3), -128, np.int8), w_zero=number(1, "int8")) is None
    assert product(dtype="float64") is None


def integers(x_zero: Expr | None, w: np.ndarray[Any, Any] = CODES) -> Operands | None:
    x, right = Tensor("x", "int8", (2, len(w))), Tensor("w", "int8", w.shape, w)
    vars, (k,) = variables((2, w.shape[1])), variables([len(w)], "r")
    left = x[vars[0], k].cast("int32")
    lhs = left if x_zero is None else left - x_zero
    out = Tensor("y", "int32", (2, w.shape[1]))
    rhs = right[k, vars[1]].cast("int32")
    return operands_of(Contract(out, vars, (k,), lhs, rhs, Gemm(), (x, right)))


def test_integers() -> None:
    plain, moved = integers(None), integers(Literal(-5, "int8").cast("int32"))
    assert plain is not None
    assert moved is not None
    assert plain.source == Source(True, 0)
    assert moved.source == Source(True, -5)
    assert plain.scale is None
    zero = Tensor("zero", "int8", ())
    running = integers(zero[()].cast("int32"))
    assert running is not None
    assert running.moving is not None
    rows = Tensor("zeros", "int8", (2,))
    assert integers(rows[variables((2,))].cast("int32")) is None


def test_sums_that_may_overflow() -> None:
    most = np.full((2**16, 1), -128, np.int8)
    assert integers(None, most[: 2**15]) is not None
    assert integers(None, most) is None


def test_other_stages() -> None:
    x, w = Tensor("x", "uint8", (2, 4)), Tensor("w", "int8", (4, 3), CODES)
    vars, (k,) = variables((2, 3)), variables([4], "r")
    lhs, rhs = x[vars[0], k].cast("int32"), w[k, vars[1]].cast("int32")
    stage = Contract(Tensor("y", "int32", (2, 3)), vars, (k,), lhs, rhs, Gemm(), (x, w))
    assert operands_of(stage) is not None
    assert operands_of(replace(stage, form=None)) is None
    assert operands_of(replace(stage, lhs=lhs * lhs)) is None
    assert operands_of(replace(stage, operands=(x, Tensor("w", "int8", (4, 3))))) is None
