"""Known conditions are taken, dead nodes dropped, shapes inferred through small arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tinsmith.compiler.ir.network import Network

Make = Callable[..., onnx.ModelProto]
Read = Callable[..., Network]
Same = Callable[..., None]
node = helper.make_node


def branch(
    *nodes: onnx.NodeProto, constants: Mapping[str, Any] | None = None, output: str = ""
) -> onnx.GraphProto:
    """The output of the last node is that of the branch."""
    initializers = [onnx.numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    outputs = [onnx.ValueInfoProto(name=output or nodes[-1].output[0])]
    return helper.make_graph(nodes, "branch", [], outputs, initializers)


def choice(condition: str, output: str, yes: onnx.GraphProto, no: onnx.GraphProto) -> onnx.NodeProto:
    return node("If", [condition], [output], then_branch=yes, else_branch=no)


def operators(network: Network) -> list[str]:
    return [each.op_type for each in network.graph.graph]


def by_rank(make: Make) -> onnx.ModelProto:
    """Takes the first axis away where its size is 1: as exporters write `squeeze`."""
    return make(
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["d"]),
            node("Equal", ["d", "one"], ["c"]),
            choice(
                "c",
                "t",
                branch(node("Squeeze", ["x", "axes"], ["q"])),
                branch(node("Identity", ["x"], ["i"])),
            ),
            node("Relu", ["t"], ["y"]),
        ],
        {"x": ["a", "b"]},
        ["y"],
        {"zero": np.int64(0), "one": np.int64(1), "axes": np.array([0])},
    )


@pytest.mark.parametrize(
    ("shape", "kept", "output"), [((1, 4), "Squeeze", (4,)), ((2, 4), "Identity", (2, 4))]
)
def test_a_condition_on_shapes_is_taken(
    make: Make,
    read_model: Read,
    same_answers: Same,
    shape: tuple[int, int],
    kept: str,
    output: tuple[int, ...],
) -> None:
    network = read_model(by_rank(make), f'{{"x": {list(shape)}}}')
    assert operators(network) == [kept, "Relu"]
    assert network.outputs[0].shape == output
    assert set(network.graph.graph.initializers) == ({"axes"} if kept == "Squeeze" else set())
    same_answers(
        by_rank(make), network, {"x": np.random.default_rng(0).normal(size=shape).astype(np.float32)}
    )


def test_nested_conditions_that_depend_on_one_another(
    make: Make, read_model: Read, same_answers: Same
) -> None:
    """The rank of `t`, and with it the second condition, is known once the first branch is taken."""
    model = by_rank(make)
    inner = choice(
        "c2",
        "out",
        branch(node("Neg", ["t"], ["n"])),
        branch(node("Add", ["t", "w"], ["a"]), constants={"w": np.ones(4, np.float32)}),
    )
    nodes = [
        node("Shape", ["t"], ["s2"]),
        node("Size", ["s2"], ["rank"]),
        node("Greater", ["rank", "one"], ["c2"]),
        inner,
    ]
    always = choice("yes", "z", branch(*nodes), branch(node("Exp", ["t"], ["e"])))
    del model.graph.node[-1]
    model.graph.node.extend(
        [node("Constant", [], ["yes"], value=onnx.numpy_helper.from_array(np.array([True]))), always]
    )
    model.graph.output[0].name = "z"
    network = read_model(model, '{"x": [1, 4]}')
    assert operators(network) == ["Squeeze", "Add"]
    assert "w" in network.graph.graph.initializers
    same_answers(model, network, {"x": np.array([[1, -2, 3, 4]], np.float32)})


def test_branches_that_pass_values_on(make: Make, read_model: Read, same_answers: Same) -> None:
    """The output of a branch may be a value around it or a constant in it."""
    outer = choice("yes", "a", branch(output="x"), branch(node("Neg", ["x"], ["n"])))
    constant = choice(
        "yes",
        "b",
        branch(constants={"k": np.array([5], np.float32)}, output="k"),
        branch(node("Neg", ["x"], ["m"])),
    )
    model = make(
        [outer, constant, node("Add", ["a", "b"], ["y"])], {"x": [3]}, ["y", "b"], {"yes": np.array(True)}
    )
    network = read_model(model)
    assert [spec.shape for spec in network.outputs] == [(3,), (1,)]
    same_answers(model, network, {"x": np.array([1, 2, 3], np.float32)})


def test_a_branch_that_only_a_run_chooses_stays(make: Make, read_model: Read, same_answers: Same) -> None:
    """What is known inside it is decided all the same."""
    inner = choice("no", "i", branch(node("Exp", ["x"], ["e"])), branch(node("Neg", ["x"], ["n"])))
    model = make(
        [choice("c", "y", branch(inner, node("Abs", ["i"], ["a"])), branch(output="x"))],
        {"x": [3], "c": (TensorProto.BOOL, [])},
        ["y"],
        {"no": np.array(False)},
    )
    network = read_model(model)
    (kept,) = network.graph.graph
    assert [each.op_type for each in kept.attributes["then_branch"].as_graph()] == ["Neg", "Abs"]
    assert network.outputs[0].shape == (3,)
    for condition in (True, False):
        same_answers(model, network, {"x": np.array([1, -2, 3], np.float32), "c": np.array(condition)})


def test_loops_stay(make: Make, read_model: Read, same_answers: Same) -> None:
    body = helper.make_graph(
        [node("Add", ["v", "x"], ["v2"]), node("Identity", ["go"], ["go2"]), node("Exp", ["v"], ["unused"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [onnx.ValueInfoProto(name="go2"), onnx.ValueInfoProto(name="v2")],
    )
    model = make([node("Loop", ["n", "", "x"], ["y"], body=body)], {"x": [3]}, ["y"], {"n": np.int64(4)})
    network = read_model(model)
    (loop,) = network.graph.graph
    inner = loop.attributes["body"].as_graph()
    assert [each.op_type for each in inner] == ["Add", "Identity"]
    assert [tuple(value.shape) if value.shape is not None else None for value in inner.inputs] == [
        (),
        (),
        None,
    ]
    same_answers(model, network, {"x": np.array([1, -2, 3], np.float32)})


def test_dead_nodes_and_constants_go(make: Make, read_model: Read) -> None:
    nodes = [
        node("Exp", ["x"], ["dead"]),
        node("Add", ["dead", "k"], ["dead2"]),
        node("Split", ["x"], ["", "y"], num_outputs=2),
    ]
    model = make(nodes, {"x": [4], "idle": [2]}, ["y"], {"k": np.float32(1)}, opset=18)
    network = read_model(model)
    assert operators(network) == ["Split"]
    assert not network.graph.graph.initializers
    assert [spec.name for spec in network.inputs] == ["x", "idle"]


def test_shapes_through_arithmetic_on_sizes(make: Make, read_model: Read) -> None:
    """An anchor grid as detectors write it: Range and ConstantOfShape of computed sizes."""
    nodes = [
        node("Shape", ["x"], ["s"], start=2),
        node("Cast", ["s"], ["f"], to=TensorProto.FLOAT),
        node("Mul", ["f", "half"], ["h"]),
        node("Floor", ["h"], ["fl"]),
        node("Cast", ["fl"], ["i"], to=TensorProto.INT64),
        node("ReduceProd", ["i"], ["n"], keepdims=0),
        node("Range", ["zero", "n", "one"], ["r"]),
        node("ConstantOfShape", ["i"], ["ones"]),
        node("Shape", ["r"], ["rs"]),
        node("Expand", ["ones1", "rs"], ["e"]),
        node("Reshape", ["ones", "rs"], ["y"]),
        node("Add", ["y", "e"], ["z"]),
    ]
    constants = {
        "half": np.float32(0.5),
        "zero": np.int64(0),
        "one": np.int64(1),
        "ones1": np.ones(1, np.float32),
    }
    network = read_model(make(nodes, {"x": [1, 3, "h", "w"]}, ["z"], constants), '{"x": [1, 3, 9, 7]}')
    assert network.outputs[0].shape == (12,)
    assert "Range" in operators(network)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("ConstantOfShape", ["n"], ["y"])],
        [node("Range", ["z", "n0", "o"], ["y"])],
        [node("Expand", ["o1", "n"], ["y"])],
        [node("Tile", ["o1", "n"], ["y"])],
        [node("ConstantOfShape", ["n"], ["t"]), node("Add", ["t", "t"], ["y"])],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_values_of_unreasonable_size_are_refused_and_never_made(
    make: Make, problems: Callable[..., tuple[str, ...]], nodes: list[onnx.NodeProto]
) -> None:
    size = 10**9
    constants = {
        "n": np.array([size]),
        "n0": np.int64(size),
        "z": np.int64(0),
        "o": np.int64(1),
        "o1": np.ones(1),
    }
    found = problems(make(nodes, {}, ["y"], constants))
    assert found[0] == (
        f"model.onnx: node 0 ({nodes[0].op_type}): its output {nodes[0].output[0]!r} has the shape "
        "[1000000000], expected at most 536870912 elements"
    )
