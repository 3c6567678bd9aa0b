"""The customer's files become the IR; one module per framework."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

Read = Callable[[Path, CompileRequest], Model | Network]

_MODULES = {
    "DARKNET": "darknet",
    "KERAS": "keras",
    "MXNET": "mxnet",
    "ONNX": "onnx",
    "PYTORCH": "pytorch",
    "SKLEARN": "sklearn",
    "TENSORFLOW": "tensorflow",
    "TFLITE": "tflite",
    "XGBOOST": "xgboost",
}


def load(framework: str) -> Read:
    """The `read(directory, request) -> Model | Network` of `framework`, an API value such as "XGBOOST".

    Raises ClientError ("InputConfiguration") for a framework that is not compiled.
    """
    module = _MODULES.get(framework)
    if module is None:
        known = ", ".join(sorted(_MODULES))
        raise ClientError(
            "InputConfiguration",
            f"Framework {framework} is not compiled by this version; it compiles {known}.",
        )
    read: Read = import_module(f"{__name__}.{module}").read
    return read
