from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]

draw = np.random.default_rng(0)


def integers(kind: type[np.integer[Any]], *shape: int) -> Array:
    limits = np.iinfo(kind)
    return draw.integers(limits.min, limits.max + 1, shape).astype(kind)


def single(value: float) -> Array:
    return np.array(value, np.float32)


def quantized(total: Array, factor: Any, zero: Array) -> Array:
    limits = np.iinfo(zero.dtype)
    scaled = np.rint(total.astype(np.float32) * np.asarray(factor, np.float32)) + zero.astype(np.float32)
    return np.asarray(np.clip(scaled, limits.min, limits.max), zero.dtype)


def test_integer_products_are_exact(nodes: Nodes) -> None:
    a, b = integers(np.uint8, 2, 5, 300), integers(np.int8, 300, 7)
    wide = a.astype(np.int64) @ b.astype(np.int64)
    nodes.add("MatMulInteger", a, b, expected=wide.astype(np.int32))
    zero, columns = np.array(200, np.uint8), integers(np.int8, 7)
    wanted = (a.astype(np.int64) - 200) @ (b.astype(np.int64) - columns)
    nodes.add("MatMulInteger", a, b, zero, columns, expected=wanted.astype(np.int32))
    rows = integers(np.uint8, 5)
    wanted = (a.astype(np.int64) - rows[:, None]) @ b.astype(np.int64)
    nodes.add("MatMulInteger", a, b, rows, np.array(0, np.int8), expected=wanted.astype(np.int32))
    wanted = a[0, 0].astype(np.int32) @ b.astype(np.int32)
    nodes.add("MatMulInteger", a[0, 0].copy(), b, expected=wanted)
    nodes.run()


def test_products_of_quantized_matrices(nodes: Nodes) -> None:
    for kind in (np.uint8, np.int8):
        a, b = integers(kind, 2, 4, 30), integers(kind, 30, 5)
        zeros = [np.array(value, kind) for value in (3, 7, 11)]
        total = (a.astype(np.int64) - 3) @ (b.astype(np.int64) - 7)
        scales = [single(0.02), single(0.03), single(1.7)]
        wanted = quantized(total, scales[0] * scales[1] / scales[2], zeros[2])
        given = (a, scales[0], zeros[0], b, scales[1], zeros[1], scales[2], zeros[2])
        nodes.add("QLinearMatMul", *given, expected=wanted)
        columns = np.linspace(0.01, 0.05, 5, dtype=np.float32)
        offsets = integers(kind, 5)
        total = (a.astype(np.int64) - 3) @ (b.astype(np.int64) - offsets)
        wanted = quantized(total, scales[0] * columns / scales[2], zeros[2])
        given = (a, scales[0], zeros[0], b, columns, offsets, scales[2], zeros[2])
        nodes.add("QLinearMatMul", *given, expected=wanted)
    nodes.run()


def test_convolutions_of_quantized_images(nodes: Nodes) -> None:
    x, w = integers(np.uint8, 1, 3, 6, 5), integers(np.int8, 4, 3, 3, 3)
    scales, zeros = np.linspace(0.01, 0.04, 4, dtype=np.float32), np.zeros(4, np.int8)
    bias = integers(np.int32, 4) // 2**16
    padded = np.pad(x.astype(np.int64) - 128, [(0, 0), (0, 0), (1, 1), (1, 1)])
    total = np.zeros((1, 4, 6, 5), np.int64)
    for y, z in np.ndindex(3, 3):
        taps = w[:, :, y, z].astype(np.int64)
        total += np.einsum("ncyx,oc->noyx", padded[:, :, y : y + 6, z : z + 5], taps)
    given = (x, single(0.5), np.array(128, np.uint8), w, scales, zeros, single(4.0), np.array(9, np.uint8))
    for added in (None, bias):
        whole = total if added is None else total + added.reshape(-1, 1, 1)
        factors = (np.float32(0.5) * scales / np.float32(4)).reshape(-1, 1, 1)
        wanted = quantized(whole, factors, np.array(9, np.uint8))
        inputs = given if added is None else (*given, added)
        nodes.add("QLinearConv", *inputs, expected=wanted, pads=[1, 1, 1, 1])
        nodes.add("QLinearConv", *inputs, expected=wanted, pads=[1, 1, 1, 1], constant=range(1, len(inputs)))
    nodes.run()


def test_halves_round_to_even_and_results_saturate(nodes: Nodes) -> None:
    a = np.array([[1], [3], [5], [-1], [-3], [127], [-128]], np.int8)
    one, zero = np.array([[1]], np.int8), np.array(0, np.int8)
    for factor, wanted in ((0.5, [0, 2, 2, 0, -2, 64, -64]), (2.0, [2, 6, 10, -2, -6, 127, -128])):
        given = (a, single(factor), zero, one, single(1), zero, single(1), zero)
        nodes.add("QLinearMatMul", *given, expected=np.array(wanted, np.int8)[:, None])
    nodes.run()


def test_parameters_that_do_not_fit_are_refused(nodes: Nodes) -> None:
    a, b = integers(np.uint8, 4, 3), integers(np.uint8, 3, 5)
    nodes.add("MatMulInteger", a, b, integers(np.uint8, 2), expected=a.astype(np.int32))
    nodes.add("MatMulInteger", a, a, expected=a.astype(np.int32))
    with pytest.raises(ClientError) as error:
        nodes.run()
    assert "a scale or zero point of shape (2,) for a tensor of shape (4, 3)" in str(error.value)
    assert "shapes (4, 3) and (4, 3) do not fit together" in str(error.value)
