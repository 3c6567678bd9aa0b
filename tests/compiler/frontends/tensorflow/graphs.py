"""Graphs for tests, by the messages of the frontend itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow import message
from tinsmith.compiler.frontends.tensorflow.messages import GraphDef, NodeDef
from tinsmith.spec.request import CompileRequest

DATA = Path(__file__).parents[3] / "data" / "tensorflow"
TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10}


def node(op: str, name: str, inputs: Sequence[str] = (), **attributes: Any) -> Any:
    """A node. Numbers, texts and truths are attributes as they are; an array is a tensor, `T=1` a type."""
    made = NodeDef(op=op, name=name, input=inputs)
    for key, value in attributes.items():
        target = made.attr[key]
        if isinstance(value, bool):
            target.b = value
        elif key in ("T", "dtype", "DstT"):
            target.type = value
        elif isinstance(value, int):
            target.i = value
        elif isinstance(value, float):
            target.f = value
        elif isinstance(value, str):
            target.s = value.encode()
        elif isinstance(value, np.ndarray):
            target.tensor.dtype = TYPES[value.dtype.name]
            target.tensor.tensor_shape.SetInParent()
            for size in value.shape:
                target.tensor.tensor_shape.dim.add(size=size)
            target.tensor.tensor_content = value.tobytes()
        elif isinstance(value, tuple):
            target.shape.SetInParent()
            for size in value:
                target.shape.dim.add(size=-1 if size is None else size)
        else:
            target.list.i.extend(value)
    return made


def placeholder(name: str, *shape: int | None, dtype: int = 1) -> Any:
    return node("Placeholder", name, dtype=dtype, shape=shape)


def const(name: str, content: Any, dtype: Any = np.float32) -> Any:
    array = np.array(content, dtype)
    return node("Const", name, dtype=TYPES[array.dtype.name], value=array)


def graph(*nodes: Any) -> Any:
    made = GraphDef(node=nodes)
    made.versions.producer = 1000
    return made


def convert(folder: Path, made: Any, config: Any = None, **options: Any) -> Any:
    """The ONNX message of a graph, and the warnings."""
    (folder / "model.pb").write_bytes(made.SerializeToString())
    return read_folder(folder, config, **options)


def read_folder(folder: Path, config: Any = None, **options: Any) -> Any:
    text = json.dumps(config) if config is not None else None
    request = CompileRequest(
        "TENSORFLOW",
        "model",
        device="ml_c5",
        data_input_config=text,
        compiler_options=json.dumps(options) if options else None,
    )
    made = message(folder, request)
    return made.model, made.warnings


def answers(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and outputs that TensorFlow gave for the SavedModel `name`."""
    with np.load(DATA / "saved_models.npz") as content:
        parts: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        for key in content.files:
            model, role, value = key.split("/")
            if model == name:
                parts[role == "out"][value] = content[key]
        return parts
