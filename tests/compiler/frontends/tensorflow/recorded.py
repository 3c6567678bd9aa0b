"""Graphs that TensorFlow made, with its answers, and what our message of them gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi import onnxruntime_pybind11_state as _Errors

from tests.compiler.frontends.tensorflow.graphs import DATA

Arrays = dict[str, Any]
OPERATORS = DATA / "operators.npz"


def names() -> list[str]:
    with np.load(OPERATORS) as content:
        return [key.removesuffix("/graph") for key in content.files if key.endswith("/graph")]


def recorded(name: str) -> tuple[bytes, Arrays, Arrays]:
    """The graph, the inputs and the outputs of a case."""
    with np.load(OPERATORS) as content:
        parts: tuple[Arrays, Arrays] = ({}, {})
        for part, role in zip(parts, ("in", "out"), strict=True):
            prefix = f"{name}/{role}/"
            part.update({key[len(prefix) :]: content[key] for key in content.files if key.startswith(prefix)})
        return content[f"{name}/graph"].tobytes(), *parts


def evaluated(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    """What ONNX Runtime gives for `model`; ONNX's own evaluator where that does not take a form."""
    outputs = [value.name for value in model.graph.output]
    used = {value.name for value in model.graph.input}
    given = {name: value for name, value in inputs.items() if name in used}
    try:
        results = _run(model, outputs, given)
    except (_Errors.NotImplemented, _Errors.Fail):
        results = ReferenceEvaluator(model).run(outputs, given)
    return dict(zip(outputs, results, strict=True))


def _run(model: onnx.ModelProto, outputs: list[str], inputs: Arrays) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings)
    return session.run(outputs, inputs)
