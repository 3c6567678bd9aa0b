"""ONNX models: opset 7 to current of ai.onnx and ai.onnx.ml, from the file to a graph with fixed shapes."""

from __future__ import annotations

from pathlib import Path

from tinsmith.compiler.frontends.onnx.files import find_model, parse
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.shaping import Origin, shape
from tinsmith.spec.request import CompileRequest


def read(directory: Path, request: CompileRequest) -> Network:
    """The one ONNX model under `directory`, its inputs fixed to the shapes of DataInputConfig.

    Raises ClientError with all problems at once: "InputConfiguration" for files that are missing,
    ambiguous or damaged; else as `shaping.shape` does.
    """
    origin = Origin("ONNX", directory, find_model(directory))
    return shape(parse(origin.path, origin.place), origin, request.data_input_config)
