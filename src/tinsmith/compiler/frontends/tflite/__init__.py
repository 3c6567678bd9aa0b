"""TFLite models: a FlatBuffer of the TensorFlow Lite converter or of LiteRT becomes an ONNX message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tinsmith.compiler.frontends.tflite.convert import convert, tensor_name
from tinsmith.compiler.frontends.tflite.files import find_model, parse
from tinsmith.compiler.frontends.tflite.model import Model
from tinsmith.compiler.ir.network import Network, Original
from tinsmith.compiler.shaping import Origin, shape
from tinsmith.compiler.shaping.findings import Findings
from tinsmith.compiler.shaping.inputs import Adapt, Declared
from tinsmith.compiler.toolchains import original
from tinsmith.spec.data_input import InputConfig
from tinsmith.spec.request import CompileRequest

ANSWER = Path(__file__).with_name("answer.py")


def read(directory: Path, request: CompileRequest) -> Network:
    """The one TFLite model under `directory`, its inputs fixed to the shapes of DataInputConfig.

    Raises ClientError with all problems at once: "InputConfiguration" for files that are missing, ambiguous
    or damaged and for a DataInputConfig that contradicts the model; "OperatorNotImplemented" for what is not
    compiled.
    """
    origin = Origin("TFLITE", directory, find_model(directory))
    model = parse(origin.path, origin.place)
    message, warnings = convert(model, Findings(origin.place))
    config = request.data_input_config or _derived(model)
    network = shape(message, origin, config, _habits(model))
    return replace(
        network,
        warnings=(*network.warnings, *(f"{origin.place}: {warning}" for warning in warnings)),
        original=_original(origin.path, model, network),
    )


def _original(path: Path, model: Model, network: Network) -> Original | None:
    """LiteRT, where its toolchain is installed; of a model with state it keeps what ours is given."""
    main = model.subgraphs[0]
    inputs, outputs = list(dict.fromkeys(main.inputs)), list(main.outputs)
    if len(inputs) != len(network.inputs) or len(outputs) != len(network.outputs):
        return None
    tensors = json.dumps({"inputs": inputs, "outputs": outputs})
    found = original("tflite", "ai-edge-litert", ANSWER, [str(path), tensors])
    return replace(found, rounds=_rounds(model)) if found else None


def _rounds(model: Model) -> bool:
    """Whether LiteRT rounds floats on the fly, to meet weights that are integers; we compute in floats."""
    return any(
        len(operator.inputs) > 1
        and min(operator.inputs[:2]) >= 0
        and graph.tensors[operator.inputs[0]].dtype == "float32"
        and graph.tensors[operator.inputs[1]].is_quantised
        for graph in model.subgraphs
        for operator in graph.operators
    )


def _derived(model: Model) -> str | None:
    """The shapes that a run without any wish has: batches of open size have one element. None where the file
    leaves more open."""
    main = model.subgraphs[0]
    tensors = [main.tensors[index] for index in main.inputs]
    shapes = {
        tensor_name(tensor): [1, *tensor.shape[1:]] if tensor.shape and tensor.shape[0] < 0 else tensor.shape
        for tensor in tensors
        if tensor.shape is not None
    }
    known = {name: list(sizes) for name, sizes in shapes.items() if min(sizes, default=1) > 0}
    complete = all(tensor_name(tensor) in known for tensor in tensors)
    return json.dumps(known) if known and complete else None


def _habits(model: Model) -> Adapt:
    """DataInputConfig may call inputs as the signature does, or without the `:0` of TensorFlow's names."""
    main = model.subgraphs[0]
    names = {tensor_name(main.tensors[index]) for index in main.inputs}
    other = {
        alias: tensor_name(main.tensors[index])
        for alias, index in model.aliases.items()
        if index in main.inputs
    }
    other |= {name.removesuffix(":0"): name for name in names}
    other |= {name.removesuffix(":0").removeprefix("serving_default_"): name for name in names}

    def adapt(configs: Sequence[InputConfig], declared: Sequence[Declared]) -> Sequence[InputConfig]:
        return [
            config if config.name is None or config.name in names
            else replace(config, name=other.get(config.name, config.name))
            for config in configs
        ]  # fmt: skip

    return adapt
