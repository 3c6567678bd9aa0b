"""The quick operators against the evaluator's own, or ONNX Runtime where that one errs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from tinsmith.compiler.verify.networks.arithmetic import OPERATORS, erf

Arrays = list[np.ndarray[Any, Any]]


def made(operator: str, inputs: Arrays, kind: int, opset: int = 21, **attributes: Any) -> onnx.ModelProto:
    """A model of one node with an output of type `kind`."""
    infos = [
        helper.make_tensor_value_info(f"x{index}", helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for index, array in enumerate(inputs)
    ]
    node = helper.make_node(operator, [info.name for info in infos], ["y"], **attributes)
    graph = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info("y", kind, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def feed(inputs: Arrays) -> dict[str, np.ndarray[Any, Any]]:
    return {f"x{index}": array for index, array in enumerate(inputs)}


def quick(model: onnx.ModelProto, inputs: Arrays) -> Any:
    """What the evaluator answers with our operators."""
    evaluator: Any = ReferenceEvaluator(model, new_ops=list(OPERATORS))
    return evaluator.run(None, feed(inputs))[0]


def own(model: onnx.ModelProto, inputs: Arrays) -> Any:
    """What it answers by itself."""
    evaluator: Any = ReferenceEvaluator(model)
    return evaluator.run(None, feed(inputs))[0]


def runtime(model: onnx.ModelProto, inputs: Arrays) -> Any:
    """What ONNX Runtime answers."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feed(inputs))[0]


@pytest.mark.parametrize("opset", [7, 9, 13, 14, 15])
def test_batch_normalisation_takes_the_given_statistics(opset: int) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 3, 4, 5)).astype(np.float32)
    inputs = [x, *(random.uniform(0.5, 2, 3).astype(np.float32) for _ in range(4))]
    model = made("BatchNormalization", inputs, TensorProto.FLOAT, opset, epsilon=1e-3, momentum=0.9)
    np.testing.assert_allclose(quick(model, inputs), runtime(model, inputs), rtol=1e-5, atol=1e-6)


