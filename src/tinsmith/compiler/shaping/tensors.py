"""The tensors inside a model file: checked, and the large ones taken out of the protobuf message.

The message without its weights is small: it can be copied, rewritten and handed to shape inference at no
cost. A tensor that was taken out leaves its name, type and dimensions and, as location of external data, the
key under which `Weights` has its content.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
from onnx import TensorProto

from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.graphs import graphs, node_name, subgraphs
from tinsmith.spec.data_input import MAX_RANK

KEPT = 1024
"""Elements up to which a tensor stays in the message: shapes, axes, scales."""

_TYPED_FIELDS = {
    "float_data": {"FLOAT", "COMPLEX64"},
    "double_data": {"DOUBLE", "COMPLEX128"},
    "int64_data": {"INT64"},
    "uint64_data": {"UINT64", "UINT32"},
    "string_data": {"STRING"},
}  # every other type is stored in int32_data

_TYPES = frozenset(map(int, onnx_ir.DataType)) - {TensorProto.UNDEFINED}

Weights = dict[str, onnx_ir.TensorProtocol]
"""Tensors that were taken out, by the location that their stub names."""


def is_type(number: int) -> bool:
    """Whether `number` is that of an element type."""
    return number in _TYPES


class Tensors:
    """Checks the tensors of one model and takes the large ones out."""

    def __init__(self, folder: Path, findings: Findings) -> None:
        self.weights: Weights = {}
        self.files: set[str] = set()
        """Files of external data, relative to `folder`."""
        self._folder = folder
        self._findings = findings

    def detach_all(self, model: onnx.ModelProto) -> None:
        """Checks every tensor of `model` and takes the content of large ones out of it."""
        for graph in graphs(model.graph):
            self._detach_from(graph)
        for function in model.functions:
            for index, node in enumerate(function.node):
                self._detach_from_node(node, index)
                for inner in subgraphs(node):
                    for graph in graphs(inner):
                        self._detach_from(graph)

    def _detach_from(self, graph: onnx.GraphProto) -> None:
        for tensor in graph.initializer:
            self._note(self._detach(tensor), f"the initializer {shown(tensor.name)}")
        for index, node in enumerate(graph.node):
            self._detach_from_node(node, index)

    def _detach_from_node(self, node: onnx.NodeProto, index: int) -> None:
        for attribute in node.attribute:
            for tensor in [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]:
                self._note(
                    self._detach(tensor), f"{node_name(node, index)}: the tensor {shown(attribute.name)}"
                )

    def _note(self, problem: str | None, owner: str) -> None:
        if problem:
            self._findings.damaged(f"{owner}: {problem}")

    def _detach(self, tensor: TensorProto) -> str | None:
        problem = _header_problem(tensor)
        if problem:
            return problem
        count = math.prod(tensor.dims)
        dtype = onnx_ir.DataType(tensor.data_type)
        if dtype == onnx_ir.DataType.STRING:
            return None if len(tensor.string_data) == count else _disagreement(tensor, "strings", count)
        size = (count * dtype.bitwidth + 7) // 8
        if tensor.data_location == TensorProto.EXTERNAL:
            found = self._external(tensor, size)
        else:
            found = _internal(tensor, dtype, size)
        if isinstance(found, str):
            return found
        if count <= KEPT:
            _clear_content(tensor)
            tensor.raw_data = found.tobytes()
        else:
            key = str(len(self.weights))
            self.weights[key] = _tensor(found, dtype, tuple(tensor.dims), tensor.name)
            _clear_content(tensor)
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=key)
        return None

    def _external(self, tensor: TensorProto, size: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]] | str:
        """The `size` bytes of a tensor in another file, or what is wrong with it."""
        fields = {entry.key: entry.value for entry in tensor.external_data}
        location = fields.get("location", "")
        path = self._inside(location)
        if path is None:
            return (
                f"its external data is in {shown(location)}, expected a plain file below the folder of the "
                "model, without links"
            )
        offset, length = (
            _number(fields.get(key, default)) for key, default in (("offset", "0"), ("length", ""))
        )
        available = path.stat().st_size
        if offset is None or (length is None and fields.get("length")):
            return "the offset and length of its external data are no whole numbers of bytes"
        if length is None:
            length = available - offset
        if length != size:
            return f"its external data has {length} bytes, expected {size} for {_described(tensor)}"
        if offset + length > available:
            return (
                f"its external data ends at byte {offset + length} of {shown(location)}, "
                f"which has {available} bytes"
            )
        self.files.add(path.relative_to(self._folder).as_posix())
        if size == 0:
            return np.zeros(0, np.uint8)
        return np.memmap(path, np.uint8, "r", offset, (size,))

    def _inside(self, location: str) -> Path | None:
        parts = location.split("/")
        if "\\" in location or "\0" in location or ".." in parts or location.startswith("/"):
            return None
        path = self._folder
        for part in parts:
            path = path / part
            if len(part) > 255 or path.is_symlink():
                return None
        return path if path.is_file() else None


def _header_problem(tensor: TensorProto) -> str | None:
    if not is_type(tensor.data_type):
        return f"its data_type is {tensor.data_type}, which is no known type of ONNX"
    if len(tensor.dims) > MAX_RANK:
        return f"it has {len(tensor.dims)} dimensions, expected at most {MAX_RANK}"
    if any(size < 0 for size in tensor.dims):
        return f"its dims are {_dims(tensor)}, expected none below zero"
    if tensor.HasField("segment"):
        return "it is stored in segments, which no exporter writes and nothing here reads"
    return None


def _internal(
    tensor: TensorProto, dtype: onnx_ir.DataType, size: int
) -> np.ndarray[tuple[int], np.dtype[np.uint8]] | str:
    """The `size` bytes of a tensor in the message, little-endian and packed, or what is wrong with it."""
    present = [name for name in (*_TYPED_FIELDS, "int32_data") if len(getattr(tensor, name))]
    if tensor.HasField("raw_data"):
        present.append("raw_data")
    if len(present) > 1:
        return f"it is stored twice: in {' and '.join(present)}"
    own = next((name for name, types in _TYPED_FIELDS.items() if dtype.name in types), "int32_data")
    if present and present[0] not in ("raw_data", own):
        return f"it is stored in {present[0]}, expected {own} or raw_data for the type {dtype.name}"
    content = onnx_ir.serde.TensorProtoTensor(tensor).tobytes()
    if len(content) != size:
        return _disagreement(tensor, "bytes", size, len(content))
    return np.frombuffer(content, np.uint8)


def _tensor(
    content: np.ndarray[tuple[int], np.dtype[np.uint8]],
    dtype: onnx_ir.DataType,
    shape: tuple[int, ...],
    name: str,
) -> onnx_ir.TensorProtocol:
    if dtype.bitwidth < 8:
        return onnx_ir.PackedTensor(content, dtype, shape=shape, name=name)
    return onnx_ir.Tensor(content.view(dtype.numpy()).reshape(shape), dtype, name=name)


def _clear_content(tensor: TensorProto) -> None:
    for name in (*_TYPED_FIELDS, "int32_data", "raw_data", "external_data", "data_location"):
        tensor.ClearField(name)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _disagreement(tensor: TensorProto, unit: str, expected: int, found: int | None = None) -> str:
    found = len(tensor.string_data) if found is None else found
    return f"it has {found} {unit}, expected {expected} for {_described(tensor)}"


def _described(tensor: TensorProto) -> str:
    return f"{onnx_ir.DataType(tensor.data_type).name} {_dims(tensor)}"


def _dims(tensor: TensorProto) -> str:
    return str(list(tensor.dims))
