"""The .params file: MXNet's list of arrays.

    uint64 0x112, uint64 0, uint64 count, arrays, uint64 count, names (uint64 length and bytes each)

An array begins with a mark of its version. Before the first, it began with its number of dimensions, whose
sizes are 32 bits wide there and 64 in all later versions.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.formats.folder import LFS_POINTER
from tinsmith.compiler.shaping.findings import shown
from tinsmith.errors import ClientError

MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
MAX_DIMENSIONS = 32
MAX_NAME = 4096

DTYPES: dict[int, Any] = {
    0: np.float32,
    1: np.float64,
    2: np.float16,
    3: np.uint8,
    4: np.int32,
    5: np.int8,
    6: np.int64,
    7: np.bool_,
    8: np.int16,
    9: np.uint16,
    10: np.uint32,
    11: np.uint64,
    12: ml_dtypes.bfloat16,
}
"""MXNet's numbers of element types."""
_STORAGE = {1: "row_sparse", 2: "csr"}

Arrays = dict[str, NDArray[Any]]


def read(path: Path, place: str) -> Arrays:
    """The arrays of a file by name, without the prefixes `arg:` and `aux:`. Errors call the file `place`.

    Raises ClientError "InputConfiguration" for a file that is no list of arrays, is cut, has arrays without
    names or names without arrays, and for sparse arrays.
    """
    if not path.stat().st_size:
        raise ClientError("InputConfiguration", f"{place}: the file is empty, expected MXNet parameters")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _List(content, place).arrays()


class _List:
    """Reads one file front to back."""

    def __init__(self, content: mmap.mmap, place: str) -> None:
        self._content = content
        self._place = place
        self._offset = 0

    def arrays(self) -> Arrays:
        if self._content[: len(LFS_POINTER)] == LFS_POINTER:
            raise self._error("a Git LFS pointer, expected the parameters that it stands for")
        magic, _ = self._take("<QQ", "its header")
        if magic != MAGIC:
            raise self._error(f"no MXNet parameters: it begins with {magic:#x}, expected {MAGIC:#x}")
        (count,) = self._take("<Q", "the number of arrays")
        if count > len(self._content) // 4:
            raise self._error(f"{count} arrays do not fit into {len(self._content)} bytes")
        found = [self._array(index) for index in range(count)]
        (names,) = self._take("<Q", "the number of names")
        if names != count:
            raise self._error(f"{names} names for {count} arrays, expected a name for each")
        arrays: Arrays = {}
        for index, array in enumerate(found):
            name = self._name(index)
            if name in arrays:
                raise self._error(f"the array {shown(name)} is there twice")
            if array is not None:
                arrays[name] = array
        return arrays

    def _name(self, index: int) -> str:
        (length,) = self._take("<Q", f"the length of name {index}")
        if length > MAX_NAME:
            raise self._error(f"name {index} has {length} bytes, expected at most {MAX_NAME}")
        try:
            name = self._bytes(length, f"name {index}").decode()
        except UnicodeDecodeError as error:
            raise self._error(f"name {index} is no UTF-8 text") from error
        return name[4:] if name.startswith(("arg:", "aux:")) else name

    def _array(self, index: int) -> NDArray[Any] | None:
        """None for an array that was saved before it had a shape."""
        what = f"array {index}"
        (mark,) = self._take("<I", what)
        if mark in (V2, V3):
            (storage,) = self._take("<i", what)
            if storage in _STORAGE:
                raise self._error(
                    f"{what} is sparse ({_STORAGE[storage]}), which is not compiled; save it dense"
                )
            if storage:
                raise self._error(f"{what} has the storage type {storage}, expected 0 (dense)")
        if mark in (V1, V2, V3):
            (rank,) = self._take("<i", what)
            width = "q"
        else:
            rank, width = mark, "I"
        if mark == V3 and rank == -1:
            return None
        if not 0 <= rank <= MAX_DIMENSIONS:
            raise self._error(f"{what} has {rank} dimensions, expected at most {MAX_DIMENSIONS}")
        shape = self._take(f"<{rank}{width}", what)
        if not rank and mark != V3:
            return None
        return self._elements(what, shape)

    def _elements(self, what: str, shape: tuple[int, ...]) -> NDArray[Any]:
        _, _, number = self._take("<iii", what)
        if number not in DTYPES:
            raise self._error(f"{what} has the element type {number}, expected 0 to {max(DTYPES)}")
        if any(size < 0 for size in shape):
            raise self._error(f"{what} has the shape {list(shape)}, expected no size below zero")
        dtype = np.dtype(DTYPES[number])
        count = 1
        for size in shape:
            count *= size
        content = self._bytes(count * dtype.itemsize, f"{what} of shape {list(shape)}")
        return np.frombuffer(content, dtype).reshape(shape)

    def _take(self, form: str, what: str) -> tuple[Any, ...]:
        return struct.unpack(form, self._bytes(struct.calcsize(form), what))

    def _bytes(self, count: int, what: str) -> bytes:
        start, self._offset = self._offset, self._offset + count
        if self._offset > len(self._content):
            raise self._error(
                f"cut or damaged: {what} has {count} bytes from byte {start} on, but the file ends at byte "
                f"{len(self._content)}"
            )
        return self._content[start : self._offset]

    def _error(self, text: str) -> ClientError:
        return ClientError("InputConfiguration", f"{self._place}: {text}")
