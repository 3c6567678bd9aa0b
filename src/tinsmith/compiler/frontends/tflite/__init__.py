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
from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.inputs import Adapt, Declared, model_shape
from tinsmith.compiler.toolchains import original
from tinsmith.errors import ClientError
from tinsmith.spec.data_input import InputConfig
from tinsmith.spec.request import CompileRequest

ANSWER = Path(__file__).with_name("answer.py")
_IMAGE_RANK = 4


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
    """The shapes that a run without any wish has: batches of open size have one element."""
    main = model.subgraphs[0]
    tensors = [main.tensors[index] for index in main.inputs]
    shapes = {
        tensor_name(tensor): [1, *tensor.shape[1:]] if tensor.shape and tensor.shape[0] < 0 else tensor.shape
        for tensor in tensors
        if tensor.shape is not None
    }
    known = {name: list(sizes) for name, sizes in shapes.items() if min(sizes, default=1) > 0}
    return json.dumps(known) if known else None


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
        renamed = [
            config if config.name is None or config.name in names
            else replace(config, name=other.get(config.name, config.name))
            for config in configs
        ]  # fmt: skip
        by_name = {item.name: item for item in declared}
        problems = [
            f"DataInputConfig: Input {shown(item.name)} has wrong shape in Input Shape dictionary. "
            f"Input shapes should be provided in NHWC format: found {list(sizes)}, "
            f"expected {model_shape(item.shape)}"
            for config in renamed
            for item in [by_name.get(config.name or "")]
            for sizes in [config.static_shape]
            if item is not None and sizes is not None and _is_planes(sizes, item.shape)
        ]
        if problems:
            raise ClientError("InputConfiguration", problems)
        return renamed

    return adapt


def _is_planes(sizes: tuple[int, ...], wanted: Sequence[object] | None) -> bool:
    """Whether `sizes` are those of the image `wanted` with its channels in front."""
    if wanted is None or not len(sizes) == len(wanted) == _IMAGE_RANK:
        return False
    moved = (sizes[0], *sizes[2:], sizes[1])
    fits = [size == want or not isinstance(want, int) for size, want in zip(moved, wanted, strict=True)]
    as_given = [size == want or not isinstance(want, int) for size, want in zip(sizes, wanted, strict=True)]
    return all(fits) and not all(as_given)
