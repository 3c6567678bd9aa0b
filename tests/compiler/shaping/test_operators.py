"""Nodes are operators of ONNX, as these want them."""

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


def body(inputs: int, outputs: int) -> onnx.GraphProto:
    return helper.make_graph(
        [node("Constant", [], [f"o{i}"], value_float=1.0) for i in range(outputs)],
        "body",
        [onnx.ValueInfoProto(name=f"i{i}") for i in range(inputs)],
        [onnx.ValueInfoProto(name=f"o{i}") for i in range(outputs)],
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            node("Conv", ["x"], ["y"]),
            "has input size 1 not in range [min=2, max=3]",
        ),
        (node("Relu", ["x"], ["y"], slope=1.0), "Unrecognized attribute: slope for operator Relu"),
        (node("Concat", ["x", "x"], ["y"]), "Required attribute 'axis' is missing"),
        (node("Concat", ["x", "x"], ["y"], axis="0"), "Mismatched attribute type in"),
        (node("Add", ["x", ""], ["y"]), "its input B is left out"),
        (node("Relu", ["x"], []), "it has no output"),
        (
            node("If", ["c"], ["y"], then_branch=body(0, 1), else_branch=body(1, 1)),
            "its else_branch has 1 inputs, expected 0",
        ),
        (
            node("If", ["c"], ["y"], then_branch=body(0, 2), else_branch=body(0, 1)),
            "its then_branch has 2 outputs, expected 1",
        ),
        (node("Loop", ["", "c", "x"], ["y"], body=body(2, 2)), "its body has 2 inputs, expected 3"),
        (
            node("Scan", ["x"], ["y"], body=body(1, 2), num_scan_inputs=1),
            "its body has 2 outputs, expected 1",
        ),
    ],
)
def test_nodes_that_do_not_fit_their_operator(
    make: Make, problems: Problems, wrong: onnx.NodeProto, words: str
) -> None:
    wrong.name = "odd"
    model = make([wrong, node("Relu", ["x"], ["z"])], {"x": [3], "c": (TensorProto.BOOL, [])}, ["z"])
    found = problems(model)
    assert any(text.startswith(f"model.onnx: node 'odd' ({wrong.op_type}): ") for text in found)
    assert any(words in text for text in found)


def test_all_nodes_of_unknown_operators_are_named_at_once(make: Make, problems: Problems) -> None:
    nodes = [
        node("Tokenizer", ["x"], ["a"], domain="com.microsoft", name="first"),
        node("Tokenizer", ["a"], ["b"], domain="com.microsoft"),
        node("Frobnicate", ["b"], ["c"]),
        node("Scaler", ["c"], ["d"], domain="ai.onnx.ml"),
        node("Gradient", ["d"], ["e"], domain="ai.onnx.preview.training"),
        node("Impossible", ["e"], ["f"], domain="elsewhere"),
        node("Upsample", ["f", "s"], ["y"], name="old"),
    ]
    model = make(nodes, {"x": [3]}, ["y"], {"s": np.ones(1, np.float32)}, ai_onnx_ml=3)
    assert problems(model, area="OperatorNotImplemented") == (
        "model.onnx: The following operators are not supported for frontend ONNX: com.microsoft.Tokenizer, "
        "Frobnicate, ai.onnx.preview.training.Gradient, elsewhere.Impossible, Upsample",
        "model.onnx: the operator com.microsoft.Tokenizer is of the domain com.microsoft, which is not "
        "compiled (ai.onnx and ai.onnx.ml are): node 'first' (com.microsoft.Tokenizer), "
        "node 1 (com.microsoft.Tokenizer)",
        "model.onnx: the operator Frobnicate does not exist in version 17 of ai.onnx: node 2 (Frobnicate)",
        "model.onnx: the operator ai.onnx.preview.training.Gradient is of the domain "
        "ai.onnx.preview.training, which is not compiled (ai.onnx and ai.onnx.ml are): "
        "node 4 (ai.onnx.preview.training.Gradient)",
        "model.onnx: the operator elsewhere.Impossible is of the domain elsewhere, which is not compiled "
        "(ai.onnx and ai.onnx.ml are): node 5 (elsewhere.Impossible)",
        "model.onnx: the operator Upsample was withdrawn before version 17 of ai.onnx: node 'old' (Upsample)",
    )


def test_unknown_operators_are_named_along_with_open_inputs(make: Make, problems: Problems) -> None:
    model = make([node("Foo", ["x"], ["y"], domain="my")], {"x": ["n"]}, ["y"], my=1)
    _, unknown, open_input = problems(model, area="OperatorNotImplemented")
    assert "the operator my.Foo" in unknown
    assert "the input 'x' (float32 [n]) has no fixed size" in open_input


def test_unknown_operators_that_nothing_needs_do_not_matter(
    make: Make, read_model: Callable[..., Network]
) -> None:
    nodes = [node("Foo", ["x"], ["t"], domain="my"), node("Relu", ["x"], ["y"])]
    assert [each.op_type for each in read_model(make(nodes, {"x": [3]}, ["y"], my=1)).graph.graph] == ["Relu"]


def test_the_domain_of_the_compiler_is_its_own(make: Make, problems: Problems) -> None:
    model = make([node("Impossible", [], ["y"], domain="tinsmith")], {}, ["y"], tinsmith=1)
    assert problems(model) == (
        "model.onnx: node 0 (tinsmith.Impossible): the domain tinsmith is reserved for the compiler",
    )


def test_a_domain_without_version(make: Make, problems: Problems) -> None:
    model = make([node("Scaler", ["x"], ["y"], domain="ai.onnx.ml", name="s")], {"x": [3]}, ["y"])
    assert problems(model) == (
        "model.onnx: node 's' (ai.onnx.ml.Scaler): opset_import does not tell the version of ai.onnx.ml",
    )


def test_operators_before_opset_7(make: Make, read_model: Callable[..., Network], problems: Problems) -> None:
    """Relu is that of 6 until 13; Add came to broadcast in 7."""
    (relu,) = read_model(make([node("Relu", ["x"], ["y"])], {"x": [3]}, ["y"], opset=6)).graph.graph
    assert relu.version == 6
    model = make([node("Add", ["x", "x"], ["y"])], {"x": [3]}, ["y"], opset=6)
    assert problems(model, area="OperatorNotImplemented") == (
        "model.onnx: The following operators are not supported for frontend ONNX: Add",
        "model.onnx: the operator Add of opset 6 is not compiled, but that of opset 7 and later is: "
        "node 0 (Add)",
    )


@pytest.mark.parametrize("opset", [7, 10, 13, onnx.defs.onnx_opset_version()])
def test_every_opset_from_7(make: Make, read_model: Callable[..., Network], opset: int) -> None:
    model = make([node("Add", ["x", "x"], ["y"])], {"x": [3]}, ["y"], opset=opset)
    (add,) = read_model(model).graph.graph
    assert add.version == opset
