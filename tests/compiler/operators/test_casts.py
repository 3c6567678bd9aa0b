from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.onnx_suite.nodes import Nodes
from tinsmith.compiler.ir import dtypes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]

NUMBERS = ("float32", "float64", "float16", "bfloat16", *dtypes.SIGNED, *dtypes.UNSIGNED, "bool")
FLOAT8 = dtypes.SMALL_FLOATS[:4]
EDGES = [
    0.0, -0.0, 1.0, -1.0, 0.49, 0.51, 2.5, -3.5, 7.0, 447.0, 449.0, 464.0, 465.0, 57344.0, 61440.0, 65504.0,
    65520.0, 1e-7, -1e-7, 6e-8, 2.0**-9, 2.0**-10, 1.5 * 2.0**-10, 1e30, 1e39, -1e39, np.inf, -np.inf, np.nan,
]  # fmt: skip


def number_of(dtype: str) -> int:
    """ONNX's number of a type."""
    return helper.np_dtype_to_tensor_dtype(dtypes.numpy_dtype(dtype))


def converted(values: Array, dtype: str) -> Array:
    """As numpy and ml_dtypes do it; bool by ONNX's rule."""
    with np.errstate(all="ignore"):
        return values != 0 if dtype == "bool" else values.astype(dtypes.numpy_dtype(dtype))


def test_small_numbers_survive_every_pair_of_types(nodes: Nodes) -> None:
    for source in NUMBERS:
        numbers = (
            [0, 1, 1, 0] if source == "bool" else [0, 1, 2, 3] if source.startswith("u") else [0, 1, -2, -1]
        )
        x = np.array(numbers).astype(dtypes.numpy_dtype(source))
        for target in NUMBERS:
            if target != source:
                nodes.add("Cast", x, expected=converted(x.astype(np.int64), target), to=number_of(target))
    nodes.run()


def test_floats_to_floats(nodes: Nodes) -> None:
    for source in dtypes.FLOATS:
        x = converted(np.array(EDGES), source)
        for target in (*dtypes.FLOATS, "bool"):
            if target != source:
                nodes.add("Cast", x, expected=converted(x, target), to=number_of(target), tolerance=0)
    nodes.run()


def test_doubles_are_rounded_once(nodes: Nodes) -> None:
    """These are rounded to another number when they go through float32."""
    x = np.array([1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-9 + 2.0**-40, -(1 + 2.0**-11 + 2.0**-40)])
    for target in ("float16", "bfloat16"):
        nodes.add("Cast", x, expected=converted(x, target), to=number_of(target), tolerance=0)
    nodes.run()


def test_float8(nodes: Nodes) -> None:
    x = np.array(EDGES, np.float64)
    for target in FLOAT8:
        kind = dtypes.numpy_dtype(target)
        least, most = dtypes.range_of(target)
        every = np.arange(256, dtype=np.uint8).view(kind)
        for source in ("float32", "float16"):
            values = converted(x, source)
            saturated = np.clip(values.astype(np.float32), least, most).astype(kind)
            nodes.add("Cast", values, expected=saturated, to=number_of(target), tolerance=0)
            plain = values.astype(kind)
            nodes.add("Cast", values, expected=plain, to=number_of(target), saturate=0, tolerance=0)
            nodes.add("CastLike", values, every[:1], expected=plain, saturate=0, tolerance=0)
            nodes.add("Cast", every, expected=every.astype(source), to=number_of(source), tolerance=0)
    nodes.run()


def test_small_types_to_each_other(nodes: Nodes) -> None:
    for source in dtypes.SMALL_FLOATS[:4]:
        x = np.array([0, 1, -2, 1.5, -0.5]).astype(dtypes.numpy_dtype(source))
        wide = x.astype(np.float32)
        for target in ("int4", "int2", "int8", "bfloat16", "float64", "bool", "float4_e2m1fn", *FLOAT8):
            if target != source:
                nodes.add("Cast", x, expected=converted(wide, target), to=number_of(target), tolerance=0)
    nodes.run()


