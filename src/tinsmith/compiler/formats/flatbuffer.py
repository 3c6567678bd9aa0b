"""FlatBuffers: tables of numbered fields, reached by offsets from one another. Every offset is checked.

A table starts with the distance back to its vtable, 16-bit words: bytes of the vtable, bytes of the table,
then for each field where in the table it lies, 0 where it has its default. Text, vectors and tables inside
are at the distance that the field holds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBERS = {
    "bool": struct.Struct("<?"),
    "int8": struct.Struct("<b"),
    "uint8": struct.Struct("<B"),
    "int16": struct.Struct("<h"),
    "uint16": struct.Struct("<H"),
    "int32": struct.Struct("<i"),
    "uint32": struct.Struct("<I"),
    "int64": struct.Struct("<q"),
    "uint64": struct.Struct("<Q"),
    "float32": struct.Struct("<f"),
}
_HEADER = 4  # bytes of the two lengths at the start of a vtable


class FlatbufferError(ValueError):
    """The bytes are no FlatBuffer, or a damaged one."""


@dataclass
class _File:
    data: memoryview
    tables: int = field(default=0)

    def number(self, kind: str, position: int) -> Any:
        form = NUMBERS[kind]
        if not 0 <= position <= len(self.data) - form.size:
            raise FlatbufferError(f"an offset leads to byte {position} of {len(self.data)}")
        return form.unpack_from(self.data, position)[0]

    def follow(self, position: int) -> int:
        """Where the distance at `position` leads."""
        return position + int(self.number("uint32", position))

    def table(self, position: int) -> Table:
        # Tables do not share bytes: more of them than fit into the file are one table read again and again.
        self.tables += 1
        if self.tables > len(self.data) // 4:
            raise FlatbufferError("tables that overlap")
        vtable = position - int(self.number("int32", position))
        size = int(self.number("uint16", vtable))
        self.number("uint16", vtable + 2)
        return Table(self, position, vtable, max(0, (size - _HEADER) // 2))


@dataclass(frozen=True)
class Table:
    """One table. Methods take the number of a field and raise FlatbufferError for one that leads nowhere."""

    _file: _File
    _start: int
    _vtable: int
    _fields: int

    def has(self, number: int) -> bool:
        """Whether the field is there."""
        return self._place(number) is not None

    def scalar(self, number: int, kind: str, default: Any) -> Any:
        """The number, of a kind of `NUMBERS`."""
        place = self._place(number)
        return default if place is None else self._file.number(kind, place)

    def vector(self, number: int, kind: str) -> NDArray[Any]:
        """A vector of numbers, read-only; empty where the field is not there."""
        place = self._place(number)
        if place is None:
            return np.empty(0, kind)
        start, count = self._vector(place, np.dtype(kind).itemsize)
        return np.frombuffer(self._file.data, np.dtype(kind).newbyteorder("<"), count, start)

    def text(self, number: int) -> str:
        """UTF-8 text; empty where the field is not there. Wrong bytes become replacement characters."""
        place = self._place(number)
        if place is None:
            return ""
        start, count = self._vector(place, 1)
        return bytes(self._file.data[start : start + count]).decode(errors="replace")

    def table(self, number: int) -> Table | None:
        """The table inside."""
        place = self._place(number)
        return None if place is None else self._file.table(self._file.follow(place))

    def tables(self, number: int) -> Iterator[Table]:
        """A vector of tables."""
        place = self._place(number)
        if place is None:
            return
        start, count = self._vector(place, 4)
        for index in range(count):
            yield self._file.table(self._file.follow(start + 4 * index))

    def _place(self, number: int) -> int | None:
        if number >= self._fields:
            return None
        offset = int(self._file.number("uint16", self._vtable + _HEADER + 2 * number))
        return self._start + offset if offset else None

    def _vector(self, place: int, size: int) -> tuple[int, int]:
        """Where the elements of `size` bytes start, and how many there are."""
        position = self._file.follow(place)
        count, start = int(self._file.number("uint32", position)), position + 4
        if start + count * size > len(self._file.data):
            raise FlatbufferError(f"a vector of {count} elements ends behind the file")
        return start, count


def root(data: memoryview, identifier: bytes) -> Table:
    """The outermost table of a file that has `identifier` as its bytes 4 to 7."""
    if bytes(data[4:8]) != identifier:
        raise FlatbufferError(f"bytes 4 to 7 are {bytes(data[4:8])!r}, expected {identifier!r}")
    file = _File(data)
    return file.table(file.follow(0))
