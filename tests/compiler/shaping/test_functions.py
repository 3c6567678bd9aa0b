"""Functions of the model are replaced by their bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tinsmith.compiler.ir.network import Network

Make = Callable[..., onnx.ModelProto]
Read = Callable[..., Network]
Problems = Callable[..., tuple[str, ...]]
Same = Callable[..., None]
node = helper.make_node
X = np.array([[-1.5, 0.0, 2.0]], np.float32)


def function(
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    nodes: Sequence[onnx.NodeProto],
    version: int = 17,
    **attributes: Any,
) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", version), helper.make_opsetid("f", 1)]
    return helper.make_function("f", name, inputs, outputs, nodes, imports, **attributes)


def call(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> onnx.NodeProto:
    return node(kind, inputs, outputs, domain="f", **attributes)


def reference(name: str, kind: int, to: str) -> onnx.AttributeProto:
    return onnx.AttributeProto(name=name, type=kind, ref_attr_name=to)  # type: ignore[arg-type]


def test_nested_calls_compute_the_same(make: Make, read_model: Read, same_answers: Same) -> None:
    """Names inside the functions are those of the graph, and one is called twice."""
    inner = function("Inner", ["x"], ["y"], [node("Exp", ["x"], ["t"]), node("Neg", ["t"], ["y"])])
    outer = function(
        "Outer",
        ["a", "x"],
        ["y"],
        [call("Inner", ["x"], ["t"]), call("Inner", ["t"], ["u"]), node("Add", ["u", "a"], ["y"])],
    )
    nodes = [call("Outer", ["x", "x"], ["t"], name="o"), node("Mul", ["t", "x"], ["y"])]
    model = make(nodes, {"x": [1, 3]}, ["y", "t"], functions=[inner, outer], f=1)
    network = read_model(model)
    assert [each.op_type for each in network.graph.graph] == ["Exp", "Neg", "Exp", "Neg", "Add", "Mul"]
    assert not network.graph.functions
    assert all(each.version == 17 for each in network.graph.graph)
    same_answers(model, network, {"x": X})


def test_outputs_that_are_inputs_or_repeated(make: Make, read_model: Read, same_answers: Same) -> None:
    passes = function("Pass", ["a", "b"], ["b", "r", "r", "a"], [node("Relu", ["a"], ["r"])])
    model = make(
        [call("Pass", ["x", "x"], ["p", "q", "r", ""])],
        {"x": [1, 3]},
        ["p", "q", "r"],
        functions=[passes],
        f=1,
    )
    same_answers(model, read_model(model), {"x": X})


def test_inputs_and_outputs_may_be_left_out(make: Make, read_model: Read) -> None:
    clip = function(
        "Limit",
        ["x", "low", "high"],
        ["y", "z"],
        [node("Clip", ["x", "low", "high"], ["y"]), node("Abs", ["x"], ["z"])],
    )
    model = make(
        [call("Limit", ["x", "", "m"], ["y"])],
        {"x": [1, 3]},
        ["y"],
        {"m": np.float32(1)},
        functions=[clip],
        f=1,
    )
    (kept,) = read_model(model).graph.graph
    assert [value.name if value else None for value in kept.inputs] == ["x", None, "m"]


def test_attributes_come_from_the_call_or_the_default(
    make: Make, read_model: Read, same_answers: Same
) -> None:
    leaky = node("LeakyRelu", ["x"], ["l"])
    leaky.attribute.append(reference("alpha", onnx.AttributeProto.FLOAT, "slope"))
    soft = node("Softmax", ["l"], ["y"])
    soft.attribute.append(reference("axis", onnx.AttributeProto.INT, "where"))
    body = function(
        "Act",
        ["x"],
        ["y"],
        [leaky, soft],
        attributes=["slope"],
        attribute_protos=[helper.make_attribute("where", 0)],
    )
    nodes = [call("Act", ["x"], ["a"], slope=0.5, where=1), call("Act", ["x"], ["b"])]
    model = make(nodes, {"x": [1, 3]}, ["a", "b"], functions=[body], f=1)
    graph = read_model(model).graph.graph
    assert [{k: v.value for k, v in each.attributes.items()} for each in graph] == [
        {"alpha": 0.5},
        {"axis": 1},
        {},
        {"axis": 0},
    ]


def test_calls_inside_branches_and_branches_inside_functions(
    make: Make, read_model: Read, same_answers: Same
) -> None:
    def branch(name: str, *nodes: onnx.NodeProto) -> onnx.GraphProto:
        return helper.make_graph(nodes, name, [], [onnx.ValueInfoProto(name=nodes[-1].output[0])])

    double = function("Double", ["x"], ["y"], [node("Add", ["x", "x"], ["y"])])
    choose = function(
        "Choose",
        ["c", "v"],
        ["y"],
        [
            node("Abs", ["v"], ["t"]),
            node(
                "If",
                ["c"],
                ["y"],
                then_branch=branch("then", call("Double", ["t"], ["x"]), node("Neg", ["x"], ["r"])),
                else_branch=branch("else", node("Identity", ["v"], ["r"])),
            ),
        ],
    )
    model = make(
        [call("Choose", ["c", "x"], ["y"])],
        {"x": [1, 3], "c": (TensorProto.BOOL, [])},
        ["y"],
        functions=[double, choose],
        f=1,
    )
    network = read_model(model)
    for condition in (True, False):
        same_answers(model, network, {"x": X, "c": np.array(condition)})


def test_names_hidden_by_subgraphs_become_unique(make: Make, read_model: Read, same_answers: Same) -> None:
    """Both branches and the graph use the name t."""
    branches = {
        name: helper.make_graph(
            [node(op, ["x"], ["t"]), node("Relu", ["t"], ["out"])],
            name,
            [],
            [onnx.ValueInfoProto(name="out")],
        )
        for name, op in (("then_branch", "Neg"), ("else_branch", "Exp"))
    }
    nodes = [node("Sqrt", ["x"], ["t"]), node("If", ["c"], ["o"], **branches), node("Add", ["o", "t"], ["y"])]
    model = make(nodes, {"x": [1, 3], "c": (TensorProto.BOOL, [])}, ["y"])
    network = read_model(model)
    names = [value.name for each in network.graph.graph.all_nodes() for value in each.outputs]
    assert len(set(names)) == len(names)
    for condition in (True, False):
        same_answers(model, network, {"x": abs(X), "c": np.array(condition)})


def test_functions_of_another_opset_keep_its_meaning(make: Make, read_model: Read) -> None:
    """Squeeze has its axes as attribute in 11 and as input in 17; Relu did not change in between."""
    old = function(
        "Old", ["x"], ["y"], [node("Squeeze", ["x"], ["s"], axes=[0]), node("Ceil", ["s"], ["y"])], version=11
    )
    model = make([call("Old", ["x"], ["y"])], {"x": [1, 3, 1]}, ["y"], functions=[old], f=1)
    squeeze, ceil = read_model(model).graph.graph
    assert (squeeze.op_type, squeeze.version) == ("Squeeze", 11)
    assert (ceil.op_type, ceil.version) == ("Ceil", 11)
    assert not squeeze.metadata_props
    assert squeeze.outputs[0].shape == (3, 1)


def test_the_file_cannot_set_versions_itself(make: Make, read_model: Read) -> None:
    model = make([node("Relu", ["x"], ["y"])], {"x": [3]}, ["y"])
    model.graph.node[0].metadata_props.add(key="tinsmith.opset", value="nonsense")
    (relu,) = read_model(model).graph.graph
    assert relu.version == 17


def test_recursion(make: Make, problems: Problems) -> None:
    one = function("One", ["x"], ["y"], [call("Two", ["x"], ["y"])])
    two = function("Two", ["x"], ["y"], [call("One", ["x"], ["y"])])
    model = make([call("One", ["x"], ["y"])], {"x": [3]}, ["y"], functions=[one, two], f=1)
    (found,) = problems(model)
    assert found.startswith("model.onnx: functions call one another without end: ")
    assert {"One", "Two"} <= set(found.replace(":", "").split())


def test_functions_that_multiply(make: Make, problems: Problems) -> None:
    layers = [
        function(f"F{i}", ["x"], ["y"], [call(f"F{i + 1}", ["x"], ["a"]), call(f"F{i + 1}", ["a"], ["y"])])
        for i in range(40)
    ]
    last = function("F40", ["x"], ["y"], [node("Relu", ["x"], ["y"])])
    model = make([call("F0", ["x"], ["y"])], {"x": [3]}, ["y"], functions=[*layers, last], f=1)
    assert problems(model) == (
        "model.onnx: the model has 3.29853e+12 nodes, with functions expanded; expected at most 200000",
    )


def test_functions_in_a_long_chain(make: Make, problems: Problems) -> None:
    layers = [function(f"F{i}", ["x"], ["y"], [call(f"F{i + 1}", ["x"], ["y"])]) for i in range(2000)]
    last = function("F2000", ["x"], ["y"], [node("Relu", ["x"], ["y"])])
    model = make([call("F0", ["x"], ["y"])], {"x": [3]}, ["y"], functions=[*layers, last], f=1)
    assert problems(model) == ("model.onnx: functions call one another more than 64 deep",)


def test_calls_that_do_not_fit(make: Make, problems: Problems) -> None:
    body = function("F", ["x"], ["y"], [node("Relu", ["x"], ["y"])])
    model = make(
        [call("F", ["x", "x"], ["y", "z"], name="c")], {"x": [3]}, ["y"], functions=[body, body], f=1
    )
    assert problems(model) == (
        "model.onnx: the function 'F' of the domain 'f' is defined 2 times",
        "model.onnx: node 'c' (f.F) has 2 inputs, expected at most 1, as the function has",
        "model.onnx: node 'c' (f.F) has 2 outputs, expected at most 1, as the function has",
    )


def test_large_tensors_in_functions(make: Make, read_model: Read, same_answers: Same) -> None:
    weights = np.arange(3000, dtype=np.float32)
    body = function(
        "F",
        ["x"],
        ["y"],
        [node("Constant", [], ["w"], value=numpy_helper.from_array(weights)), node("Mul", ["x", "w"], ["y"])],
    )
    model = make(
        [call("F", ["x"], ["a"]), call("F", ["a"], ["y"])], {"x": [3000]}, ["y"], functions=[body], f=1
    )
    same_answers(model, read_model(model), {"x": weights})


def test_operators_in_preview_have_bodies(make: Make, read_model: Read, same_answers: Same) -> None:
    shape = [1, 2, 3, 4]
    attention = node("FlexAttention", ["q", "k", "v"], ["y"], domain="ai.onnx.preview")
    model = make([attention], {"q": shape, "k": shape, "v": shape}, ["y"], opset=26, ai_onnx_preview=1)
    network = read_model(model)
    assert {each.domain for each in network.graph.graph} == {""}
    random = np.random.default_rng(0)
    feeds = {name: random.normal(size=shape).astype(np.float32) for name in "qkv"}
    same_answers(model, network, feeds)


def test_operators_in_preview_whose_body_is_not_known_are_refused(make: Make, problems: Problems) -> None:
    nodes = [
        node("Novelty", ["x"], ["y"], domain="ai.onnx.preview"),
        node("FlexAttention", ["x"], ["z"], domain="ai.onnx.preview"),
    ]
    model = make(nodes, {"x": None}, ["y", "z"], ai_onnx_preview=1)
    found = problems(model, '{"x": [3]}', area="OperatorNotImplemented")
    assert "the operator ai.onnx.preview.Novelty is of the domain ai.onnx.preview" in found[1]
    assert "the operator ai.onnx.preview.FlexAttention is of the domain ai.onnx.preview" in found[2]
