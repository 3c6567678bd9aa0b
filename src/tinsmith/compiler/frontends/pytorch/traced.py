"""The inputs that torch.jit.trace was called with: shapes and types lie next to the module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tinsmith.compiler.formats.pickle import Global, Record, load
from tinsmith.compiler.formats.pickle_machine import EXTERNAL

STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_REBUILD = "torch._utils._rebuild_tensor"
_TAG = "torch.jit._pickle.restore_type_tag"


@dataclass(frozen=True)
class TracedInput:
    """One tensor."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


def traced_inputs(data: bytes, place: str) -> tuple[TracedInput, ...] | None:
    """The tensors, in order, that forward was traced with; None where the pickle `data` tells something else.

    Raises ClientError for a damaged pickle.
    """
    methods = _plain(load(data, f"{place}: traced_inputs.pkl", external=True))
    inputs = _plain(methods.get("forward")) if isinstance(methods, dict) else None
    try:
        return tuple(_tensors(inputs)) if isinstance(inputs, list | tuple) else None
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    """`value` without the tag of its TorchScript type."""
    while isinstance(value, Record) and value.name == _TAG and value.args:
        value = value.args[0]
    return value


def _tensors(value: Any) -> Iterator[TracedInput]:
    """Raises ValueError for what is no tensor and no list of such."""
    value = _plain(value)
    if isinstance(value, Record) and value.name.startswith(_REBUILD) and len(value.args) > 2:
        yield TracedInput(_dtype(value.args[0]), _shape(value.args[2]))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    else:
        raise ValueError(value)


def _dtype(storage: Any) -> str:
    """By the storage class, ("storage", class, key, device, count)."""
    identity = storage.args[0] if isinstance(storage, Record) and storage.name == EXTERNAL else None
    if not isinstance(identity, tuple) or len(identity) < 2 or not isinstance(identity[1], Global):
        raise ValueError(storage)
    found = STORAGES.get(identity[1].name.rpartition(".")[2])
    if found is None:
        raise ValueError(storage)
    return found


def _shape(sizes: Any) -> tuple[int, ...]:
    if not isinstance(sizes, tuple) or not all(type(size) is int and 0 < size < 2**31 for size in sizes):
        raise ValueError(sizes)
    return sizes
