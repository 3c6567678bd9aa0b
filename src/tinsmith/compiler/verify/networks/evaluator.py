"""ONNX's reference evaluator for networks of any size: a value is forgotten after its last reader, and
weights are neither copied nor widened as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zlib import crc32

import ml_dtypes
import numpy as np
import onnx
import onnx_ir
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.draw import Draw

LARGE = 1024
"""Elements from which on a weight stays out of the message."""

DISTURBANCE = 2.0**-23
"""Of the largest number: what the roundings of a factor and a sum in float32 come to."""
ROUNDED = {"QuantizeLinear": 0, "DynamicQuantizeLinear": 0, "QLinearMatMul": 6, "QLinearConv": 6}
"""Operators that round to steps, and the input to move: the real numbers, or of an exact sum its scale."""

Weights = Mapping[str, NDArray[Any]]


def message(network: Network) -> tuple[onnx.ModelProto, Weights]:
    """The graph as a protobuf message in which the large weights are external data without a file, and those
    weights by name."""
    graph = network.graph.graph
    large = [value for value in graph.initializers.values() if _elements(value) > LARGE]
    contents = {value: value.const_value for value in large}
    weights = {value.name or "": tensor.numpy() for value, tensor in contents.items() if tensor is not None}
    try:
        for value, tensor in contents.items():
            assert tensor is not None
            value.const_value = onnx_ir.ExternalTensor(
                location="weights",
                offset=None,
                length=None,
                dtype=tensor.dtype,
                shape=onnx_ir.Shape(tensor.shape.numpy()),
                name=value.name or "",
            )
        return onnx_ir.serde.serialize_model(network.graph), weights
    finally:
        for value, tensor in contents.items():
            value.const_value = tensor


def _elements(value: onnx_ir.Value) -> int:
    tensor = value.const_value
    return 0 if tensor is None or tensor.dtype == onnx_ir.DataType.STRING else tensor.size


class Evaluator(ReferenceEvaluator):
    """Evaluates a graph in its own types; the bodies of loops and conditions too."""

    wide = False
    steer: Callable[[str, Any], Any] | None = None
    """Gets the name and the value of whatever a node of the graph gives, and gives what goes on in its place;
    bodies are not steered."""

    def __init__(self, proto: Any, *args: Any, weights: Weights | None = None, **options: Any) -> None:
        self._weights = weights or {}
        super().__init__(proto, *args, **options)  # type: ignore[no-untyped-call,unused-ignore]
        self._dying = _last_reads([node.onnx_node for node in self.rt_nodes_], self.output_names)

    def retrieve_external_data(self, initializer: onnx.TensorProto) -> NDArray[Any]:
        """The weight itself: whoever reads it makes no copy."""
        return self._weights[initializer.name]

    def run(  # type: ignore[override,unused-ignore]
        self,
        output_names: Any,
        feed_inputs: dict[str, Any],
        attributes: dict[str, Any] | None = None,
        **_: Any,
    ) -> list[Any]:
        """The outputs `output_names` (None: all) for the inputs by name."""
        known: dict[str, Any] = {"": None, **self.rt_inits_, **feed_inputs}
        for node, dying in zip(self.rt_nodes_, self._dying, strict=True):
            options: dict[str, Any] = {}
            if node.has_linked_attribute and attributes:
                options["linked_attributes"] = attributes
            if node.need_context():
                options["context"] = known
            outputs = node.run(*self._inputs(node, known), **options)
            for name, value in zip(node.output, outputs, strict=False):
                known[name] = value if self.steer is None else self.steer(name, value)
            for name in dying:
                known.pop(name, None)
        return [self._read(known[name]) for name in (output_names or self.output_names)]

    def _inputs(self, node: Any, known: Mapping[str, Any]) -> list[Any]:
        return [self._read(known[name]) for name in node.input]

    def _read(self, value: Any) -> Any:
        return widened(value) if self.wide and isinstance(value, np.ndarray | np.generic) else value


class WideEvaluator(Evaluator):
    """Evaluates a graph that `widen` made: every float of fewer bits is float64 where it is read."""

    wide = True


class DisturbedEvaluator(WideEvaluator):
    """The same, but for what is rounded to steps of a quantised number: that is moved by chance, each number
    on its own, by as much as arithmetic in float32 may be off."""

    turn = 0
    """Others are moved otherwise."""

    def _inputs(self, node: Any, known: Mapping[str, Any]) -> list[Any]:
        inputs = super()._inputs(node, known)
        place = ROUNDED.get(node.onnx_node.op_type)
        if place is not None:
            seed = crc32(f"{self.turn}/{node.onnx_node.output[0]}".encode())
            inputs[place] = disturbed(inputs[place], seed)
        return inputs


class DisturbedAgain(DisturbedEvaluator):
    """In another way."""

    turn = 1


def disturbed(array: NDArray[Any], seed: int, most: float = DISTURBANCE) -> NDArray[Any]:
    """Every number moved by at most `most` of the largest."""
    size = np.abs(array)
    reach = most * size[np.isfinite(size)].max(initial=0.0)
    moved: NDArray[Any] = array + reach * (2 * Draw(seed).uniform(np.shape(array)) - 1)
    return moved


def widened(array: Any) -> Any:
    """`array`, in float64 where it is of a narrower type that graphs compute in."""
    narrow = array.dtype in (np.float16, np.float32, ml_dtypes.bfloat16)
    return array.astype(np.float64) if narrow else array


def _last_reads(nodes: list[onnx.NodeProto], outputs: list[str]) -> list[list[str]]:
    """Per node, the names that no later node and no output reads, and that it reads or makes."""
    needed = {*outputs, ""}
    dying: list[list[str]] = []
    for node in reversed(nodes):
        names = dict.fromkeys([*_read_names(node), *node.output])
        dying.append([name for name in names if name not in needed])
        needed.update(names)
    return dying[::-1]


def _read_names(node: onnx.NodeProto) -> Iterator[str]:
    """All that `node` may read: its inputs, and whatever its bodies mention."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            yield from (value.name for value in graph.output)
            for inner in graph.node:
                yield from _read_names(inner)