def test_error_function() -> None:
    random = np.random.default_rng(0)
    x = np.concatenate(
        [
            np.linspace(-7, 7, 40_001),
            random.standard_normal(10_000) * 10.0 ** random.integers(-20, 1, 10_000),
            [0.0, -0.0, 1e-300, 5e-324, 5.99, 6.0, 6.01, 1e300, np.inf, -np.inf],
        ]
    )
    wanted = np.array([math.erf(value) for value in x])
    np.testing.assert_allclose(erf(x), wanted, rtol=5e-16, atol=0)
    assert np.isnan(erf(np.array([np.nan]))).all()
    assert np.signbit(erf(np.array([-0.0]))).all()
    assert erf(np.array(0.5)).shape == ()
    assert erf(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_erf_keeps_its_type(dtype: Any) -> None:
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(dtype)
    model = made("Erf", [x], helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    found = quick(model, [x])
    assert found.dtype == dtype
    np.testing.assert_allclose(found, own(model, [x]), rtol=1e-6 if dtype != np.float16 else 1e-3)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    x = (np.random.default_rng(0).standard_normal((3, 5)) * 3).astype(np.float32)
    model = made("Gelu", [x], TensorProto.FLOAT, approximate=approximate)
    np.testing.assert_allclose(quick(model, [x]), runtime(model, [x]), rtol=1e-5, atol=1e-6)


def whole(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray[Any, Any]:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


@pytest.mark.parametrize(("left", "right"), [(np.uint8, np.int8), (np.int8, np.int8), (np.uint8, np.uint8)])
@pytest.mark.parametrize("zeros", ["none", "single", "vector"])
def test_integer_products(left: Any, right: Any, zeros: str) -> None:
    inputs = [whole((2, 3, 40), left), whole((40, 5), right, 1)]
    if zeros == "single":
        inputs += [whole((), left, 2), whole((), right, 3)]
    if zeros == "vector":
        inputs += [whole((), left, 2), whole((5,), right, 3)]
    model = made("MatMulInteger", inputs, TensorProto.INT32)
    np.testing.assert_array_equal(quick(model, inputs), own(model, inputs), strict=True)


@pytest.mark.parametrize("attributes", [{}, {"pads": [1, 0, 1, 2], "strides": [2, 1]}, {"group": 2}])
@pytest.mark.parametrize("zeros", [False, True])
def test_integer_convolutions(attributes: dict[str, Any], zeros: bool) -> None:
    group = attributes.get("group", 1)
    inputs = [whole((2, 4, 7, 6), np.uint8), whole((6, 4 // group, 3, 2), np.int8, 1)]
    if zeros:
        inputs += [whole((), np.uint8, 2), whole((), np.int8, 3)]
    model = made("ConvInteger", inputs, TensorProto.INT32, **attributes)
    np.testing.assert_array_equal(quick(model, inputs), own(model, inputs), strict=True)


def weights(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Of seven bits: ONNX Runtime adds two products of eight bits in 16 bits on some processors."""
    return np.asarray(whole(shape, np.int8, 1) // 2, np.int8)


def parameters(dtype: Any, channels: int = 1, seed: int = 5) -> Arrays:
    """A scale and a zero point of all, or of every channel."""
    random = np.random.default_rng(seed)
    shape = () if channels == 1 else (channels,)
    scale = random.uniform(0.01, 0.05, shape).astype(np.float32)
    return [np.asarray(scale), np.asarray(random.integers(0, 4, shape).astype(dtype))]


@pytest.mark.parametrize("channels", [1, 5])
def test_quantised_products(channels: int) -> None:
    a, b = whole((3, 40), np.uint8), weights((40, 5))
    inputs = [a, *parameters(np.uint8), b, *parameters(np.int8, channels, 6)]
    inputs += [np.asarray(np.float32(1.37)), np.asarray(np.uint8(117))]
    model = made("QLinearMatMul", inputs, TensorProto.UINT8)
    found = quick(model, inputs)
    assert len(np.unique(found)) > 5
    np.testing.assert_array_equal(found, runtime(model, inputs), strict=True)


@pytest.mark.parametrize("channels", [1, 6])
@pytest.mark.parametrize("attributes", [{}, {"pads": [1, 0, 1, 2], "dilations": [1, 2]}, {"group": 2}])
def test_quantised_convolutions(attributes: dict[str, Any], channels: int) -> None:
    group = attributes.get("group", 1)
    w = weights((6, 4 // group, 3, 2))
    inputs = [whole((2, 4, 7, 6), np.uint8), *parameters(np.uint8), w, *parameters(np.int8, channels, 6)]
    inputs[5] = np.zeros_like(inputs[5])  # ONNX Runtime wants no other zero point of weights
    bias = np.random.default_rng(7).integers(-9999, 9999, 6).astype(np.int32)
    inputs += [np.asarray(np.float32(0.613)), np.asarray(np.uint8(128)), bias]
    model = made("QLinearConv", inputs, TensorProto.UINT8, **attributes)
    found = quick(model, inputs)
    assert len(np.unique(found)) > 5
    np.testing.assert_array_equal(found, runtime(model, inputs), strict=True)


@pytest.mark.parametrize("opset", [13, 18, 19, 21])
@pytest.mark.parametrize("axis", [0, 1])
def test_dequantized_in_every_opset(opset: int, axis: int) -> None:
    random = np.random.default_rng(0)
    x = random.integers(-128, 128, (3, 4)).astype(np.int8)
    scale = random.uniform(0.1, 2, (x.shape[axis],)).astype(np.float32)
    inputs: Arrays = [x, scale, random.integers(-9, 9, scale.shape).astype(np.int8)]
    model = made("DequantizeLinear", inputs, TensorProto.FLOAT, opset, axis=axis)
    np.testing.assert_array_equal(quick(model, inputs), runtime(model, inputs), strict=True)


@pytest.mark.parametrize("rank", [3, 4, 5])
def test_global_maximum_of_any_rank(rank: int) -> None:
    inputs = [np.random.default_rng(0).standard_normal((2, 3, 4, 5, 6)[:rank]).astype(np.float32)]
    model = made("GlobalMaxPool", inputs, TensorProto.FLOAT)
    np.testing.assert_array_equal(quick(model, inputs), runtime(model, inputs), strict=True)


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_a_loop_stacks_what_its_rounds_give(shape: tuple[int, ...]) -> None:
    values = [
        helper.make_tensor_value_info(name, kind, dims)
        for name, kind, dims in (
            ("i", TensorProto.INT64, ()),
            ("c", TensorProto.BOOL, ()),
            ("s", TensorProto.FLOAT, shape),
        )
    ]
    nodes = [
        helper.make_node("Identity", ["c"], ["going"]),
        helper.make_node("Add", ["s", "s"], ["next"]),
        helper.make_node("Identity", ["s"], ["before"]),
    ]
    results = [
        helper.make_tensor_value_info("going", TensorProto.BOOL, ()),
        *(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("next", "before")),
    ]
    body = helper.make_graph(nodes, "body", values, results)
    count = helper.make_node("Constant", [], ["n"], value_int=3)
    loop = helper.make_node("Loop", ["n", "", "x0"], ["last", "y"], body=body)
    graph = helper.make_graph(
        [count, loop],
        "g",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=9)
    start = np.ones(shape, np.float32)
    assert np.array_equal(quick(model, [start]), np.stack([start, 2 * start, 4 * start]))
