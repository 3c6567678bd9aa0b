"""The FlatBuffer of a TFLite file as a `Model`; what contradicts itself is noted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_dtypes import bfloat16
from numpy.typing import NDArray

from tinsmith.compiler.formats.flatbuffer import FlatbufferError, Table
from tinsmith.compiler.frontends.tflite import schema
from tinsmith.compiler.frontends.tflite.model import Model, Operator, Quantization, Subgraph, Tensor
from tinsmith.compiler.frontends.tflite.sparsity import densify
from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.spec.data_input import MAX_RANK

VERSION = 3
_OLDEST_CODES = 127
"""Numbers of operators up to here stand in a field of their own in files of old converters."""

_STORED: dict[str, Any] = {
    "bfloat16": bfloat16,
    "int4": "int8",
    "int2": "int8",
    "uint4": "uint8",
    "float8_e4m3fn": "uint8",
    "float8_e5m2": "uint8",
}
"""Types of `Tensor.value` that numpy does not know by the name of the tensor's."""

Content = memoryview | None
Code = tuple[str, bool]
"""What an operator is, and whether it is a custom one."""


def read_model(root: Table, data: memoryview, findings: Findings) -> Model:
    """The model in the outermost table of `data`. Raises FlatbufferError; other problems go to `findings`."""
    version = int(root.scalar(0, "uint32", 0))
    if version != VERSION:
        findings.damaged(f"Incompatible TFLite model: its schema has version {version}, expected {VERSION}")
    codes = [_code(table) for table in root.tables(1)]
    buffers = [_content(table, data) for table in root.tables(4)]
    subgraphs = []
    for number, table in enumerate(root.tables(2)):
        subgraphs.append(_Reader(number, codes, buffers, findings).subgraph(table))
    if not subgraphs:
        findings.damaged("the file holds no subgraph")
    signatures = list(root.tables(7))
    others = tuple(table.text(2) for table in signatures if table.scalar(4, "uint32", 0))
    return Model(version, root.text(3), tuple(subgraphs), _aliases(signatures), others)


def _code(table: Table) -> Code:
    number = int(table.scalar(3, "int32", 0))
    if number <= _OLDEST_CODES:
        number = max(number, int(table.scalar(0, "int8", 0)))
    if number == schema.CUSTOM:
        return table.text(1), True
    known = 0 <= number < len(schema.OPERATORS)
    return schema.OPERATORS[number] if known else f"operator {number}", False


def _content(table: Table, data: memoryview) -> Content:
    """The bytes of a buffer; those of large models lie behind the FlatBuffer."""
    offset, size = int(table.scalar(1, "uint64", 0)), int(table.scalar(2, "uint64", 0))
    if offset > 1:
        if offset + size > len(data):
            raise FlatbufferError(f"a buffer of {size} bytes at {offset} ends behind the file")
        return data[offset : offset + size]
    return table.vector(0, "uint8").data if table.has(0) else None


def _aliases(signatures: Sequence[Table]) -> dict[str, int]:
    return {
        entry.text(0): int(entry.scalar(1, "uint32", 0))
        for signature in signatures
        if signature.scalar(4, "uint32", 0) == 0
        for entry in signature.tables(0)
    }


