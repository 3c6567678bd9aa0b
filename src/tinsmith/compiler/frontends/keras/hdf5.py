"""HDF5 files: groups, attributes and arrays, with nothing taken on trust."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tinsmith.compiler.shaping.builder import Array
from tinsmith.errors import ClientError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_BYTES = 2**33
"""Of one array."""

_KINDS = {"bool": "b", "integer": "iu", "float": "f"}


@contextmanager
def opened(path: Path, place: str) -> Iterator[h5py.File]:
    """The HDF5 file `path`, called `place` in errors. Whatever the library cannot read is a ClientError."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, UnicodeError, OverflowError, MemoryError) as error:
        text = f"{place}: damaged HDF5 file: {type(error).__name__}: {str(error)[:300]}"
        raise ClientError("InputConfiguration", text) from error


def text_attribute(group: h5py.Group, name: str) -> str | None:
    """A text that stands at `group`; None where there is none."""
    value = group.attrs.get(name)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def names(group: h5py.Group, name: str) -> list[str]:
    """A list of names that stands at `group`: in one attribute, or in several when it is long."""
    found = group.attrs.get(name)
    if found is None:
        parts: list[Array] = []
        while f"{name}{len(parts)}" in group.attrs:
            parts.append(np.asarray(group.attrs[f"{name}{len(parts)}"]))
    else:
        parts = [np.asarray(found)]
    return [_text(item) for part in parts for item in part.reshape(-1).tolist()]


def subgroup(group: h5py.Group, name: str) -> h5py.Group | None:
    """The group `name` inside `group`, if it is stored there itself."""
    found = _stored(group, name)
    return found if isinstance(found, h5py.Group) else None


def array(group: h5py.Group, name: str) -> Array | None:
    """The array `name` inside `group`; None where there is none.

    Raises ValueError for what is no array of numbers in the file itself.
    """
    found = _stored(group, name)
    if found is None:
        return None
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"{name} is no array")
    if found.external or found.is_virtual:
        raise ValueError(f"the content of {name} is in another file")
    if found.dtype.kind not in "biuf" or found.shape is None:
        raise ValueError(f"{name} is of the type {found.dtype}, expected numbers")
    if math.prod(found.shape) * found.dtype.itemsize > MAX_BYTES:
        raise ValueError(f"{name} of shape {list(found.shape)} has more than {MAX_BYTES} bytes")
    content: Array = np.asarray(found[()])
    return content.astype(content.dtype.newbyteorder("="), copy=False)


def _stored(group: h5py.Group, name: str) -> Any:
    """What `name` is, unless a link on the way leads to another place."""
    found: Any = group
    for part in name.split("/"):
        if not isinstance(found, h5py.Group) or not part or part not in found:
            return None
        if not isinstance(found.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link to another place")
        found = found[part]
    return found


def _text(item: Any) -> str:
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
