"""Values that are no tensors of numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

Make = Callable[..., onnx.ModelProto]
Problems = Callable[..., tuple[str, ...]]
node = helper.make_node
FLOATS = helper.make_tensor_type_proto(TensorProto.FLOAT, [3])


@pytest.mark.parametrize(
    ("kind", "type_of_x"),
    [
        ("sequence", helper.make_sequence_type_proto(FLOATS)),
        ("optional", helper.make_optional_type_proto(FLOATS)),
        ("map", helper.make_map_type_proto(TensorProto.INT64, FLOATS)),
        ("sparse tensor", helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, [3])),
    ],
)
def test_inputs_and_outputs_of_other_kinds(
    make: Make, problems: Problems, kind: str, type_of_x: onnx.TypeProto
) -> None:
    model = make([node("Relu", ["y"], ["z"])], {"y": [3]}, ["z", "x"])
    for value in (model.graph.input.add(name="x"), model.graph.output[1]):
        value.type.CopyFrom(type_of_x)
    assert problems(model, area="OperatorNotImplemented") == tuple(
        f"model.onnx: {kind} {role}: the model has the {role} 'x' ({kind}), which is not compiled; use "
        "tensors"
        for role in ("input", "output")
    )


def test_text_is_named_with_its_shape(make: Make, problems: Problems) -> None:
    model = make([node("Identity", ["x"], ["y"])], {"x": (TensorProto.STRING, ["n", 2])}, ["y"])
    found = problems(model, '{"x": [1, 2]}', area="OperatorNotImplemented")
    assert found == (
        "model.onnx: string input: the model has the input 'x' (string [n, 2]), which is not compiled; turn "
        "the text into numbers outside of the model",
        "model.onnx: the operator Identity works on a value of type string, which is not compiled: "
        "node 0 (Identity)",
    )


def test_operators_on_sequences_are_named_with_all_their_nodes(make: Make, problems: Problems) -> None:
    nodes = [
        node("SplitToSequence", ["x"], ["s"], name="split"),
        node("SequenceAt", ["s", "i"], ["a"], name="first"),
        node("SequenceAt", ["s", "i"], ["b"]),
        node("Add", ["a", "b"], ["y"]),
    ]
    model = make(nodes, {"x": [4]}, ["y"], {"i": np.int64(0)})
    assert problems(model, area="OperatorNotImplemented") == (
        "model.onnx: the operator SplitToSequence works on a value of type sequence, which is not compiled: "
        "node 'split' (SplitToSequence)",
        "model.onnx: the operator SequenceAt works on a value of type sequence, which is not compiled: "
        "node 'first' (SequenceAt), node 2 (SequenceAt)",
    )


def test_constants_that_are_text(make: Make, problems: Problems) -> None:
    nodes = [node("Equal", ["words", "words"], ["e"]), node("Where", ["e", "x", "x"], ["y"])]
    model = make(nodes, {"x": [1]}, ["y"], {"words": np.array(["a"], object)}, opset=19)
    (found,) = problems(model, area="OperatorNotImplemented")
    assert found.endswith(
        "the operator Equal works on a value of type string, which is not compiled: node 0 (Equal)"
    )


@pytest.mark.parametrize("elem_type", [0, 28, 77])
def test_inputs_of_no_type(make: Make, problems: Problems, elem_type: int) -> None:
    model = make([node("Relu", ["x"], ["y"])], {"x": (elem_type, [3])}, ["y"])
    (found,) = problems(model)
    assert found.startswith("model.onnx: the input 'x' has ")


def test_outputs_declared_as_another_type(make: Make, problems: Problems) -> None:
    model = make([node("Shape", ["x"], ["y"])], {"x": [3]}, ["y"])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1]))
    assert problems(model) == ("model.onnx: the output 'y' is declared as float32, but its node gives int64",)


def test_declared_shapes_of_other_sizes_do_not_matter(make: Make, read_model: Callable[..., object]) -> None:
    """They are those of the export, not of this compilation."""
    model = make([node("Relu", ["x"], ["t"]), node("Abs", ["t"], ["y"])], {"x": ["n", 3]}, ["y"])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [8, 3]))
    model.graph.value_info.append(helper.make_tensor_value_info("t", TensorProto.INT8, [8]))
    network = read_model(model, '{"x": [2, 3]}')
    assert network.outputs[0].shape == (2, 3)  # type: ignore[attr-defined]


def test_negative_sizes(make: Make, problems: Problems) -> None:
    """A window that is larger than its input."""
    model = make([node("MaxPool", ["x"], ["y"], kernel_shape=[9])], {"x": [1, 1, 4]}, ["y"])
    found = problems(model)
    assert found == ("model.onnx: node 0 (MaxPool): its output 'y' would have the shape [1, 1, -4]",)
