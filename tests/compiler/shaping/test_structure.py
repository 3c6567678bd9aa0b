"""Names are defined once and before use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tinsmith.compiler.ir.network import Network

Make = Callable[..., onnx.ModelProto]
Problems = Callable[..., tuple[str, ...]]
node = helper.make_node


@pytest.mark.parametrize(
    ("nodes", "outputs", "words"),
    [
        ([node("Add", ["x", "z"], ["y"])], ["y"], "node 0 (Add): its input 'z' is computed by no node"),
        ([node("Relu", ["x"], ["y"])], ["q"], "the output 'q' is computed by no node"),
        (
            [node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["y"])],
            ["y"],
            "the value 'y' is defined 2 times, expected once",
        ),
        ([node("Relu", ["x"], ["x"])], ["x"], "the value 'x' is defined 2 times, expected once"),
        ([node("Relu", ["x"], ["y"])], ["y", "y"], "the output 'y' is defined 2 times, expected once"),
        (
            [node("Relu", ["b"], ["a"], name="one"), node("Abs", ["a"], ["b"])],
            ["a"],
            "nodes wait for one another in a circle: node",
        ),
        (
            [node("Relu", ["a"], ["a"])],
            ["a"],
            "nodes wait for one another in a circle: node 0 (Relu), node 0",
        ),
    ],
)
def test_contradictions(
    make: Make, problems: Problems, nodes: list[onnx.NodeProto], outputs: list[str], words: str
) -> None:
    assert any(
        found.startswith(f"model.onnx: {words}") for found in problems(make(nodes, {"x": [3]}, outputs))
    )


def test_constants_are_defined_once_and_have_names(make: Make, problems: Problems) -> None:
    model = make([node("Add", ["x", "w"], ["y"])], {"x": [3]}, ["y"], {"w": np.float32(1)})
    model.graph.initializer.extend([model.graph.initializer[0], TensorProto(data_type=1, dims=[0])])
    assert problems(model) == (
        "model.onnx: an input or initializer has no name",
        "model.onnx: the initializer 'w' is defined 2 times, expected once",
        "model.onnx: the value 'w' is defined 2 times, expected once",
    )


def test_nodes_out_of_order_are_sorted(
    make: Make, read_model: Callable[..., Network], same_answers: Callable[..., None]
) -> None:
    nodes = [node("Mul", ["b", "a"], ["y"]), node("Exp", ["a"], ["b"]), node("Relu", ["x"], ["a"])]
    network = read_model(make(nodes, {"x": [3]}, ["y"]))
    assert [each.op_type for each in network.graph.graph] == ["Relu", "Exp", "Mul"]
    same_answers(make(nodes[::-1], {"x": [3]}, ["y"]), network, {"x": np.array([-1, 0, 2], np.float32)})


def test_an_order_of_use_through_a_subgraph(make: Make, read_model: Callable[..., Network]) -> None:
    """`late` is read inside the branches only; a branch's own `x` is not the graph's."""
    branches = {
        name: helper.make_graph(
            [node("Add", ["late", "late"], [f"{name}.y"])], name, [], [onnx.ValueInfoProto(name=f"{name}.y")]
        )
        for name in ("then_branch", "else_branch")
    }
    nodes = [node("If", ["c"], ["y"], **branches), node("Relu", ["x"], ["late"])]
    network = read_model(make(nodes, {"x": [3], "c": (TensorProto.BOOL, [])}, ["y"]))
    assert [each.op_type for each in network.graph.graph] == ["Relu", "If"]


def test_problems_inside_branches_tell_where(make: Make, problems: Problems) -> None:
    branch = helper.make_graph([node("Relu", ["gone"], ["r"])], "g", [], [onnx.ValueInfoProto(name="other")])
    nodes = [node("If", ["c"], ["y"], name="choice", then_branch=branch, else_branch=branch)]
    found = problems(make(nodes, {"c": (TensorProto.BOOL, [])}, ["y"]))
    where = "in a subgraph of node 'choice' (If)"
    assert found == (
        f"model.onnx: node 0 (Relu) {where}: its input 'gone' is computed by no node",
        f"model.onnx: the output 'other' {where} is computed by no node",
    )


def test_problems_inside_functions_tell_where(make: Make, problems: Problems) -> None:
    function = helper.make_function(
        "f", "F", ["a"], ["b", "a2"], [node("Relu", ["q"], ["b"])], [helper.make_opsetid("", 17)]
    )
    model = make([node("F", ["x"], ["y"], domain="f")], {"x": [3]}, ["y"], functions=[function], f=1)
    assert problems(model) == (
        "model.onnx: node 0 (Relu) of the function 'F': its input 'q' is computed by no node",
        "model.onnx: the output 'a2' of the function 'F' is computed by no node",
    )


def test_sparse_initializers_are_refused(make: Make, problems: Problems) -> None:
    model = make([node("Relu", ["x"], ["y"])], {"x": [3]}, ["y"])
    model.graph.sparse_initializer.add().values.name = "s"
    (found,) = problems(model, area="OperatorNotImplemented")
    assert found == "model.onnx: sparse initializer 's': expected a dense tensor"


def test_thousands_of_problems_are_cut(make: Make, problems: Problems) -> None:
    nodes = [node("Relu", [f"gone{i}"], [f"y{i}"]) for i in range(3000)]
    found = problems(make(nodes, {"x": [3]}, ["y0"]))
    assert len(found) == 101
    assert found[-1] == "model.onnx: and 2900 more"


def test_long_names_are_cut(make: Make, problems: Problems) -> None:
    (found,) = problems(make([node("Relu", ["n" * 10000], ["y"])], {"x": [3]}, ["y"]))
    assert len(found) < 250
