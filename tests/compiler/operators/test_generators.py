from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir
import pytest
from onnx import TensorProto, helper

from tests.onnx_suite.nodes import Nodes
from tinsmith.compiler.ir import dtypes
from tinsmith.errors import ClientError


def tensor(values: Any) -> TensorProto:
    return onnx_ir.serde.serialize_tensor(onnx_ir.tensor(np.asarray(values)))


def test_constants_of_every_type(nodes: Nodes) -> None:
    nodes.opset = 25
    for name in (*dtypes.FLOATS, *dtypes.SMALL_FLOATS, *dtypes.SIGNED, *dtypes.UNSIGNED, "bool"):
        kind = dtypes.numpy_dtype(name)
        unsigned = name.startswith(("u", "b")) or name.endswith("e8m0fnu")
        values = np.array([1, 2, 1, 0.5] if unsigned else [1, -2, -1, 0.5]).astype(kind)
        nodes.add("Constant", expected=values, value=tensor(values), tolerance=0)
    nodes.add("Constant", expected=np.array(1.5, np.float32), value_float=1.5)
    nodes.add("Constant", expected=np.array([1.5, -2], np.float32), value_floats=[1.5, -2.0])
    nodes.add("Constant", expected=np.array(-7), value_int=-7)
    nodes.add("Constant", expected=np.array([2**40, 3]), value_ints=[2**40, 3])
    nodes.add("Identity", np.array([1, 2], np.int16), expected=np.array([1, 2], np.int16))
    nodes.run()


def test_strings_are_refused(nodes: Nodes) -> None:
    nodes.add("Constant", expected=np.zeros(1), value_string="text")
    with pytest.raises(ClientError, match="a constant by value_string"):
        nodes.run()


def test_one_value_everywhere(nodes: Nodes) -> None:
    for shape in ((), (3,), (2, 0, 4), (2, 3)):
        dims = np.array(shape, np.int64)
        nodes.add("ConstantOfShape", dims, expected=np.zeros(shape, np.float32), constant=[0])
        sevens = np.full(shape, 7, np.int8)
        nodes.add(
            "ConstantOfShape", dims, expected=sevens, constant=[0], value=tensor(np.array([7], np.int8))
        )
    half = np.full((2,), 0.1, ml_dtypes.bfloat16)
    nodes.add(
        "ConstantOfShape", np.array([2]), expected=half, declared=True, value=tensor(half[:1]), tolerance=0
    )
    nodes.run()


def test_diagonals(nodes: Nodes) -> None:
    x = np.zeros((3, 5), np.int32)
    for k in (-4, -2, 0, 1, 5):
        nodes.add("EyeLike", x, expected=np.eye(3, 5, k, np.int32), k=k)
    nodes.add("EyeLike", x, expected=np.eye(3, 5, dtype=np.float16), dtype=TensorProto.FLOAT16)
    nodes.run()


def test_ranges(nodes: Nodes) -> None:
    for dtype in (np.float32, np.float64, np.int16, np.int32, np.int64):
        for start, limit, delta in ((0, 10, 3), (10, 0, -3), (3, 3, 1), (5, 2, 1), (-4, 4, 2)):
            given = [np.array(value, dtype) for value in (start, limit, delta)]
            wanted = np.arange(start, limit, delta).astype(dtype)
            nodes.add("Range", *given, expected=wanted, constant=[0, 1, 2])
            nodes.add("Range", *given, expected=wanted, declared=True)
    steps = [np.array(value, np.float32) for value in (0.5, 2.1, 0.3)]
    nodes.add("Range", *steps, expected=np.arange(0.5, 2.1, 0.3).astype(np.float32), constant=[0, 1, 2])
    nodes.run()


def test_ranges_without_end_are_refused(nodes: Nodes) -> None:
    zero, one = np.array(0), np.array(1)
    nodes.add("Range", zero, one, zero, expected=one, constant=[0, 1, 2])
    nodes.add("Range", zero, one, one, expected=zero)
    with pytest.raises(ClientError) as error:
        nodes.run()
    assert "a range from 0 to 1 in steps of 0" in str(error.value)
    assert "its step is neither a constant nor does the file declare the shape" in str(error.value)


def test_windows(nodes: Nodes) -> None:
    for size in (1, 2, 7, 16):
        for periodic in (0, 1):
            i, n = np.arange(size), size - 1 + periodic
            with np.errstate(all="ignore"):
                angle = 2 * np.pi * i / n
            for op, window in (
                ("HannWindow", 0.5 - 0.5 * np.cos(angle)),
                ("HammingWindow", 25 / 46 - 21 / 46 * np.cos(angle)),
                ("BlackmanWindow", 0.42 - 0.5 * np.cos(angle) + 0.08 * np.cos(2 * angle)),
            ):
                length = np.array(size)
                near = window.astype(np.float32)
                nodes.add(op, length, expected=near, constant=[0], periodic=periodic)
                exact: dict[str, Any] = {"periodic": periodic, "output_datatype": TensorProto.DOUBLE}
                nodes.add(op, length, expected=window, declared=True, tolerance=1e-14, **exact)
    nodes.run()


def test_random_numbers_are_refused(nodes: Nodes) -> None:
    x = np.zeros((2, 2), np.float32)
    nodes.add("RandomUniform", expected=x, shape=[2, 2])
    nodes.add("RandomNormalLike", x, expected=x)
    nodes.add("Bernoulli", x, expected=x)
    nodes.add(
        "Multinomial",
        x,
        expected=x.astype(np.int32),
        dtype=helper.np_dtype_to_tensor_dtype(np.dtype(np.int32)),
    )
    with pytest.raises(ClientError) as error:
        nodes.run()
    assert str(error.value).count("it draws random numbers; compiled models answer the same input") == 4
