"""From a folder to a Network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx_ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from tinsmith.compiler import frontends
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network


def convolution(make: Callable[..., onnx.ModelProto]) -> onnx.ModelProto:
    random = np.random.default_rng(0)
    weights = random.normal(size=(16, 3, 5, 5)).astype(np.float32)
    return make(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="first", pads=[2, 2, 2, 2]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("GlobalMaxPool", ["r"], ["p"]),
            helper.make_node("Flatten", ["p"], ["y"]),
        ],
        {"x": ["batch", 3, 9, 9]},
        ["y"],
        {"w": weights},
    )


def test_the_framework_has_a_reader() -> None:
    assert frontends.load("ONNX").__module__ == "tinsmith.compiler.frontends.onnx"


def test_a_network_has_fixed_inputs_and_inferred_outputs(
    make: Callable[..., onnx.ModelProto],
    read_model: Callable[..., Network],
    same_answers: Callable[..., None],
) -> None:
    model = convolution(make)
    network = read_model(model, '{"x": [2, 3, 9, 9]}')
    assert network.framework == "ONNX"
    assert network.producer == "maker 1.2"
    assert network.kind == "net"
    assert network.inputs == (TensorSpec("x", "float32", (2, 3, 9, 9)),)
    assert network.outputs == (TensorSpec("y", "float32", (2, 16)),)
    assert network.files == ("model.onnx",)
    assert network.warnings == ()
    feeds = {"x": np.random.default_rng(1).normal(size=(2, 3, 9, 9)).astype(np.float32)}
    same_answers(model, network, feeds)


def test_every_value_has_its_type_and_shape_and_every_node_its_version(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    graph = read_model(convolution(make), '{"x": [2, 3, 9, 9]}').graph.graph
    assert [node.version for node in graph] == [17] * 4
    assert [node.domain for node in graph] == [""] * 4
    shapes = {value.name: tuple(value.shape or ()) for node in graph for value in node.outputs}
    assert shapes == {"c": (2, 16, 9, 9), "r": (2, 16, 9, 9), "p": (2, 16, 1, 1), "y": (2, 16)}
    assert graph.initializers["w"].const_value is not None
    assert graph.initializers["w"].const_value.shape == (16, 3, 5, 5)


def test_an_initializer_that_is_also_an_input_is_a_constant(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    model = convolution(make)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [16, 3, 5, 5]))
    network = read_model(model, '{"x": [1, 3, 9, 9]}')
    assert [spec.name for spec in network.inputs] == ["x"]
    assert [value.name for value in network.graph.graph.inputs] == ["x"]
    assert "w" in network.graph.graph.initializers


@pytest.mark.parametrize(
    "dtype",
    [
        *(np.float16, ml_dtypes.bfloat16, np.int8, np.uint8, np.float64, np.int64, np.bool_),
        *(ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4, ml_dtypes.uint4),
    ],
    ids=lambda dtype: dtype.__name__,
)
@pytest.mark.parametrize("count", [7, 2001])
def test_weights_stay_what_they_are(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network], dtype: type, count: int
) -> None:
    values: Any = np.random.default_rng(0).integers(0, 2, (count, 1)).astype(dtype)
    network = read_model(
        make([helper.make_node("Identity", ["w"], ["y"])], {}, ["y"], {"w": values}, opset=21)
    )
    tensor = network.graph.graph.initializers["w"].const_value
    assert tensor is not None
    assert tensor.numpy().dtype == np.dtype(dtype)
    np.testing.assert_array_equal(tensor.numpy().astype(np.float32), values.astype(np.float32))
    assert network.outputs == (TensorSpec("y", np.dtype(dtype).name, (count, 1)),)


def test_large_tensors_in_nodes_come_back(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    values = np.arange(5000, dtype=np.float32)
    nodes = [
        helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(values)),
        helper.make_node("Add", ["x", "k"], ["y"]),
    ]
    constant, _ = read_model(make(nodes, {"x": [5000]}, ["y"])).graph.graph
    np.testing.assert_array_equal(constant.attributes["value"].as_tensor().numpy(), values)


def test_the_other_spelling_of_the_default_domain(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    model = make([helper.make_node("Relu", ["x"], ["y"], domain="ai.onnx")], {"x": [3]}, ["y"])
    (node,) = read_model(model).graph.graph
    assert (node.domain, node.version) == ("", 17)


def test_a_graph_for_training_is_left_out_with_a_warning(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    model = convolution(make)
    model.training_info.add()
    (warning,) = read_model(model, '{"x": [1, 3, 9, 9]}').warnings
    assert warning == "model.onnx: the file also holds a graph for training, which is left out"


def test_outputs_of_unknown_size(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    network = read_model(make([helper.make_node("NonZero", ["x"], ["y"])], {"x": [3, 4]}, ["y"]))
    assert network.outputs == (TensorSpec("y", "int64", (2, -1)),)


def test_the_graph_survives_a_round_trip(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    network = read_model(convolution(make), '{"x": [1, 3, 9, 9]}')
    onnx.checker.check_model(onnx_ir.to_proto(network.graph), full_check=True)
