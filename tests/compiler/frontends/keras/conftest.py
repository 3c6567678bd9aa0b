"""Reads models by the frontend and evaluates what comes out by ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir
import onnxruntime

from tinsmith.compiler.frontends.keras import read
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.request import CompileRequest


def read_folder(folder: Path, config: Any = None) -> Network:
    """Reads the only model in `folder`."""
    text = config if config is None or isinstance(config, str) else json.dumps(config)
    return read(folder, CompileRequest("KERAS", "model", device="ml_c5", data_input_config=text))


def evaluate(network: Network, arrays: list[np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    """The outputs of `network` by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    content = onnx_ir.serde.serialize_model(network.graph).SerializeToString()
    session = onnxruntime.InferenceSession(content, options, disabled_optimizers=["Pad_Fusion"])
    feeds = {spec.name: array.astype(spec.dtype) for spec, array in zip(network.inputs, arrays, strict=True)}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))
