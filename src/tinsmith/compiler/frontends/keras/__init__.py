"""Keras models: .h5 of Keras 1 to 3 and .keras archives. Keras and TensorFlow are never imported.

The config says which layers there are and who calls whom, see `structure`; `weights` gives them their
arrays; `convert` turns each layer into ONNX nodes that carry its name. Inputs and outputs have the layout of
the model itself, for most models channels last; DataInputConfig has channels first, see `layout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from tinsmith.compiler.frontends.keras.config import Input, Model
from tinsmith.compiler.frontends.keras.config import Origin as Writer
from tinsmith.compiler.frontends.keras.convert import convert
from tinsmith.compiler.frontends.keras.files import find_model
from tinsmith.compiler.frontends.keras.layout import Layout
from tinsmith.compiler.frontends.keras.refusals import every_layer
from tinsmith.compiler.frontends.keras.saved import load
from tinsmith.compiler.frontends.keras.tensor import Tensor
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.shaping import Origin, shape
from tinsmith.compiler.shaping.builder import Builder
from tinsmith.compiler.shaping.findings import Findings
from tinsmith.compiler.shaping.inputs import Declared, input_specs
from tinsmith.compiler.toolchains import original
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

ANSWER = Path(__file__).with_name("answer.py")


def read(directory: Path, request: CompileRequest) -> Network:
    """The one Keras model under `directory`, its inputs fixed to the shapes of DataInputConfig.

    A batch size that neither the model nor DataInputConfig tells is 1. Raises ClientError with all problems
    at once: "InputConfiguration" for files that are missing, ambiguous, damaged or weights only, and for a
    DataInputConfig that contradicts the model; "OperatorNotImplemented", naming all layers, for what is not
    compiled.
    """
    path = find_model(directory)
    origin = Origin("KERAS", directory, path)
    model, writer = load(path, origin.place, request.framework_version)
    layout = Layout.of(model)
    asked = _specs(model, layout, request.data_input_config, origin.place)
    specs = tuple(replace(spec, shape=layout.stored(spec.name, spec.shape)) for spec in asked)
    network = shape(_message(model, writer, specs, origin.place), origin, None)
    return replace(
        network,
        config_inputs=asked,
        warnings=(*network.warnings, *_warnings(model, request, origin.place)),
        original=original("tensorflow", "keras", ANSWER, [str(path)]),
    )


def _specs(model: Model, layout: Layout, text: str | None, place: str) -> tuple[TensorSpec, ...]:
    """The inputs in the layout of DataInputConfig."""
    findings = Findings(place)
    batch = "batch" if text and text.strip() else 1
    declared = tuple(
        Declared(given.name, _dtype(given, findings), layout.asked(given.name, _sizes(given, batch)))
        for given in model.inputs
    )
    findings.stop()
    specs = input_specs(declared, {}, text, findings, layout.adapt)
    findings.stop()
    return specs


def _dtype(given: Input, findings: Findings) -> str:
    try:
        dtype = np.dtype(given.dtype)
        if dtype.kind in "biuf":
            return dtype.name
    except TypeError:
        pass
    findings.damaged(f"the input {given.name!r} is of the type {given.dtype[:40]!r}, expected numbers")
    return "float32"


def _sizes(given: Input, batch: int | str) -> tuple[int | str | None, ...]:
    """An unknown batch is `batch`, the same for all inputs."""
    first = tuple(batch if size is None else size for size in given.shape[:1])
    return (*first, *given.shape[1:])


def _message(model: Model, writer: Writer, specs: Sequence[TensorSpec], place: str) -> onnx.ModelProto:
    message = Builder(Tensor)
    inputs = [message.input(spec.name, spec.dtype, spec.shape) for spec in specs]
    try:
        results = convert(model, message, inputs)
    except ClientError as error:
        raise ClientError(error.area, [f"{place}: {problem}" for problem in error.problems]) from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        text = f"{place}: the calls of the layers contradict one another: {str(error)[:300]}"
        raise ClientError("InputConfiguration", text) from error
    named = [message.unique(reference.layer) for reference in model.outputs]
    outputs = [
        result if isinstance(result, Tensor) else message.constant(np.asarray(result)) for result in results
    ]
    version = ".".join(map(str, writer.version))
    return message.model(model.name, inputs, dict(zip(named, outputs, strict=True)), "Keras", version)


def _warnings(model: Model, request: CompileRequest, place: str) -> list[str]:
    found = []
    if request.data_input_config is None and any(
        given.shape and given.shape[0] is None for given in model.inputs
    ):
        found.append("the file does not tell the batch size; it is compiled for 1")
    stateful = [layer.name for layer in every_layer(model) if layer.config.get("stateful") is True]
    if stateful:
        found.append(f"stateful layers start every run from zero: {', '.join(stateful[:10])}")
    half = [layer.name for layer in every_layer(model) if "float16" in str(layer.config.get("dtype"))]
    if half:
        found.append(f"layers of half or mixed precision are computed in float32: {', '.join(half[:10])}")
    return [f"{place}: {text}" for text in found]
