"""Graphs that TensorFlow made, with its answers, and what our message of them gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi import onnxruntime_pybind11_state as _Errors

from tinsmith.compiler.frontends.tensorflow import message
from tinsmith.spec.request import CompileRequest

Arrays = dict[str, Any]
OPERATORS = Path(__file__).parents[3] / "data" / "tensorflow" / "operators.npz"


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


def request(config: str | None = None, options: str | None = None) -> CompileRequest:
    return CompileRequest(
        "TENSORFLOW", "model", device="ml_c5", data_input_config=config, compiler_options=options
    )


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


def converted(folder: Path, graph: bytes, config: str | None = None, options: str | None = None) -> Any:
    (folder / "graph.pb").write_bytes(graph)
    return message(folder, request(config, options))[0]