def test_powers_of_two(nodes: Nodes) -> None:
    x = np.array(
        [0, 0.75, 1, 1.1, 1.5, 1.75, -3, 2.0**-126, 2.0**-127, 1e-45, 1.5 * 2.0**127, np.inf, np.nan]
    )
    values = x.astype(np.float32)
    for mode in ("up", "down", "nearest"):
        for saturate in (0, 1):
            wanted = onnx.numpy_helper.to_float8e8m0(values, bool(saturate), mode)
            to = TensorProto.FLOAT8E8M0
            nodes.add("Cast", values, expected=wanted, to=to, round_mode=mode, saturate=saturate, tolerance=0)
    every = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e8m0fnu)
    nodes.add("Cast", every, expected=every.astype(np.float32), to=TensorProto.FLOAT, tolerance=0)
    nodes.run()


def test_integers_wrap(nodes: Nodes) -> None:
    x = np.array([0, 1, -1, 127, 128, 200, -129, 65535, 2**31, 2**32 + 5, -(2**63), 2**63 - 1], np.int64)
    for target in (*dtypes.SIGNED, *dtypes.UNSIGNED):
        if target != "int64":
            nodes.add("Cast", x, expected=converted(x, target), to=number_of(target))
    nodes.run()


def test_fractions_are_cut_off(nodes: Nodes) -> None:
    x = np.array([0.9, -0.9, 1.5, -1.5, 100.99, 2.0])
    for source in dtypes.FLOATS:
        for target in ("int8", "int16", "int32", "int64", "int4"):
            values = converted(np.clip(x, -8, 7) if target == "int4" else x, source)
            nodes.add("Cast", values, expected=converted(values, target), to=number_of(target))
        values = converted(abs(x), source)
        for target in ("uint8", "uint16", "uint32", "uint64"):
            nodes.add("Cast", values, expected=converted(values, target), to=number_of(target))
    large = np.array([2.0**31, 2.0**32 - 1, 2.0**63, 2.0**64 - 2048])
    nodes.add("Cast", large[:2], expected=large[:2].astype(np.uint32), to=TensorProto.UINT32)
    nodes.add("Cast", large, expected=large.astype(np.uint64), to=TensorProto.UINT64)
    nodes.run()


def test_what_no_integer_holds_is_the_same_folded_and_run(nodes: Nodes) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e20, -1e20], np.float32)
    for target in ("int8", "uint8", "int16", "int32", "int64"):
        nodes.add("Cast", x, expected=converted(x, target), to=number_of(target))
    nodes.run()


def test_bits_in_another_type(nodes: Nodes) -> None:
    nodes.opset = 26
    rng = np.random.default_rng(1)
    for bits, kinds in (
        (8, ("int8", "uint8", *FLOAT8)), (16, ("int16", "uint16", "float16", "bfloat16")),
        (32, ("int32", "uint32", "float32")), (64, ("int64", "uint64", "float64")),
    ):  # fmt: skip
        raw = rng.integers(0, 2**bits, 50, np.uint64).astype(f"uint{bits}")
        for source in kinds:
            x = raw.view(dtypes.numpy_dtype(source))
            # A NaN has many bit patterns; the number formats keep one.
            with np.errstate(invalid="ignore"):
                x = np.where(np.isnan(x.astype(np.float64)), np.zeros_like(x), x)
            for target in kinds:
                if target != source:
                    wanted = x.view(dtypes.numpy_dtype(target))
                    nodes.add("BitCast", x, expected=wanted, to=number_of(target), tolerance=0)
    nodes.add("BitCast", np.array([False, True]), expected=np.array([0, 1], np.uint8), to=TensorProto.UINT8)
    nodes.run()


def test_unknown_types_are_refused(nodes: Nodes) -> None:
    x = np.zeros(2, np.float32)
    nodes.add("Cast", x, expected=x, to=TensorProto.STRING)
    nodes.add("Cast", x, expected=x, to=999)
    nodes.add("BitCast", x, expected=x, to=TensorProto.INT16)
    with pytest.raises(ClientError) as error:
        nodes.run()
    for text in ("attribute to is 8", "attribute to is 999", "float32 has 32 bits and int16 16"):
        assert text in str(error.value)
