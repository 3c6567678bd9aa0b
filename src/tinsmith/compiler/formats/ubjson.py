"""Universal Binary JSON, draft 12: https://ubjson.org. Numbers are big-endian."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from tinsmith.errors import ClientError

MAX_DEPTH = 64

_NUMBERS = {
    ord("i"): ">i1",
    ord("U"): ">u1",
    ord("I"): ">i2",
    ord("l"): ">i4",
    ord("L"): ">i8",
    ord("d"): ">f4",
    ord("D"): ">f8",
}
_DTYPES = {marker: np.dtype(code) for marker, code in _NUMBERS.items()}
_CONSTANTS: dict[int, Any] = {ord("Z"): None, ord("T"): True, ord("F"): False}
_NO_OP = ord("N")
_TYPE, _COUNT = ord("$"), ord("#")


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
    except (_Malformed, IndexError, UnicodeDecodeError, MemoryError) as error:
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
        if marker == ord("{"):
            return self.object(depth)
        if marker == ord("["):
            return self.array(depth)
        if marker in _DTYPES:
            return self.number(marker)
        if marker in (ord("S"), ord("H")):
            return self.take(self.length()).decode("utf-8", "surrogateescape")
        if marker == ord("C"):
            return self.take(1).decode("latin-1")
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        raise _Malformed(f"{bytes((marker,))!r} is not a type")

    def object(self, depth: int) -> dict[str, Any]:
        """The rest of an object."""
        kind, count = self.header()
        found: dict[str, Any] = {}
        while count is None or len(found) < count:
            if count is None and self.peek() == ord("}"):
                self.position += 1
                break
            key = self.take(self.length()).decode("utf-8", "surrogateescape")
            if key in found:
                raise _Malformed(f"the key {key!r:.40} comes twice")
            found[key] = self.value(self.marker() if kind is None else kind, depth + 1)
        return found

    def array(self, depth: int) -> Any:
        """The rest of an array."""
        kind, count = self.header()
        if count is None:
            items = []
            while (marker := self.marker()) != ord("]"):
                items.append(self.value(marker, depth + 1))
            return items
        if kind in _DTYPES:
            dtype = _DTYPES[kind]
            flat = np.frombuffer(self.take(count * dtype.itemsize), dtype)
            return flat.astype(dtype.newbyteorder("="))
        self.claim(count)
        return [self.value(self.marker() if kind is None else kind, depth + 1) for _ in range(count)]

    def header(self) -> tuple[int | None, int | None]:
        """Type and count of an optimised container, None for what it leaves out."""
        kind = None
        if self.peek() == _TYPE:
            self.position += 1
            kind = self.marker()
            if self.peek() != _COUNT:
                raise _Malformed("a typed container has no count")
        if self.peek() != _COUNT:
            return None, None
        self.position += 1
        return kind, self.length()

    def length(self) -> int:
        """A non-negative integer with its type marker."""
        marker = self.marker()
        if marker not in _DTYPES or marker in b"dD":
            raise _Malformed(f"a length has the type {bytes((marker,))!r}")
        value = int(self.number(marker))
        if value < 0:
            raise _Malformed(f"a length of {value}")
        return value

    def number(self, marker: int) -> int | float:
        """The number of the type `marker`."""
        code = {"i1": "b", "u1": "B", "i2": "h", "i4": "i", "i8": "q", "f4": "f", "f8": "d"}
        layout = ">" + code[_NUMBERS[marker][1:]]
        value: int | float = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def marker(self) -> int:
        """The next type marker that means something."""
        while self.peek() == _NO_OP:
            self.position += 1
        self.position += 1
        return self.data[self.position - 1]

    def peek(self) -> int:
        """The next byte, not taken."""
        return self.data[self.position]

    def claim(self, count: int) -> None:
        """Refuse `count` values that the remaining bytes cannot hold; each takes one at least."""
        left = len(self.data) - self.position
        if count > left:
            raise _Malformed(f"{count} values or bytes are announced, {left} bytes are left")

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        self.claim(size)
        self.position += size
        return self.data[self.position - size : self.position]
