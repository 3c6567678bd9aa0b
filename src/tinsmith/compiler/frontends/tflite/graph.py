"""The ONNX message while it is written: one graph for each subgraph that runs, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tinsmith.compiler.frontends.tflite.model import Model, Subgraph, Tensor
from tinsmith.compiler.shaping.findings import Findings

Operand = str | NDArray[Any]
"""A value of the graph by its name, or a constant."""

TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float64": TensorProto.DOUBLE,
    "bool": TensorProto.BOOL,
    **{f"{sign}int{bits}": getattr(TensorProto, f"{sign.upper()}INT{bits}")
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
"""Types of tensors that ONNX values have. A complex number is a pair of floats, see `operators/spectral`."""

LARGEST = 2**24
"""Elements of a constant that is not in the file."""


SINKING = frozenset(
    (
        *(
            "Abs",
            "Add",
            "Clip",
            "Concat",
            "Cos",
            "DequantizeLinear",
            "Div",
            "Elu",
            "Exp",
            "Gelu",
            "HardSwish",
        ),
        *("LeakyRelu", "Log", "Max", "Min", "Mul", "Neg", "PRelu", "Pad", "Pow", "QuantizeLinear"),
        *("Reciprocal", "Relu", "Sigmoid", "Sin", "Sqrt", "Sub", "Tanh"),
    )
)
"""Operators that do the same to an image whatever the order of its dimensions."""


class Refusal(Exception):
    """Something about one operator that is not compiled."""


@dataclass
class State:
    """What a call leaves behind for the next."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    value: Operand
    """As the operators converted so far leave it."""
    changed: bool = False


@dataclass
class Message:
    """What all graphs of a model share."""

    model: Model
    findings: Findings
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    """By the name of a resource variable, or `tensor <index>` of a variable tensor."""
    warnings: list[str] = field(default_factory=list)
    entered: int = 0
    """Subgraphs that operators ran."""
    _names: set[str] = field(default_factory=set)

    def fresh(self, wanted: str) -> str:
        """`wanted`, or that and a number where it is taken."""
        name, count = wanted, 1
        while name in self._names:
            count += 1
            name = f"{wanted}#{count}"
        self._names.add(name)
        return name

    def constant(self, array: NDArray[Any], name: str) -> str:
        """An initializer."""
        name = self.fresh(name)
        self.constants[name] = array
        self.initializers.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name


class Graph:
    """One subgraph as it becomes ONNX nodes."""

    def __init__(self, message: Message, subgraph: Subgraph, outer: Graph | None = None) -> None:
        self.message = message
        self.subgraph = subgraph
        self.depth: int = 0 if outer is None else outer.depth + 1
        self.nodes: list[onnx.NodeProto] = []
        self.values: dict[int, Operand] = {}
        """By tensor, as stored: integers where it is quantised."""
        self.reals: dict[int, str] = {}
        self._transposed: dict[str, tuple[str, tuple[int, ...]]] = {}

    def emit(
        self, layer: str, kind: str, inputs: Sequence[Operand], outputs: int = 1, **attributes: Any
    ) -> list[str]:
        """Adds a node; gives its outputs. The first is also its name: that of its layer and the kind.

        A node that does not mind the order of dimensions comes before transposes of its inputs.
        """
        if outputs == 1 and (sunk := self._sunk(kind, inputs)) is not None:
            order, inner = sunk
            if kind == "Concat":
                attributes["axis"] = order[attributes["axis"]]
            (result,) = self.add(layer, kind, inner, 1, **attributes)
            return [self.transpose(layer, result, order)]
        return self.add(layer, kind, inputs, outputs, **attributes)

    def add(
        self, layer: str, kind: str, inputs: Sequence[Operand], outputs: int = 1, **attributes: Any
    ) -> list[str]:
        """The same, with transposes left where they are."""
        names = [self.name(value, layer) for value in inputs]
        results = [self.message.fresh(f"{layer}/{kind}") for _ in range(outputs)]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(kind, names, results, name=results[0], **attributes))
        return results

    def transpose(self, layer: str, value: str, order: tuple[int, ...]) -> str:
        """`value` with its dimensions in `order`; two transposes that undo one another are none."""
        source, before = self._transposed.get(value, (value, tuple(range(len(order)))))
        joined = tuple(before[dim] for dim in order)
        if joined == tuple(range(len(joined))):
            return source
        (result,) = self.emit(layer, "Transpose", [source], perm=joined)
        self._transposed[result] = (source, joined)
        return result

    def _sunk(self, kind: str, inputs: Sequence[Operand]) -> tuple[tuple[int, ...], list[Operand]] | None:
        """The order of a transpose that may come behind a node rather than before it, and the inputs then.

        So that one transpose and the next, before a convolution, undo one another.
        """
        if kind not in SINKING:
            return None
        moved = [self._transposed.get(value) if isinstance(value, str) else None for value in inputs]
        orders = {entry[1] for entry in moved if entry is not None}
        if len(orders) != 1:
            return None
        (order,) = orders
        inner: list[Operand] = []
        for place, (value, entry) in enumerate(zip(inputs, moved, strict=True)):
            known = value if isinstance(value, np.ndarray) else self.message.constants.get(value)
            if entry is not None:
                inner.append(entry[0])
            elif known is None or known.ndim > len(order):
                return None
            elif kind == "Pad" and place == 1:
                inner.append(_moved_back(known.reshape(2, -1), order))
            elif known.ndim == 0:
                inner.append(value)
            elif kind in ("Pad", "QuantizeLinear", "DequantizeLinear"):
                return None
            else:
                whole = known.reshape((1,) * (len(order) - known.ndim) + known.shape)
                inner.append(whole.transpose(np.argsort(order)))
        return order, inner

    def name(self, value: Operand, layer: str) -> str:
        """The name of a value, of an initializer where it is a constant."""
        return value if isinstance(value, str) else self.message.constant(value, f"{layer}/constant")

    def stored(self, tensor: Tensor) -> Operand:
        """What the tensor holds. Raises Refusal for one that nothing computes."""
        if tensor.index in self.values:
            return self.values[tensor.index]
        if tensor.value is not None:
            return tensor.value
        if 0 in tensor.default and not tensor.is_variable:
            return np.empty(tensor.default, TYPES.get(tensor.dtype) and tensor.dtype)
        raise Refusal(f"its input {tensor.name!r} is computed by no operator before it")


def _moved_back(pads: NDArray[Any], order: tuple[int, ...]) -> NDArray[Any]:
    """Paddings before and behind each dimension, for what a transpose by `order` makes of it."""
    moved = np.empty_like(pads)
    moved[:, list(order)] = pads
    return moved.reshape(-1)


def declare(name: str, dtype: str, shape: tuple[int, ...] | None) -> onnx.ValueInfoProto:
    """An input or output of a graph."""
    sizes = None if shape is None else [None if size < 0 else size for size in shape]
    return helper.make_tensor_value_info(name, TYPES[dtype], sizes)
