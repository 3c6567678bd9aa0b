"""The shape of every input: DataInputConfig, completed by what the model itself says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.tensors import is_type
from tinsmith.errors import ClientError
from tinsmith.spec.data_input import FREE, InputConfig, parse

MAX_ELEMENTS = 2**29
"""Of one input or intermediate value: half a gigabyte of bytes, two of float32."""

_NO_SYMBOLS = frozenset({"", "?", "-1", "None", "none"})

Size = int | str | None
"""What a model says of a dimension: its size, the name of a size, or nothing."""


@dataclass(frozen=True)
class Declared:
    """One input as the model declares it."""

    name: str
    dtype: str
    shape: tuple[Size, ...] | None
    """None: of any rank."""

    def __str__(self) -> str:
        return f"{shown(self.name)} ({self.dtype} {model_shape(self.shape)})"


def declared_inputs(graph: onnx.GraphProto) -> tuple[Declared, ...]:
    """The inputs of `graph` that are tensors and no initialisers, in order."""
    constants = {tensor.name for tensor in graph.initializer}
    return tuple(
        Declared(value.name, dtype_name(value.type.tensor_type.elem_type), declared_shape(value.type))
        for value in graph.input
        if value.name not in constants and value.type.HasField("tensor_type")
    )


def declared_shape(value: onnx.TypeProto) -> tuple[Size, ...] | None:
    """The dimensions of a tensor type; None where not even their number is told."""
    tensor = value.tensor_type
    return tuple(_size(dim) for dim in tensor.shape.dim) if tensor.HasField("shape") else None


def dtype_name(elem_type: int) -> str:
    """The numpy or ml_dtypes name of an ONNX element type; "undefined" for a number that is none."""
    if not is_type(elem_type):
        return "undefined"
    return "string" if elem_type == onnx.TensorProto.STRING else onnx_ir.DataType(elem_type).numpy().name


Adapt = Callable[[Sequence[InputConfig], Sequence[Declared]], Sequence[InputConfig]]
"""A framework's habits: its customers' DataInputConfig in the names and the layout of the ONNX message.
Raises ClientError for what cannot be meant."""


def input_specs(
    declared: Sequence[Declared],
    constants: Mapping[str, object],
    text: str | None,
    findings: Findings,
    adapt: Adapt | None = None,
) -> tuple[TensorSpec, ...]:
    """One spec per input of `declared`, every dimension known.

    `text` is the DataInputConfig; it may leave out inputs whose sizes follow from the model: from their
    static dimensions and from symbolic ones that another input determines. What contradicts, lacks or has no
    place goes to `findings`, and the specs are then not complete.
    """
    given = _given(declared, constants, text, findings, adapt)
    symbols: dict[str, tuple[int, str]] = {}
    for item in declared:
        if item.name in given and item.shape is not None:
            _bind(item, given[item.name], symbols, findings)
    specs = []
    for item in declared:
        shape = given[item.name] if item.name in given else _derived(item, symbols)
        if shape is None:
            findings.damaged(_missing(item))
        elif math.prod(shape) > MAX_ELEMENTS:
            findings.damaged(
                f"the input {shown(item.name)} of shape {list(shape)} has {math.prod(shape)} elements, "
                f"expected at most {MAX_ELEMENTS}"
            )
        else:
            specs.append(TensorSpec(item.name, item.dtype, shape))
    return tuple(specs)


def _given(
    declared: Sequence[Declared],
    constants: Mapping[str, object],
    text: str | None,
    findings: Findings,
    adapt: Adapt | None,
) -> dict[str, tuple[int, ...]]:
    """Shapes by name, as far as they fit the model."""
    if text is None or not text.strip():
        return {}
    try:
        configs = adapt(parse(text), declared) if adapt else parse(text)
    except ClientError as error:
        findings.damage += error.problems
        return {}
    by_name = {item.name: item for item in declared}
    given: dict[str, tuple[int, ...]] = {}
    for name, config in _named(configs, declared, findings):
        item = by_name.get(name)
        if item is None:
            kind = "is a constant of" if name in constants else "is no input of"
            findings.damaged(
                f"DataInputConfig names {shown(name)}, which {kind} the model; its inputs are "
                f"{_listed(declared)}"
            )
            continue
        problem = _contradiction(item, config)
        if problem:
            findings.damaged(f"DataInputConfig: the input {shown(name)} {problem}")
        else:
            given[name] = config.static_shape or ()
    return given


def _named(
    configs: Sequence[InputConfig], declared: Sequence[Declared], findings: Findings
) -> list[tuple[str, InputConfig]]:
    """Shapes without names belong to the inputs in their order."""
    if all(config.name is not None for config in configs):
        return [(config.name or "", config) for config in configs]
    if len(configs) != len(declared):
        findings.damaged(
            f"DataInputConfig has {len(configs)} shapes without names, expected {len(declared)}, in the "
            f"order of the inputs: {_listed(declared)}"
        )
        return []
    return [(item.name, config) for item, config in zip(declared, configs, strict=True)]


def _contradiction(item: Declared, config: InputConfig) -> str | None:
    if config.type != "Tensor":
        return f"is given the type {config.type}, which only Core ML has; expected a shape"
    shape = config.static_shape
    if shape is None:
        return (
            f"is given {_config_shape(config)}, expected one shape without ranges and without {FREE}: a "
            "network is compiled for fixed sizes"
        )
    if item.shape is None:
        return None
    found, expected = list(shape), model_shape(item.shape)
    if len(shape) != len(item.shape):
        return f"has the shape {found}, expected {expected}: {len(item.shape)} dimensions, not {len(shape)}"
    wrong = [
        f"dimension {index} is {size}"
        for index, (size, model) in enumerate(zip(shape, item.shape, strict=True))
        if isinstance(model, int) and model != size
    ]
    return f"has the shape {found}, expected {expected}: {', '.join(wrong)}" if wrong else None


def _bind(
    item: Declared, shape: tuple[int, ...], symbols: dict[str, tuple[int, str]], findings: Findings
) -> None:
    """Notes which size each symbol of `item` has got."""
    for symbol, size in zip(item.shape or (), shape, strict=True):
        if not isinstance(symbol, str):
            continue
        known, where = symbols.setdefault(symbol, (size, item.name))
        if known != size:
            findings.damaged(
                f"DataInputConfig gives the dimension {shown(symbol)} two sizes: {known} in the input "
                f"{shown(where)} and {size} in {shown(item.name)}"
            )


def _derived(item: Declared, symbols: Mapping[str, tuple[int, str]]) -> tuple[int, ...] | None:
    if item.shape is None:
        return None
    sizes = [symbols.get(size, (None,))[0] if isinstance(size, str) else size for size in item.shape]
    return tuple(size for size in sizes if size is not None) if None not in sizes else None


def _missing(item: Declared) -> str:
    example = "[...]" if item.shape is None else str([s if isinstance(s, int) else 1 for s in item.shape])
    return (
        f"We are unable to extract DataInputConfig from the model: the input {item} has no fixed size. "
        f'Please override by providing a DataInputConfig such as {{"{item.name[:60]}": {example}}}'
    )


def _size(dim: onnx.TensorShapeProto.Dimension) -> Size:
    """An exporter writes an unknown size as nothing, as a name that is none, or below zero."""
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else None
    return None if dim.dim_param in _NO_SYMBOLS else dim.dim_param


def model_shape(shape: tuple[Size, ...] | None) -> str:
    """How errors write the shape of an input."""
    if shape is None:
        return "of any rank"
    return f"[{', '.join('?' if size is None else str(size)[:40] for size in shape)}]"


def _config_shape(config: InputConfig) -> str:
    if len(config.shapes) != 1:
        return f"{len(config.shapes)} shapes"
    sizes = [str(s) if isinstance(s, int) else f"{s.low}..{s.high}" for s in config.shapes[0]]
    return f"[{', '.join(sizes)}]"


def _listed(declared: Sequence[Declared]) -> str:
    shown_first = ", ".join(str(item) for item in declared[:16])
    return shown_first + (f" and {len(declared) - 16} more" if len(declared) > 16 else "") or "none"
