"""One tiny model per framework, written into a folder without the framework, for tests that run over all.

Where the framework allows it, the model has two inputs: images `x` of three channels, and rows `y` of open
length. `dtype` is the element type of `x`, in the framework's own words.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import xgboost
from onnx import helper
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from tests.compiler.frontends.darknet.cases import CONV, image, weights
from tests.compiler.frontends.keras.files import functional, save
from tests.compiler.frontends.mxnet.conftest import Symbol
from tests.compiler.frontends.tensorflow.graphs import graph, node, placeholder
from tests.compiler.frontends.tflite.build import Builder, T

ROWS = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)


def onnx_model(
    folder: Path,
    dtype: int = onnx.TensorProto.FLOAT,
    x: Any = ("n", 3, "h", "w"),
    y: Any = ("n", "m"),
) -> None:
    """`x` and `y` go through Identity."""
    inputs = [
        helper.make_tensor_value_info("x", dtype, x),
        helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, y),
    ]
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"], f"same_{name}") for name in "xy"]
    outputs = [
        helper.make_tensor_value_info("x_out", dtype, None),
        helper.make_tensor_value_info("y_out", onnx.TensorProto.FLOAT, None),
    ]
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", inputs, outputs), opset_imports=opsets, ir_version=8
    )
    onnx.save(model, folder / "model.onnx")


def tensorflow_model(folder: Path, dtype: int = 1) -> None:
    """A frozen graph, channels last."""
    nodes = [
        placeholder("x", None, None, None, 3, dtype=dtype),
        placeholder("y", None, None),
        node("Identity", "x_out", ["x"], T=dtype),
        node("Identity", "y_out", ["y"], T=1),
    ]
    (folder / "model.pb").write_bytes(graph(*nodes).SerializeToString())


def keras_model(folder: Path, dtype: str = "float32") -> None:
    """Channels last, of Keras 2."""
    layers: list[dict[str, Any]] = [
        {
            "class_name": "InputLayer",
            "name": name,
            "config": {"name": name, "batch_input_shape": shape, "dtype": kind},
            "inbound_nodes": [],
        }
        for name, shape, kind in (("x", [None, None, None, 3], dtype), ("y", [None, None], "float32"))
    ]
    layers += [
        {
            "class_name": "Activation",
            "name": f"{name}_out",
            "config": {"name": f"{name}_out", "activation": "relu"},
            "inbound_nodes": [[[name, 0, 0, {}]]],
        }
        for name in "xy"
    ]
    save(folder / "model.h5", functional(layers, ["x", "y"], ["x_out", "y_out"]))


def mxnet_model(folder: Path, dtype: str = "0") -> None:
    """A convolution of `x`, channels first, and `y`."""
    symbol = Symbol()
    x = symbol.variable("x", __dtype__=dtype)
    conv = symbol(
        "Convolution", "conv", x, symbol.param("w", 4, 3, 1, 1), no_bias=True, kernel="(1, 1)", num_filter=4
    )
    y = symbol("relu", "relu", symbol.variable("y", __shape__="(0, 0)"))
    for name, content in symbol.files(conv, y).items():
        (folder / name).write_bytes(content)


def tflite_model(folder: Path, dtype: str = "float32") -> None:
    """Channels last."""
    builder = Builder()
    part = builder.parts[0]
    x = part.input(T((1, 8, 8, 3), dtype, name="x", signature=(-1, 8, 8, 3)))
    y = part.input(T((1, 1), name="y", signature=(-1, -1)))
    outputs = [
        builder.operator("RELU", [x], [T((1, 8, 8, 3), dtype, name="x_out")]),
        builder.operator("RELU", [y], [T((1, 1), name="y_out")]),
    ]
    part.outputs = [number for numbers in outputs for number in numbers]
    (folder / "model.tflite").write_bytes(builder.bytes())


def darknet_model(folder: Path) -> None:
    """A convolution of images, which Darknet calls `data` here."""
    (folder / "net.cfg").write_text(image(CONV, 8, 8))
    (folder / "net.weights").write_bytes(weights("x"))


def xgboost_model(folder: Path) -> None:
    """Two trees of four features."""
    parameters = {"max_depth": 1, "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(ROWS, ROWS[:, 0]), num_boost_round=2)
    booster.save_model(folder / "model.json")


def sklearn_trees(folder: Path) -> None:
    """A tree of four features."""
    (folder / "model.pkl").write_bytes(pickle.dumps(DecisionTreeRegressor(max_depth=1).fit(ROWS, ROWS[:, 0])))


def sklearn_network(folder: Path) -> None:
    """A linear model of four features."""
    (folder / "model.pkl").write_bytes(pickle.dumps(LinearRegression().fit(ROWS, ROWS[:, 0])))


MODELS: dict[str, Callable[..., None]] = {
    "ONNX": onnx_model,
    "TENSORFLOW": tensorflow_model,
    "KERAS": keras_model,
    "MXNET": mxnet_model,
    "TFLITE": tflite_model,
    "DARKNET": darknet_model,
    "XGBOOST": xgboost_model,
    "SKLEARN": sklearn_trees,
}
"""All but PYTORCH, whose files only PyTorch writes: its rows are in `pytorch/test_pytorch.py`."""


def config(**shapes: Any) -> str:
    """A DataInputConfig."""
    return json.dumps(shapes)
