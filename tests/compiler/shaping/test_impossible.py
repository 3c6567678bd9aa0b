"""Branches that the input shapes rule out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir
from onnx import TensorProto, helper

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network

node = helper.make_node


def two_rates(make: Callable[..., onnx.ModelProto]) -> onnx.ModelProto:
    """One matrix for inputs of 4 columns, one for 8."""
    branches = {
        name: helper.make_graph(
            [node("MatMul", ["x", weights], [f"{name}.m"]), node("Relu", [f"{name}.m"], [f"{name}.o"])],
            name,
            [],
            [onnx.ValueInfoProto(name=f"{name}.o")],
        )
        for name, weights in (("then_branch", "w4"), ("else_branch", "w8"))
    }
    return make(
        [node("If", ["c"], ["y"], name="rate", **branches)],
        {"x": [1, "n"], "c": (TensorProto.BOOL, [])},
        ["y"],
        {"w4": np.ones((4, 3), np.float32), "w8": np.ones((8, 3), np.float32)},
    )


def test_an_impossible_branch_is_one_node_that_says_why(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    network = read_model(two_rates(make), '{"x": [1, 8]}')
    assert network.outputs == (TensorSpec("y", "float32", (1, 3)),)
    (choice,) = network.graph.graph
    branches = {name: choice.attributes[name].as_graph() for name in ("then_branch", "else_branch")}
    assert [each.op_type for each in branches["else_branch"]] == ["MatMul", "Relu"]
    (impossible,) = branches["then_branch"]
    assert (impossible.domain, impossible.op_type, impossible.version) == ("tinsmith", "Impossible", 1)
    assert "Incompatible dimensions" in impossible.attributes["reason"].as_string()
    assert [value.name for value in impossible.outputs] == [v.name for v in branches["then_branch"].outputs]
    assert impossible.outputs[0].shape == onnx_ir.Shape([1, 3])
    assert impossible.outputs[0].dtype == onnx_ir.DataType.FLOAT
    assert set(network.graph.graph.initializers) == {"w8"}
    (warning,) = network.warnings
    assert warning.startswith(
        "model.onnx: node 'rate' (If): its then_branch cannot be computed with these input"
    )


def test_possible_branches_stay(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    """The sizes differ, so those of the output are not known; none is impossible."""
    branches = {
        name: helper.make_graph(
            [node("Concat", ["x"] * count, [f"{name}.o"], axis=0)],
            name,
            [],
            [onnx.ValueInfoProto(name=f"{name}.o")],
        )
        for name, count in (("then_branch", 1), ("else_branch", 2))
    }
    model = make([node("If", ["c"], ["y"], **branches)], {"x": [2], "c": (TensorProto.BOOL, [])}, ["y"])
    network = read_model(model)
    assert network.outputs == (TensorSpec("y", "float32", (-1,)),)
    assert network.warnings == ()


def test_two_impossible_branches_stay_for_later_stages(
    make: Callable[..., onnx.ModelProto], read_model: Callable[..., Network]
) -> None:
    network = read_model(two_rates(make), '{"x": [1, 5]}')
    (choice,) = network.graph.graph
    assert [each.op_type for each in choice.attributes["then_branch"].as_graph()] == ["MatMul", "Relu"]
