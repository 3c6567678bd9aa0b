from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


SHAPES = [
    ((5,), (5,)), ((3, 5), (5,)), ((5,), (5, 7)), ((3, 5), (5, 7)), ((2, 3, 5), (5, 7)), ((5,), (2, 5, 7)),
    ((2, 1, 3, 5), (4, 5, 7)), ((1, 1), (1, 1)), ((3, 0), (0, 4)), ((0, 3), (3, 4)), ((3, 4), (4, 0)),
    ((2, 64), (64, 300)),
]  # fmt: skip


def test_products_of_every_shape(nodes: Nodes) -> None:
    for left, right in SHAPES:
        a, b = numbers(*left), numbers(*right, seed=1)
        wanted = np.matmul(a.astype(np.float64), b).astype(np.float32)
        for constant in ([], [1]):
            nodes.add("MatMul", a, b, expected=wanted, constant=constant, tolerance=2e-5)
    nodes.run()


def test_products_of_every_type(nodes: Nodes) -> None:
    a, b = numbers(4, 9), numbers(9, 6, seed=1)
    for kind, tolerance in (("float64", 1e-13), ("float16", 2**-9), ("bfloat16", 2**-7)):
        dtype = np.dtype(ml_dtypes.bfloat16 if kind == "bfloat16" else kind)
        x, y = a.astype(dtype), b.astype(dtype)
        wanted = (x.astype(np.float64) @ y.astype(np.float64)).astype(dtype)
        nodes.add("MatMul", x, y, expected=wanted, tolerance=tolerance)
    for dtype in (np.dtype(np.int32), np.dtype(np.uint64)):
        x, y = (np.abs(value * 1e8).astype(dtype) for value in (a, b))
        nodes.add("MatMul", x, y, expected=np.matmul(x, y))
    nodes.run()


def test_gemm(nodes: Nodes) -> None:
    a, b = numbers(4, 5), numbers(5, 3, seed=1)
    product = a @ b
    nodes.add("Gemm", a, b, expected=product)
    nodes.add("Gemm", a.T.copy(), b, expected=product, transA=1)
    nodes.add("Gemm", a, b.T.copy(), expected=product, transB=1)
    for shape in ((), (3,), (1, 3), (4, 1), (4, 3)):
        c = numbers(*shape, seed=2)
        nodes.add("Gemm", a, b, c, expected=product + c)
        wanted = np.float32(0.5) * product + np.float32(0.25) * c
        how: dict[str, Any] = {"alpha": 0.5, "beta": 0.25, "transA": 1, "transB": 1}
        nodes.add("Gemm", a.T.copy(), b.T.copy(), c, expected=wanted, **how)
    nodes.add("Gemm", a, b, np.full(3, np.nan, np.float32), expected=product, beta=0.0)
    nodes.run()


def test_what_does_not_fit_is_refused(nodes: Nodes) -> None:
    nodes.add("MatMul", numbers(2, 3), numbers(4, 5), expected=numbers(2, 5))
    nodes.add("Gemm", numbers(2, 3), numbers(4), expected=numbers(2, 5))
    nodes.add("Gemm", numbers(2, 3), numbers(3, 4), numbers(3, 2, 4), expected=numbers(2, 4))
    with pytest.raises(ClientError) as error:
        nodes.run()
    for part in ("(2, 3) and (4, 5) do not fit", "are not of matrices", "C of shape (3, 2, 4)"):
        assert part in str(error.value)
