"""Convolutions and pooling against the evaluator's own, or ONNX Runtime where that one errs: it pools one
window too few with SAME padding, fails on windows at the end of the padding, and mixes up groups of
transposed convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from tinsmith.compiler.verify.networks import windowed
from tinsmith.compiler.verify.networks.arithmetic import OPERATORS

Arrays = list[np.ndarray[Any, Any]]
Window = tuple[tuple[int, ...], dict[str, Any]]


def made(operator: str, inputs: Arrays, outputs: int = 1, **attributes: Any) -> onnx.ModelProto:
    """A model of one node."""
    infos = [
        helper.make_tensor_value_info(f"x{index}", helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for index, array in enumerate(inputs)
    ]
    results = [f"y{index}" for index in range(outputs)]
    kinds = [infos[0].type.tensor_type.elem_type, TensorProto.INT64]
    node = helper.make_node(operator, [info.name for info in infos], results, **attributes)
    shown = [
        helper.make_tensor_value_info(name, kind, None) for name, kind in zip(results, kinds, strict=False)
    ]
    graph = helper.make_graph([node], "g", infos, shown)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def evaluate(model: onnx.ModelProto, inputs: Arrays, operators: Any = None) -> Any:
    """By the reference evaluator."""
    evaluator: Any = ReferenceEvaluator(model, new_ops=operators)
    return evaluator.run(None, feed(inputs))


def feed(inputs: Arrays) -> dict[str, np.ndarray[Any, Any]]:
    return {f"x{index}": array for index, array in enumerate(inputs)}


def both(operator: str, inputs: Arrays, outputs: int = 1, **attributes: Any) -> tuple[Any, Any]:
    """What the evaluator answers by itself, and with our operators."""
    model = made(operator, inputs, outputs, **attributes)
    return evaluate(model, inputs), evaluate(model, inputs, list(OPERATORS))


def second(operator: str, inputs: Arrays, **attributes: Any) -> tuple[Any, Any]:
    """What ONNX Runtime answers, and the evaluator with our operators."""
    model = made(operator, inputs, **attributes)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (other,) = session.run(None, feed(inputs))
    (quick,) = evaluate(model, inputs, list(OPERATORS))
    return other, quick


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Sizes of a tensor, and attributes of a window that fits into it."""
    rank = draw(st.integers(1, 3))

    def lists(low: int, high: int) -> st.SearchStrategy[list[int]]:
        return st.lists(st.integers(low, high), min_size=rank, max_size=rank)

    kernel, dilations = draw(lists(1, 3)), draw(lists(1, 2))
    size = [
        gap * (length - 1) + 1 + draw(st.integers(0, 4))
        for gap, length in zip(dilations, kernel, strict=True)
    ]
    pads = [draw(st.integers(0, length - 1)) for length in kernel * 2]
    attributes = {"kernel_shape": kernel, "dilations": dilations, "strides": draw(lists(1, 3)), "pads": pads}
    return tuple(size), attributes


CHANNELS = st.sampled_from([(1, 2, 3), (2, 2, 2), (3, 1, 1), (2, 1, 2)])
"""Groups, channels of each in and out."""


@settings(max_examples=60, deadline=None)
@given(windows(), st.integers(1, 2), CHANNELS, st.booleans(), st.sampled_from([1, 100, 1 << 22]))
def test_convolutions(
    window: Window, batch: int, channels: tuple[int, int, int], bias: bool, columns: int
) -> None:
    size, attributes = window
    groups, inside, outside = channels
    random = np.random.RandomState(0)
    x = random.randn(batch, groups * inside, *size)
    w = random.randn(groups * outside, inside, *attributes["kernel_shape"])
    inputs = [x, w, random.randn(groups * outside)] if bias else [x, w]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windowed, "MAX_COLUMNS", columns)
        (own,), (quick,) = both("Conv", inputs, group=groups, **attributes)
    assert own.dtype == quick.dtype
    np.testing.assert_allclose(quick, own, rtol=1e-9, atol=1e-12)


