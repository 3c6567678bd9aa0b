"""Labels that are text become numbers, dictionaries of probabilities a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx_ir
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network

Make = Callable[..., onnx.ModelProto]
Read = Callable[..., Network]
ML = "ai.onnx.ml"


def classifier(make: Make, zipped: bool = True, **labels: Any) -> onnx.ModelProto:
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["x"],
            ["label", "scores"],
            domain=ML,
            coefficients=[1.0, 0.0, 0.0, 1.0, -1.0, -1.0],
            intercepts=[0.0, 0.0, 0.5],
            **labels,
        )
    ]
    if zipped:
        zip_labels = {
            f"classlabels_{'strings' if 'classlabels_strings' in labels else 'int64s'}": next(
                iter(labels.values())
            )
        }
        nodes.append(helper.make_node("ZipMap", ["scores"], ["dictionaries"], domain=ML, **zip_labels))
    return make(nodes, {"x": ["n", 2]}, ["label", "dictionaries" if zipped else "scores"], ai_onnx_ml=1)


def test_text_is_numbered_and_dictionaries_become_columns(make: Make, read_model: Read) -> None:
    model = classifier(make, classlabels_strings=["cat", "dog", "emu"])
    network = read_model(model, '{"x": [4, 2]}')
    assert [spec.dtype for spec in network.outputs] == ["int64", "float32"]
    assert network.warnings == (
        "model.onnx: the output 'label' gives the numbers of classes instead of their names, which are, "
        "from 0, 'cat', 'dog', 'emu'",
        "model.onnx: the output 'dictionaries' is a matrix instead of dictionaries; its columns are the "
        "classes 'cat', 'dog', 'emu'",
    )
    rows = np.array([[3, 1], [1, 3], [-2, -2], [0, 0]], np.float32)
    labels, scores = ReferenceEvaluator(
        classifier(make, zipped=False, classlabels_strings=["cat", "dog", "emu"])
    ).run(None, {"x": rows})
    found: Any = ReferenceEvaluator(onnx_ir.to_proto(network.graph)).run(None, {"x": rows})
    np.testing.assert_array_equal(np.array(["cat", "dog", "emu"])[found[0]], labels)
    np.testing.assert_array_equal(found[1], scores)


def test_numbers_stay_the_labels(make: Make, read_model: Read) -> None:
    network = read_model(classifier(make, classlabels_ints=[7, 8, 9]), '{"x": [4, 2]}')
    (warning,) = network.warnings
    assert warning.endswith("its columns are the classes 7, 8, 9")
    linear = network.graph.graph.node(0)
    assert list(linear.attributes["classlabels_ints"].as_ints()) == [7, 8, 9]


def test_text_inside_the_graph_is_refused(make: Make, problems: Callable[..., tuple[str, ...]]) -> None:
    model = classifier(make, zipped=False, classlabels_strings=["cat", "dog", "emu"])
    model.graph.node.append(
        helper.make_node("LabelEncoder", ["label"], ["y"], domain=ML, keys_strings=["cat"], values_int64s=[1])
    )
    model.opset_import[1].version = 2
    model.graph.output[0].name = "y"
    found = problems(model, '{"x": [4, 2]}', area="OperatorNotImplemented")
    assert any("LabelEncoder works on a value of type string" in problem for problem in found)


@pytest.mark.parametrize("declared", [[None], ["n"], None])
def test_the_rank_of_labels_is_the_declared_one(make: Make, read_model: Read, declared: Any) -> None:
    model = classifier(make, zipped=False, classlabels_strings=["a", "b", "c"])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("label", TensorProto.STRING, declared))
    spec = read_model(model, '{"x": [4, 2]}').outputs[0]
    assert spec in (TensorSpec("label", "int64", (4,)), TensorSpec("label", "int64", (-1,)))
