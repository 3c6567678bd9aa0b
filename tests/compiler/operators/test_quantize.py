from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.onnx_suite.nodes import Nodes
from tinsmith.compiler.ir import dtypes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]

INTEGERS = ("int8", "uint8", "int16", "uint16", "int4", "uint4", "int2", "uint2")
HALVES = np.array([0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 3.49, 1e9, -1e9, np.inf, -np.inf], np.float32)


def quantized(x: Array, scale: Array, zero: Array) -> Array:
    """By the formula of the operator, in float64."""
    low, high = dtypes.limits(zero.dtype.name)
    with np.errstate(all="ignore"):
        whole = np.rint((x / scale).astype(np.float64)) + zero.astype(np.float64)
    return np.asarray(np.clip(whole, low, high).astype(zero.dtype))


def blocks(values: Array, axis: int, size: int, extent: int) -> Array:
    """Every value `size` times along `axis`, `extent` in all."""
    return np.repeat(values, size, axis).take(range(extent), axis)


def test_every_integer_type(nodes: Nodes) -> None:
    for name in INTEGERS:
        zero = np.array(1).astype(dtypes.numpy_dtype(name))
        for dtype in (np.float32, np.float16):
            scale = np.array(0.5, dtype)
            x = np.clip(HALVES, -6e4, 6e4).astype(dtype)
            nodes.add("QuantizeLinear", x, scale, zero, expected=quantized(x, scale, zero))
        q = np.arange(-8, 8).astype(np.int8).astype(dtypes.numpy_dtype(name))
        wanted = (q.astype(np.float32) - 1) * np.float32(0.5)
        nodes.add("DequantizeLinear", q, np.array(0.5, np.float32), zero, expected=wanted)
        half = np.array(0.5, np.float16)
        nodes.add("DequantizeLinear", q, half, zero, expected=wanted.astype(np.float16), tolerance=0)
    nodes.run()


def test_scales_per_axis_and_block(nodes: Nodes) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3, 5, 4)).astype(np.float32)
    q = rng.integers(-128, 128, (3, 5, 4), np.int8)
    for axis in (0, 1, 2, -1):
        extent = x.shape[axis]
        scale = np.asarray(rng.uniform(0.01, 0.1, extent), np.float32)
        zero = rng.integers(-5, 5, extent, np.int8)
        shape = [extent if place == axis % 3 else 1 for place in range(3)]
        s, z = scale.reshape(shape), zero.reshape(shape)
        nodes.add("QuantizeLinear", x, scale, zero, expected=quantized(x, s, z), axis=axis)
        nodes.add("DequantizeLinear", q, scale, zero, expected=(q - z.astype(np.float32)) * s, axis=axis)
        for size in (2, 3):
            shape = list(x.shape)
            shape[axis] = -(-extent // size)
            scale = rng.uniform(0.01, 0.1, shape).astype(np.float32)
            zero = rng.integers(-5, 5, shape, np.int8)
            s, z = (blocks(values, axis, size, extent) for values in (scale, zero))
            options: dict[str, Any] = {"axis": axis, "block_size": size}
            nodes.add("QuantizeLinear", x, scale, zero, expected=quantized(x, s, z), **options)
            nodes.add("DequantizeLinear", q, scale, expected=q.astype(np.float32) * s, **options)
    nodes.run()


def test_small_floats(nodes: Nodes) -> None:
    x = np.array([0.0, -0.0, 0.3, -1.7, 1000.0, 1e6, -1e6], np.float32)
    scale = np.array(2.0, np.float32)
    for name in ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float4_e2m1fn"):
        kind = dtypes.numpy_dtype(name)
        number = helper.np_dtype_to_tensor_dtype(kind)
        least, most = dtypes.range_of(name)
        wanted = np.clip(x / scale, least, most).astype(kind)
        nodes.add("QuantizeLinear", x, scale, np.zeros((), kind), expected=wanted, tolerance=0)
        nodes.add("QuantizeLinear", x, scale, expected=wanted, output_dtype=number, tolerance=0)
        back = wanted.astype(np.float32) * scale
        nodes.add("DequantizeLinear", wanted, scale, expected=back, tolerance=0)
    plain = (x / scale).astype(ml_dtypes.float8_e5m2)
    options: dict[str, Any] = {"output_dtype": TensorProto.FLOAT8E5M2, "saturate": 0}
    nodes.add("QuantizeLinear", x, scale, expected=plain, tolerance=0, **options)
    nodes.run()


def test_types_of_the_output(nodes: Nodes) -> None:
    x, scale = np.array([1.0, 2.5, -3.0], np.float32), np.array(0.5, np.float32)
    nodes.add("QuantizeLinear", x, scale, expected=np.array([2, 5, 0], np.uint8))
    nodes.add(
        "QuantizeLinear", x, scale, expected=np.array([2, 5, -6], np.int16), output_dtype=TensorProto.INT16
    )
    whole = np.array([7, -9, 2**20], np.int32)
    nodes.add("QuantizeLinear", whole, np.array(2.0, np.float32), expected=np.array([4, 0, 255], np.uint8))
    wide = whole.astype(np.float32) * scale
    nodes.add("DequantizeLinear", whole, scale, expected=wide)
    narrow = wide[:2].astype(np.float16)
    nodes.add("DequantizeLinear", whole[:2], scale, expected=narrow, output_dtype=TensorProto.FLOAT16)
    nodes.run()


def test_dynamic_range(nodes: Nodes) -> None:
    for x in ([0.0, 2.0, -3.0, -2.5, 1.34, 0.5], [-1.0, -2.1, -1.3], [1.0, 2.1, 1.3], [0.0, 0.0], [-7.0]):
        values = np.array(x, np.float32)
        least, most = np.minimum(values.min(), 0), np.maximum(values.max(), 0)
        scale = np.asarray((most - least) / 255 if most != least else 1, np.float32)
        zero = np.clip(np.rint(-least / scale), 0, 255).astype(np.uint8)
        wanted = [quantized(values, scale, zero), scale, np.asarray(zero)]
        nodes.add("DynamicQuantizeLinear", values, expected=wanted)
    nodes.run()


def test_scales_that_do_not_fit_are_refused(nodes: Nodes) -> None:
    x, scale = np.zeros((2, 6), np.float32), np.ones(3, np.float32)
    wanted = np.zeros((2, 6), np.uint8)
    nodes.add("QuantizeLinear", x, scale, expected=wanted)
    nodes.add("QuantizeLinear", x, np.ones((2, 2), np.float32), expected=wanted, block_size=4, axis=0)
    nodes.add("QuantizeLinear", x, np.ones(6, np.float32), np.zeros(2, np.uint8), expected=wanted)
    zero = np.array(0, np.int8)
    nodes.add("QuantizeLinear", x, scale[0], zero, expected=wanted, output_dtype=TensorProto.UINT8)
    with pytest.raises(ClientError) as error:
        nodes.run()
    for text in (
        "a scale of shape (3,) for an input of shape (2, 6) along axis 1",
        "in blocks of 4 along axis 0; (1, 6) is needed",
        "a zero point of shape (2,) for a scale of shape (6,)",
        "output_dtype uint8, but a zero point of type int8",
    ):
        assert text in str(error.value)
