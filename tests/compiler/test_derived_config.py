"""DerivedDataInputConfig: what the file of each framework tells of its inputs, without a DataInputConfig.

PYTORCH's rows are `frontends/pytorch/test_pytorch.py::test_a_trace_tells_its_inputs` and
`::test_a_script_does_not`; that the service returns it is in `tests/api/test_operations.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from tests.compiler.frontends.darknet.cases import CONV, image, row, weights
from tests.compiler.frontends.keras.files import IMAGE_WEIGHTS, image_layers, save, sequential
from tests.compiler.frontends.mxnet.conftest import Symbol
from tests.compiler.frontends.tensorflow.graphs import graph, node, placeholder
from tests.compiler.frontends.tflite.build import T, one
from tests.compiler.frontends.tiny import MODELS, ROWS, onnx_model, sklearn_network
from tinsmith.compiler import frontends
from tinsmith.compiler.pipeline import _derived_config
from tinsmith.errors import ClientError
from tinsmith.spec.data_input import parse
from tinsmith.spec.request import CompileRequest

Write = Callable[[Path], Any]


def tensorflow(folder: Path) -> None:
    nodes = [placeholder("x", 2, 8, 9, 3), node("Relu", "y", ["x"], T=1)]
    (folder / "m.pb").write_bytes(graph(*nodes).SerializeToString())


def keras(folder: Path) -> None:
    save(folder / "m.h5", sequential(image_layers(shape=(None, 8, 9, 3))), IMAGE_WEIGHTS)


def mxnet(folder: Path) -> None:
    symbol = Symbol()
    symbol("relu", "r", symbol.variable("data", __shape__="(2, 7)"))
    for name, content in symbol.files().items():
        (folder / name).write_bytes(content)


def tflite(folder: Path) -> None:
    x = T((1, 8, 9, 3), name="x", signature=(-1, 8, 9, 3))
    (folder / "m.tflite").write_bytes(one("RELU", [x], [T((1, 8, 9, 3), name="y")]).bytes())


def darknet(text: str) -> Write:
    def write(folder: Path) -> None:
        (folder / "net.cfg").write_text(text)
        (folder / "net.weights").write_bytes(weights("x"))

    return write


def linear_booster(folder: Path) -> None:
    parameters = {"booster": "gblinear", "nthread": 1}
    xgboost.train(parameters, xgboost.DMatrix(ROWS, np.arange(40)), 1).save_model(folder / "m.ubj")


TABLE: list[tuple[str, Write, dict[str, list[int]]]] = [
    ("ONNX", lambda folder: onnx_model(folder, x=(2, 3, 8, 9), y=(2, 4)), {"x": [2, 3, 8, 9], "y": [2, 4]}),
    ("TENSORFLOW", tensorflow, {"x": [2, 8, 9, 3]}),
    ("KERAS", keras, {"conv_input": [1, 3, 8, 9]}),
    ("MXNET", mxnet, {"data": [2, 7]}),
    ("TFLITE", tflite, {"x": [1, 8, 9, 3]}),
    ("DARKNET", darknet(image(CONV, 8, 9)), {"data": [1, 3, 8, 9]}),
    ("DARKNET", darknet(row("[connected];output=4;activation=linear")), {"data": [1, 6]}),
    ("XGBOOST", MODELS["XGBOOST"], {"data": [1, 4]}),
    ("XGBOOST", linear_booster, {"data": [1, 4]}),
    ("SKLEARN", MODELS["SKLEARN"], {"data": [1, 4]}),
    ("SKLEARN", sklearn_network, {"data": [1, 4]}),
]


@pytest.mark.parametrize(
    ("framework", "write", "shapes"), TABLE, ids=[f"{n} {row[0]}" for n, row in enumerate(TABLE)]
)
def test_the_file_tells(framework: str, write: Write, shapes: dict[str, list[int]], tmp_path: Path) -> None:
    """Keras derives channels first, as DataInputConfig has them; the same text is understood when given."""
    write(tmp_path)
    request = CompileRequest(framework, "m", device="rasp4b")
    read = frontends.load(framework)
    model = read(tmp_path, request)
    derived = _derived_config(request, model)
    assert json.loads(derived or "") == shapes
    assert {config.name: list(config.static_shape or ()) for config in parse(derived or "")} == shapes
    given = CompileRequest(framework, "m", device="rasp4b", data_input_config=derived)
    again = read(tmp_path, given)
    assert _derived_config(given, again) is None
    for first, second in ((model, again),):
        assert getattr(first, "inputs", None) == getattr(second, "inputs", None)


@pytest.mark.parametrize("framework", ["ONNX", "TENSORFLOW", "KERAS", "MXNET", "TFLITE"])
def test_the_file_does_not_tell(framework: str, tmp_path: Path) -> None:
    """Every open input is named, with an example; XGBOOST, SKLEARN and DARKNET always tell."""
    MODELS[framework](tmp_path)
    with pytest.raises(ClientError) as caught:
        frontends.load(framework)(tmp_path, CompileRequest(framework, "m", device="rasp4b"))
    assert caught.value.area == "InputConfiguration"
    (open_y,) = (problem for problem in caught.value.problems if "the input 'y'" in problem)
    assert "We are unable to extract DataInputConfig from the model: the input 'y' (float32 [" in open_y
    assert 'Please override by providing a DataInputConfig such as {"y": [1, 1]}' in open_y