@settings(max_examples=80, deadline=None)
@given(windows(), CHANNELS, st.booleans(), st.integers(0, 2), st.sampled_from(["", "SAME_UPPER", "shape"]))
def test_transposed_convolutions(
    window: Window, channels: tuple[int, int, int], bias: bool, extra: int, form: str
) -> None:
    size, attributes = window
    groups, inside, outside = channels
    rank = len(size)
    random = np.random.RandomState(0)
    x = random.randn(2, groups * inside, *size).astype(np.float32)
    w = random.randn(groups * inside, outside, *attributes["kernel_shape"]).astype(np.float32)
    inputs = [x, w, random.randn(groups * outside).astype(np.float32)] if bias else [x, w]
    attributes["output_padding"] = [min(extra, stride - 1) for stride in attributes["strides"]]
    if form:
        del attributes["pads"]
    if form == "SAME_UPPER":
        attributes |= {"auto_pad": form, "output_padding": [0] * rank}
        reach = [
            gap * (length - 1) + 1
            for gap, length in zip(attributes["dilations"], attributes["kernel_shape"], strict=True)
        ]
        attributes["strides"] = [min(pair) for pair in zip(attributes["strides"], reach, strict=True)]
    elif form == "shape":
        attributes["output_shape"] = list(size)
    other, quick = second("ConvTranspose", inputs, group=groups, **attributes)
    np.testing.assert_allclose(quick, other, rtol=1e-4, atol=1e-5)


def test_a_transposed_convolution_with_an_output_beyond_its_reach_is_left_to_the_evaluator() -> None:
    random = np.random.RandomState(0)
    inputs = [random.randn(1, 2, 3), random.randn(2, 1, 1)]
    assert windowed._margins_of_transposed([3], [2], [5], None, [6], None) == [(0, -1)]
    (own,), (quick,) = both("ConvTranspose", inputs, strides=[2], output_shape=[6])
    np.testing.assert_array_equal(quick, own)


@settings(max_examples=60, deadline=None)
@given(windows(), st.booleans())
def test_maximum_pooling(window: Window, upwards: bool) -> None:
    size, attributes = window
    x = (np.random.RandomState(0).randn(2, 3, *size) - 5).astype(np.float32)
    other, quick = second("MaxPool", [x], ceil_mode=int(upwards), **attributes)
    np.testing.assert_array_equal(quick, other, strict=True)


@settings(max_examples=80, deadline=None)
@given(windows(), st.booleans(), st.booleans())
def test_average_pooling(window: Window, upwards: bool, padding_counts: bool) -> None:
    size, attributes = window
    x = np.random.RandomState(0).randn(2, 3, *size).astype(np.float32)
    modes = {"ceil_mode": int(upwards), "count_include_pad": int(padding_counts)}
    other, quick = second("AveragePool", [x], **modes, **attributes)
    np.testing.assert_allclose(quick, other, rtol=1e-5, atol=1e-6, strict=True)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("size", [5, 6, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_automatic_padding(auto_pad: str, size: int, stride: int) -> None:
    x, w = np.random.RandomState(0).randn(1, 2, size, 7), np.random.RandomState(1).randn(3, 2, 3, 2)
    (own,), (quick,) = both("Conv", [x, w], auto_pad=auto_pad, strides=[stride, stride])
    np.testing.assert_allclose(quick, own, rtol=1e-9, atol=1e-12)
    narrow = x.astype(np.float32)
    for operator in ("MaxPool", "AveragePool"):
        other, quick = second(
            operator, [narrow], auto_pad=auto_pad, kernel_shape=[3, 2], strides=[stride] * 2
        )
        np.testing.assert_allclose(quick, other, rtol=1e-6, strict=True)


def test_infinite_and_missing_numbers_pass_through() -> None:
    x = np.array([[[1, np.inf, 2, np.nan, 3, 4, 5]]], np.float64)
    w = np.ones((1, 1, 2))
    (own,), (quick,) = both("Conv", [x, w])
    np.testing.assert_array_equal(quick, own)
    (found,) = evaluate(made("MaxPool", [x], kernel_shape=[2]), [x], list(OPERATORS))
    np.testing.assert_array_equal(found[0, 0, :2], [np.inf, np.inf])


def test_what_is_left_to_the_evaluator() -> None:
    x = np.random.RandomState(0).randn(1, 1, 6, 6).astype(np.float32)
    window: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [3, 3]}
    cases: list[tuple[Arrays, int]] = [([x], 2), ([(x * 50).astype(np.int8)], 1)]
    for inputs, outputs in cases:
        own, quick = both("MaxPool", inputs, outputs, **window)
        for a, b in zip(own, quick, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
