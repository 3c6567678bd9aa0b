from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.reference

from tinsmith.compiler.frontends.pytorch.inputs import Wanted
from tinsmith.compiler.frontends.pytorch.message import tidy


def message(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 20]> {text}')


def answer(model: onnx.ModelProto, **inputs: Any) -> Any:
    found: Any = onnx.reference.ReferenceEvaluator(model).run(None, inputs)
    return found[0].tolist()


def test_names_and_shapes() -> None:
    model = message("m (float[batch, 3] a, float[b, 3] b) => (float[n, 3] add) {add = Add(a, b)}")
    tidy(model, [Wanted("x", "float32", (2, 3)), Wanted("add", "float32", (2, 3))], ["sum"])
    assert [value.name for value in model.graph.input] == ["x", "add"]
    assert [size.dim_value for size in model.graph.input[1].type.tensor_type.shape.dim] == [2, 3]
    ones = np.ones((2, 3), np.float32)
    assert model.graph.output[0].name == "sum"
    assert answer(model, x=ones, add=2 * ones) == (3 * ones).tolist()


def test_exchanged_names() -> None:
    model = message("m (float[2] a, float[2] b) => (float[2] c) {c = Sub(a, b)}")
    tidy(model, [Wanted("b", "float32", (2,)), Wanted("a", "float32", (2,))], ["c"])
    assert answer(model, b=np.array([5, 5], np.float32), a=np.array([1, 1], np.float32)) == [4, 4]


def test_an_input_that_is_given_on_and_one_that_is_not_used() -> None:
    model = message("m (float[2] b) => (float[2] b) {}")
    tidy(model, [Wanted("a", "int64", ()), Wanted("b", "float32", (2,))], ["output0"])
    kinds = [value.type.tensor_type.elem_type for value in model.graph.input]
    assert kinds == [onnx.TensorProto.INT64, onnx.TensorProto.FLOAT]
    assert model.graph.output[0].name == "output0"
    assert answer(model, a=np.array(1), b=np.array([1, 2], np.float32)) == [1, 2]


def test_nodes_are_named_after_layers() -> None:
    model = message("m (float[2] a) => (float[2] c) {b = Relu(a) c = Neg(b)}")
    model.graph.node[0].name = "/model/layer1/0/relu/Relu"
    model.graph.node[1].name = "node_neg"
    model.graph.node[1].metadata_props.add(
        key="pkg.torch.onnx.name_scopes", value="['', 'head', 'head.0', 'neg']"
    )
    tidy(model, [Wanted("a", "float32", (2,))], ["c"])
    assert [node.name for node in model.graph.node] == ["/layer1/0/relu/Relu", "/head/0/node_neg"]
