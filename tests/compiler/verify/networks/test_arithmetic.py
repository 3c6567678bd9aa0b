"""The quick operators against the evaluator's own, or ONNX Runtime where that one errs: it pools one window
too few with SAME padding and fails on windows at the end of the padding."""

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

from tinsmith.compiler.verify.networks.arithmetic import OPERATORS

Arrays = list[np.ndarray[Any, Any]]


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
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


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


def pool(x: np.ndarray[Any, Any], **attributes: Any) -> tuple[Any, Any]:
    """What ONNX Runtime answers, and the evaluator with our operators."""
    model = made("MaxPool", [x], **attributes)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (second,) = session.run(None, feed([x]))
    (quick,) = evaluate(model, [x], list(OPERATORS))
    return second, quick


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Sizes of a tensor, and attributes of a window that fits into it."""
    rank = draw(st.integers(1, 3))

    def lists(low: int, high: int) -> st.SearchStrategy[list[int]]:
        return st.lists(st.integers(low, high), min_size=rank, max_size=rank)

    kernel, dilations = draw(lists(1, 3)), draw(lists(1, 2))
    size = [
        gap * (length - 1) + 1 + draw(st.integers(0, 4))
        for gap, length in zip(dilations, kernel, strict=True)
    ]
    pads = [draw(st.integers(0, length - 1)) for length in kernel] * 2
    attributes = {"kernel_shape": kernel, "dilations": dilations, "strides": draw(lists(1, 3)), "pads": pads}
    return tuple(size), attributes


@settings(max_examples=60, deadline=None)
@given(
    windows(), st.integers(1, 2), st.sampled_from([(1, 2, 3), (2, 2, 2), (3, 1, 1), (2, 1, 2)]), st.booleans()
)
def test_convolutions(
    window: tuple[tuple[int, ...], dict[str, Any]], batch: int, channels: tuple[int, int, int], bias: bool
) -> None:
    size, attributes = window
    groups, inside, outside = channels
    random = np.random.RandomState(0)
    x = random.randn(batch, groups * inside, *size)
    w = random.randn(groups * outside, inside, *attributes["kernel_shape"])
    inputs = [x, w, random.randn(groups * outside)] if bias else [x, w]
    (own,), (quick,) = both("Conv", inputs, group=groups, **attributes)
    assert own.dtype == quick.dtype
    np.testing.assert_allclose(quick, own, rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(windows())
def test_maximum_pooling(window: tuple[tuple[int, ...], dict[str, Any]]) -> None:
    size, attributes = window
    x = (np.random.RandomState(0).randn(2, 3, *size) - 5).astype(np.float32)
    second, quick = pool(x, **attributes)
    np.testing.assert_array_equal(quick, second, strict=True)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("size", [5, 6, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_automatic_padding(auto_pad: str, size: int, stride: int) -> None:
    x, w = np.random.RandomState(0).randn(1, 2, size, 7), np.random.RandomState(1).randn(3, 2, 3, 2)
    (own,), (quick,) = both("Conv", [x, w], auto_pad=auto_pad, strides=[stride, stride])
    np.testing.assert_allclose(quick, own, rtol=1e-9, atol=1e-12)
    narrow = x.astype(np.float32)
    second, quick = pool(narrow, auto_pad=auto_pad, kernel_shape=[3, 2], strides=[stride, stride])
    np.testing.assert_array_equal(quick, second, strict=True)


def test_what_is_left_to_the_evaluator() -> None:
    x = np.random.RandomState(0).randn(1, 1, 6, 6).astype(np.float32)
    window: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [3, 3]}
    cases: list[tuple[Arrays, int, dict[str, Any]]] = [
        ([x], 2, window),
        ([x], 1, {**window, "ceil_mode": 1}),
        ([(x * 50).astype(np.int8)], 1, window),
    ]
    for inputs, outputs, attributes in cases:
        own, quick = both("MaxPool", inputs, outputs, **attributes)
        for a, b in zip(own, quick, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("opset", [7, 9, 13, 14, 15])
def test_batch_normalisation_takes_the_given_statistics(opset: int) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 3, 4, 5)).astype(np.float32)
    statistics = [random.uniform(0.5, 2, 3).astype(np.float32) for _ in range(4)]
    model = made("BatchNormalization", [x, *statistics], epsilon=1e-3, momentum=0.9)
    model.opset_import[0].version = opset
    found = evaluate(model, [x, *statistics], list(OPERATORS))[0]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    fed = {f"x{index}": array for index, array in enumerate([x, *statistics])}
    np.testing.assert_allclose(found, session.run(None, fed)[0], rtol=1e-5, atol=1e-6)
