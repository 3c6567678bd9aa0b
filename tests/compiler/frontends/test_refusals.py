"""Two things in one model that are not compiled, the second behind the first: both are named at once.

PyTorch's row is `pytorch/test_pytorch.py::test_what_is_not_compiled`.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.compiler.frontends.darknet.cases import image, weights
from tests.compiler.frontends.keras.files import save, sequential
from tests.compiler.frontends.mxnet.conftest import Symbol
from tests.compiler.frontends.tensorflow.graphs import graph, node, placeholder
from tests.compiler.frontends.tflite.build import Builder, T
from tests.compiler.frontends.tiny import ROWS, xgboost_model
from tinsmith.compiler.pipeline import run
from tinsmith.spec.frameworks import FRAMEWORKS
from tinsmith.spec.request import CompileRequest, Report, WorkDirectory


def onnx_files(folder: Path) -> None:
    """Options of operators that ONNX's checker lets pass."""
    nodes = [
        helper.make_node("Gelu", ["x"], ["a"], "first", approximate="odd"),
        helper.make_node("Relu", ["a"], ["b"], "between"),
        helper.make_node("Gelu", ["b"], ["y"], "second", approximate="weird"),
    ]
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3]) for name in "xy")
    made = helper.make_graph(nodes, "two", [x], [y])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, folder / "model.onnx")


def tensorflow_files(folder: Path) -> None:
    """Two options and an unknown operator."""
    pooling = {"T": 1, "ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
    nodes = [
        placeholder("x", 1, 8, 8, 4),
        node("MaxPool", "first", ["x"], data_format="NCHW_VECT_C", **pooling),
        node("Odd", "unknown", ["first"]),
        node("Relu", "between", ["unknown"], T=1),
        node("MaxPool", "second", ["between"], data_format="CHWN", **pooling),
    ]
    (folder / "model.pb").write_bytes(graph(*nodes).SerializeToString())


def keras_files(folder: Path) -> None:
    """Two options of layers."""
    layers = [
        {"class_name": kind, "config": {"name": name, **config}}
        for kind, name, config in (
            ("UpSampling2D", "first", {"batch_input_shape": [1, 4, 4, 3], "interpolation": "mitchell"}),
            ("Activation", "between", {"activation": "relu"}),
            ("UpSampling2D", "second", {"interpolation": "lanczos"}),
        )
    ]
    save(folder / "model.h5", sequential(layers))


def mxnet_files(folder: Path) -> None:
    """Two attributes."""
    symbol = Symbol()
    x = symbol.variable("data", __shape__="(1, 2, 4, 4)")
    first = symbol("Activation", "first", x, act_type="snake")
    between = symbol("relu", "between", first)
    symbol("Pooling", "second", between, kernel="(2, 2)", pooling_convention="same")
    for name, content in symbol.files().items():
        (folder / name).write_bytes(content)


def tflite_files(folder: Path) -> None:
    """Two fused activations."""
    builder = Builder()
    part = builder.parts[0]
    x = part.input(T((1, 4), name="x"))
    tanh = ("AddOptions", {"fusedActivationFunction": 4})
    (first,) = builder.operator("ADD", [x, x], [T((1, 4), name="first")], tanh)
    (between,) = builder.operator("RELU", [first], [T((1, 4), name="between")])
    part.outputs = builder.operator("ADD", [between, between], [T((1, 4), name="second")], tanh)
    (folder / "model.tflite").write_bytes(builder.bytes())


def darknet_files(folder: Path) -> None:
    """Two options of sections."""
    (folder / "net.cfg").write_text(image("[conv];xnor=1 [softmax];tree=x.tree"))
    (folder / "net.weights").write_bytes(weights("x"))


def xgboost_files(folder: Path) -> None:
    """An unknown booster with an unknown objective."""
    xgboost_model(folder)
    path = folder / "model.json"
    model = json.loads(path.read_text())
    model["learner"]["gradient_booster"]["name"] = "first"
    model["learner"]["objective"]["name"] = "second"
    path.write_text(json.dumps(model))


def sklearn_files(folder: Path) -> None:
    """Functions of others in two steps."""
    steps = [("first", FunctionTransformer(np.sort)), ("second", KNeighborsClassifier(weights=np.exp))]
    fitted = Pipeline(steps).fit(ROWS, ROWS[:, 0] > 0)
    (folder / "model.pkl").write_bytes(pickle.dumps(fitted))


WRITERS = {
    "ONNX": onnx_files,
    "TENSORFLOW": tensorflow_files,
    "KERAS": keras_files,
    "MXNET": mxnet_files,
    "TFLITE": tflite_files,
    "DARKNET": darknet_files,
    "XGBOOST": xgboost_files,
    "SKLEARN": sklearn_files,
}
NAMES = {
    "ONNX": ("node first (Gelu): approximate odd", "node second (Gelu): approximate weird"),
    "TENSORFLOW": (
        "'first' (MaxPool): its data_format is NCHW_VECT_C",
        "'second' (MaxPool): its data_format is",
        "Odd",
    ),
    "KERAS": (
        "'first' (UpSampling2D): the interpolation 'mitchell'",
        "'second' (UpSampling2D): the interpolation 'l",
    ),
    "MXNET": (
        "node 'first' (Activation): act_type is 'snake'",
        "node 'second' (Pooling): pooling_convention is",
    ),
    "TFLITE": ("(ADD) 'first': its fused activation is TANH", "(ADD) 'second': its fused activation is TANH"),
    "DARKNET": ("(layer 0): xnor=1 is not compiled", "(layer 1): tree=x.tree is not compiled"),
    "XGBOOST": ("the booster 'first' is not known", "the objective 'second' is not known"),
    "SKLEARN": ("steps[0] (first)", "steps[1] (second)"),
}


def test_every_framework_has_a_row() -> None:
    assert {*NAMES, "PYTORCH"} == set(FRAMEWORKS)


@pytest.mark.parametrize("framework", WRITERS)
def test_both_are_named(framework: str, tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    work.input.mkdir()
    WRITERS[framework](work.input)
    work.request.write_text(CompileRequest(framework, "m", device="rasp4b").to_json())
    assert run(work) == 3
    reason = Report.from_json(work.report.read_text()).failure_reason or ""
    assert reason.startswith("ClientError: OperatorNotImplemented: ")
    for words in NAMES[framework]:
        assert words in reason
    assert reason.count("between") == 0, "what is all right is not named"