class _Reader:
    """Reads one subgraph."""

    def __init__(
        self, number: int, codes: Sequence[Code], buffers: Sequence[Content], findings: Findings
    ) -> None:
        self._codes = codes
        self._buffers = buffers
        self._findings = findings
        self._place = "" if number == 0 else f"subgraph {number}: "

    def subgraph(self, table: Table) -> Subgraph:
        tensors = tuple(self._tensor(index, entry) for index, entry in enumerate(table.tables(0)))
        operators = tuple(
            self._operator(index, entry, len(tensors)) for index, entry in enumerate(table.tables(3))
        )
        inputs = self._indices(table, 1, len(tensors), "an input", optional=False)
        outputs = self._indices(table, 2, len(tensors), "an output", optional=False)
        return Subgraph(table.text(4), tensors, inputs, outputs, operators)

    def _damaged(self, text: str) -> None:
        self._findings.damaged(self._place + text)

    def _indices(
        self, table: Table, field: int, count: int, what: str, optional: bool = True
    ) -> tuple[int, ...]:
        found = tuple(map(int, table.vector(field, "int32")))
        for index in found:
            if not (-1 if optional else 0) <= index < count:
                self._damaged(f"{what} is tensor {index}, expected one of {count} tensors")
        return found

    def _tensor(self, index: int, table: Table) -> Tensor:
        name = table.text(3)
        place = f"tensor {index} {shown(name)}"
        number = int(table.scalar(1, "int8", 0))
        if not 0 <= number < len(schema.DTYPES):
            self._damaged(f"{place} is of type {number}, expected one below {len(schema.DTYPES)}")
            number = 0
        dtype = schema.DTYPES[number]
        default = tuple(map(int, table.vector(0, "int32")))
        signature = tuple(map(int, table.vector(7, "int32")))
        if len(default) > MAX_RANK or min(default, default=0) < 0:
            self._damaged(f"{place} has the shape {list(default[:MAX_RANK])}")
            default = ()
        if signature and len(signature) != len(default):
            self._damaged(f"{place} has the shapes {list(default)} and {list(signature[:MAX_RANK])}")
            signature = ()
        if table.scalar(10, "uint32", 0):
            self._findings.refused(f"{self._place}{place} lies in another file, which is not read")
        value = self._value(place, int(table.scalar(2, "uint32", 0)), dtype, default, table.table(6))
        shape = tuple(-1 if size < 0 else size for size in signature) or default
        return Tensor(
            index,
            name,
            dtype,
            default if value is not None else shape,
            default,
            value,
            self._quantization(place, table.table(4), default),
            bool(table.scalar(5, "bool", False)),
        )

    def _value(
        self, place: str, buffer: int, dtype: str, shape: tuple[int, ...], sparsity: Table | None
    ) -> NDArray[Any] | None:
        if buffer >= len(self._buffers):
            self._damaged(f"{place} is in buffer {buffer}, expected one of {len(self._buffers)}")
            return None
        content = self._buffers[buffer]
        if buffer == 0 or content is None or not len(content) or dtype in ("string", "resource", "variant"):
            return None
        elements = math.prod(shape)
        if sparsity is not None:
            return densify(np.frombuffer(content, _numpy(dtype)), shape, sparsity)
        bits = schema.PACKED.get(dtype, 8 * _numpy(dtype).itemsize)
        expected = -(-elements * bits // 8)
        if len(content) != expected:
            self._damaged(f"{place} ({dtype} {list(shape)}) has {len(content)} bytes, expected {expected}")
            return None
        if dtype in schema.PACKED:
            return _unpacked(np.frombuffer(content, np.uint8), dtype, elements).reshape(shape)
        return np.frombuffer(content, _numpy(dtype)).reshape(shape)

    def _quantization(self, place: str, table: Table | None, shape: tuple[int, ...]) -> Quantization | None:
        if table is None:
            return None
        if table.scalar(4, "uint8", 0):
            self._findings.refused(f"{self._place}{place} has scales of blocks, which are not compiled")
            return None
        scale, zero = table.vector(2, "float32"), table.vector(3, "int64")
        axis = int(table.scalar(6, "int32", 0))
        if not scale.size or not scale.any():
            return None
        if zero.size not in (0, 1, scale.size):
            self._damaged(f"{place} has {scale.size} scales and {zero.size} zero points")
            return None
        if not np.isfinite(scale).all() or scale.min() < 0:
            self._damaged(f"{place} has a scale that is no positive number")
            return None
        if scale.size > 1 and not (0 <= axis < len(shape) and shape[axis] == scale.size):
            self._damaged(f"{place} of shape {list(shape)} has {scale.size} scales along dimension {axis}")
            return None
        return Quantization(scale, np.broadcast_to(zero if zero.size else 0, scale.shape), axis)

    def _operator(self, index: int, table: Table, tensors: int) -> Operator:
        number = int(table.scalar(0, "uint32", 0))
        if number >= len(self._codes):
            self._damaged(f"operator {index} has code {number}, expected one of {len(self._codes)}")
            kind, custom = "ADD", False
        else:
            kind, custom = self._codes[number]
        place = f"operator {index} ({kind[:80]})"
        options = table.table(12 if kind in schema.SECOND_OPTIONS else 4)
        return Operator(
            index,
            kind,
            custom,
            self._indices(table, 1, tensors, f"{place}: an input"),
            self._indices(table, 2, tensors, f"{place}: an output", optional=False),
            {} if custom else _options(kind, options),
            table.vector(5, "uint8").tobytes(),
        )


def _options(kind: str, table: Table | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, number, form in schema.OPTIONS.get(kind, ()):
        default = schema.DEFAULTS.get((kind, name), 0)
        if form == "text":
            found[name] = table.text(number) if table else ""
        elif form.endswith("[]"):
            found[name] = table.vector(number, form[:-2]) if table else np.empty(0, form[:-2])
        else:
            found[name] = table.scalar(number, form, default) if table else default
    return found


def _numpy(dtype: str) -> np.dtype[Any]:
    """Of the elements as `Tensor.value` has them."""
    found: np.dtype[Any] = np.dtype(_STORED.get(dtype, dtype))
    return found


def _unpacked(content: NDArray[np.uint8], dtype: str, count: int) -> NDArray[Any]:
    bits = schema.PACKED[dtype]
    parts = [(content >> shift) & ((1 << bits) - 1) for shift in range(0, 8, bits)]
    codes = np.stack(parts, 1).reshape(-1)[:count].astype(np.int8)
    if dtype.startswith("u"):
        return codes.view(np.uint8)
    return np.where(codes >= 1 << (bits - 1), codes - (1 << bits), codes).astype(np.int8)
