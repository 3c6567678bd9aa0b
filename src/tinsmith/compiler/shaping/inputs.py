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

LISTED = 16
"""Inputs that an error names."""

_LAYOUTS = {4: ("NCHW", "NHWC"), 5: ("NCDHW", "NDHWC")}
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
    place goes to `findings`, each fault in one sentence, and the specs are then not complete.
    """
    asked = _Asked(declared, constants, findings)
    if text is not None and text.strip():
        asked.read(text, adapt)
    symbols: dict[str, tuple[int, str]] = {}
    for item in declared:
        if item.name in asked.given and item.shape is not None:
            _bind(item, asked.given[item.name], symbols, findings)
    specs = []
    for item in declared:
        shape = asked.given[item.name] if item.name in asked.given else _derived(item, symbols)
        if shape is None:
            asked.miss(item)
        elif math.prod(shape) > MAX_ELEMENTS:
            findings.damaged(
                f"the input {shown(item.name)} of shape {list(shape)} has {math.prod(shape)} elements, "
                f"expected at most {MAX_ELEMENTS}"
            )
        else:
            specs.append(TensorSpec(item.name, item.dtype, shape))
    return tuple(specs)


def parse_for(text: str, declared: Sequence[object]) -> tuple[InputConfig, ...]:
    """`parse`, whose complaint ends with what the model takes: a `Declared`, or a text, for each input."""
    try:
        return parse(text)
    except ClientError as error:
        *others, last = error.problems
        raise ClientError(
            error.area, [*others, f"{last}; the inputs of the model are {listed(declared)}"]
        ) from error


def listed(declared: Sequence[object]) -> str:
    """How errors say which inputs a model takes."""
    shown_first = ", ".join(str(item) for item in declared[:LISTED])
    return shown_first + (f" and {len(declared) - LISTED} more" if len(declared) > LISTED else "") or "none"


class _Asked:
    """What DataInputConfig says of the inputs, as far as it fits the model."""

    def __init__(
        self, declared: Sequence[Declared], constants: Mapping[str, object], findings: Findings
    ) -> None:
        self.given: dict[str, tuple[int, ...]] = {}
        """Shapes by name."""
        self._declared = declared
        self._constants = constants
        self._findings = findings
        self._text = ""
        self._excused: set[str] = set()
        """Inputs of which something else was said."""
        self._misnamed = 0
        """Names of no input, each of which may stand for one that is missing."""

    def read(self, text: str, adapt: Adapt | None) -> None:
        """Notes what `text` gives."""
        self._text = text
        everything = {item.name for item in self._declared}
        try:
            configs: Sequence[InputConfig] = parse_for(text, self._declared)
            configs = adapt(configs, self._declared) if adapt else configs
        except ClientError as error:
            self._findings.damage += error.problems
            self._excused = everything
            return
        if any(config.name is None for config in configs) and len(configs) != len(self._declared):
            self._findings.damaged(
                f"DataInputConfig has {len(configs)} shapes without names, expected {len(self._declared)}, "
                f"in the order of the inputs: {listed(self._declared)}"
            )
            self._excused = everything
            return
        by_name = {item.name: item for item in self._declared}
        for index, config in enumerate(configs):
            name = self._declared[index].name if config.name is None else config.name
            self._take(name, config, by_name.get(name))

    def _take(self, name: str, config: InputConfig, item: Declared | None) -> None:
        if item is None:
            kind = "is a constant of" if name in self._constants else "is no input of"
            self._findings.damaged(
                f"DataInputConfig names {shown(name)}, which {kind} the model; its inputs are "
                f"{listed(self._declared)}"
            )
            self._misnamed += name not in self._constants
            return
        problem = contradiction(item, config)
        if problem:
            self._findings.damaged(f"DataInputConfig: {problem}")
            self._excused.add(name)
        else:
            self.given[name] = config.static_shape or ()

    def miss(self, item: Declared) -> None:
        """Says that nothing tells the sizes of `item`, unless that is said already."""
        if item.name in self._excused:
            return
        if self._misnamed:
            self._misnamed -= 1
            return
        example = "[...]" if item.shape is None else str([s if isinstance(s, int) else 1 for s in item.shape])
        such_as = f'such as {{"{item.name[:60]}": {example}}}'
        if self._text:
            self._findings.damaged(
                f"DataInputConfig lacks the input {item}, which has no fixed size; expected a shape for it "
                f"too, {such_as}"
            )
        else:
            self._findings.damaged(
                f"We are unable to extract DataInputConfig from the model: the input {item} has no fixed "
                f"size. Please override by providing a DataInputConfig {such_as}"
            )


def contradiction(item: Declared, config: InputConfig) -> str | None:
    """The sentence about a shape that the input `item` cannot have."""
    name = shown(item.name)
    if config.type != "Tensor":
        return (
            f"the input {name} is given the type {config.type}, which only Core ML has; expected a shape for "
            f"{item}"
        )
    shape = config.static_shape
    if shape is None:
        return (
            f"the input {name} is given {_config_shape(config)}, expected one shape without ranges and "
            f"without {FREE} for {item}: a network is compiled for fixed sizes, the batch included"
        )
    if item.shape is None or fits(shape, item.shape):
        return None
    found, expected = list(shape), model_shape(item.shape)
    layout = _other_layout(shape, item.shape)
    if layout:
        return (
            f"Input {item.name[:60]} has wrong shape in Input Shape dictionary. Input shapes should be "
            f"provided in {layout} format. Found {found}, expected {expected}; it takes {item.dtype}"
        )
    if len(shape) != len(item.shape):
        wrong = f"{len(item.shape)} dimensions, not {len(shape)}"
    else:
        wrong = ", ".join(
            f"dimension {index} is {size}"
            for index, (size, model) in enumerate(zip(shape, item.shape, strict=True))
            if isinstance(model, int) and model != size
        )
    return f"the input {name} has the shape {found}, expected {expected}: {wrong}; it takes {item.dtype}"


def fits(shape: Sequence[int], declared: Sequence[Size]) -> bool:
    """Whether an input declared so can have this shape."""
    return len(shape) == len(declared) and all(
        size == model or not isinstance(model, int) for size, model in zip(shape, declared, strict=True)
    )


def _other_layout(shape: Sequence[int], declared: Sequence[Size]) -> str | None:
    """The layout of images that the model has, where `shape` has the same sizes in the other one."""
    names = _LAYOUTS.get(len(shape))
    if names is None:
        return None
    batch, *rest = shape
    if fits([batch, rest[-1], *rest[:-1]], declared):
        return names[0]
    return names[1] if fits([batch, *rest[1:], rest[0]], declared) else None


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
