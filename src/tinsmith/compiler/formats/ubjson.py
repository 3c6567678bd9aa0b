"""Universal Binary JSON, draft 12: https://ubjson.org. Numbers are big-endian."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from tinsmith.errors import ClientError

MAX_DEPTH = 64

_INTEGERS = {ord(marker): struct.Struct(">" + code) for marker, code in zip("iUIlL", "bBhiq", strict=True)}
_NUMBERS = {**_INTEGERS, ord("d"): struct.Struct(">f"), ord("D"): struct.Struct(">d")}
_DTYPES = {marker: np.dtype(layout.format) for marker, layout in _NUMBERS.items()}
_NATIVE = {marker: dtype.newbyteorder("=") for marker, dtype in _DTYPES.items()}
_CONSTANTS: dict[int, Any] = {ord("Z"): None, ord("T"): True, ord("F"): False}
_STRINGS = (ord("S"), ord("H"))
_NO_OP, _TYPE, _COUNT, _CHARACTER = b"N$#C"
_OBJECT, _OBJECT_END, _ARRAY, _ARRAY_END = b"{}[]"


class _Malformed(Exception):
    """The data is no UBJSON."""


def load(data: bytes, name: str) -> Any:
    """The value in `data`: dict, list, str, int, float, bool, None; typed arrays are numpy arrays in
    native byte order. `name` stands for the file in error texts.

    Raises ClientError ("InputConfiguration") when the data is cut short or malformed. A claimed size
    is checked against the bytes at hand before anything is allocated.
    """
    reader = _Reader(data)
    try:
        return reader.value(reader.marker(), 0)
    except (_Malformed, IndexError, struct.error, UnicodeDecodeError) as error:
        text = f"not readable as UBJSON, at byte {reader.position} of {len(data)}: {error}"
        raise ClientError("InputConfiguration", f"{name}: {text:.300}") from None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def value(self, marker: int, depth: int) -> Any:
        """The value whose type is `marker`."""
        if depth > MAX_DEPTH:
            raise _Malformed(f"values are nested more than {MAX_DEPTH} deep")
        if marker == _ARRAY:
            return self.array(depth)
        if marker in _STRINGS:
            return self.text()
        if marker == _OBJECT:
            return self.object(depth)
        layout = _NUMBERS.get(marker)
        if layout is not None:
            self.position += layout.size
            return layout.unpack_from(self.data, self.position - layout.size)[0]
        if marker == _CHARACTER:
            return self.take(1).decode("latin-1")
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        raise _Malformed(f"{bytes((marker,))!r} is not a type")

    def object(self, depth: int) -> dict[str, Any]:
        """The rest of an object."""
        kind, count = self.header()
        found: dict[str, Any] = {}
        while count is None or len(found) < count:
            if count is None and self.data[self.position] == _OBJECT_END:
                self.position += 1
                break
            key = self.text()
            if key in found:
                raise _Malformed(f"the key {key!r:.40} comes twice")
            found[key] = self.value(self.marker() if kind is None else kind, depth + 1)
        return found

    def array(self, depth: int) -> Any:
        """The rest of an array."""
        kind, count = self.header()
        if count is None:
            items = []
            while (marker := self.marker()) != _ARRAY_END:
                items.append(self.value(marker, depth + 1))
            return items
        if kind in _DTYPES:
            dtype = _DTYPES[kind]
            return np.frombuffer(self.take(count * dtype.itemsize), dtype).astype(_NATIVE[kind])
        if kind in _CONSTANTS and count <= len(self.data):  # takes no bytes, and so is bounded by all of them
            return [_CONSTANTS[kind]] * count
        self.claim(count)
        return [self.value(self.marker() if kind is None else kind, depth + 1) for _ in range(count)]

    def header(self) -> tuple[int | None, int | None]:
        """Type and count of an optimised container, None for what it leaves out."""
        kind, first = None, self.data[self.position]
        if first == _TYPE:
            kind = self.data[self.position + 1]
            self.position += 2
            if self.data[self.position] != _COUNT:
                raise _Malformed("a typed container has no count")
        elif first != _COUNT:
            return None, None
        self.position += 1
        return kind, self.length()

    def length(self) -> int:
        """A non-negative integer with its type marker."""
        marker = self.data[self.position]
        layout = _INTEGERS.get(marker)
        if layout is None:
            raise _Malformed(f"a length has the type {bytes((marker,))!r}")
        value: int = layout.unpack_from(self.data, self.position + 1)[0]
        if value < 0:
            raise _Malformed(f"a length of {value}")
        self.position += 1 + layout.size
        return value

    def text(self) -> str:
        """A length and that many bytes of UTF-8."""
        return self.take(self.length()).decode("utf-8", "surrogateescape")

    def marker(self) -> int:
        """The next type marker that means something."""
        while self.data[self.position] == _NO_OP:
            self.position += 1
        self.position += 1
        return self.data[self.position - 1]

    def claim(self, count: int) -> None:
        """Refuse `count` values that the remaining bytes cannot hold; each takes one at least."""
        left = len(self.data) - self.position
        if count > left:
            raise _Malformed(f"{count} values or bytes are announced, {left} bytes are left")

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        start = self.position
        found = self.data[start : start + size]
        if len(found) != size:
            self.claim(size)
        self.position = start + size
        return found
