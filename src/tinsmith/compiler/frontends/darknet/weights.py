"""The .weights file: a header and then float32 numbers in the order of the layers."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.formats.folder import LFS_POINTER
from tinsmith.errors import ClientError

Array = NDArray[np.float32]


class Weights:
    """Hands out the numbers of a file, front to back."""

    def __init__(self, path: Path, place: str) -> None:
        """Reads the header. Raises ClientError for a file that has none.

        Major, minor and revision are int32. The number of pictures trained on is 64 bits wide from version
        0.2 on, before that 32. Versions over 1000 mark matrices that lie transposed.
        """
        self.place = place
        self._size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(64)
        if start.startswith(LFS_POINTER):
            raise self._error("a Git LFS pointer, expected the weights that it stands for")
        if len(start) < 16:
            raise self._error(f"no Darknet weights: {self._size} bytes, expected a header of 16 or 20")
        major, minor, _ = struct.unpack("<3i", start[:12])
        if not 0 <= major < 10_000 or not 0 <= minor < 10_000:
            raise self._error(f"no Darknet weights: the header states version {major}.{minor}")
        self.transposed = major > 1000 or minor > 1000
        wide = major * 10 + minor >= 2 and major < 1000 and minor < 1000
        self._offset = 20 if wide else 16
        if self._size < self._offset:
            raise self._error(f"{self._size} bytes, expected a header of {self._offset}")
        count = (self._size - self._offset) // 4
        self._floats: NDArray[Any] = (
            np.memmap(path, "<f4", "r", self._offset, (count,)) if count else np.zeros(0, np.float32)
        )
        self._next = 0

    def take(self, layer: str, what: str, *shape: int) -> Array:
        """The next numbers as an array of `shape`. Raises ClientError where the file has not as many."""
        count = 1
        for size in shape:
            count *= size
        available = len(self._floats) - self._next
        if count > available:
            raise self._error(
                f"cut, or of another .cfg: {what} of {layer} are {count} numbers {list(shape)} from byte "
                f"{self._offset + 4 * self._next} on, but the file ends after {available}"
            )
        found = self._floats[self._next : self._next + count]
        self._next += count
        return np.asarray(found, np.float32).reshape(shape)

    def warnings(self) -> list[str]:
        """What to tell the customer after the last layer has got its numbers."""
        left = self._size - self._offset - 4 * self._next
        if not left:
            return []
        return [f"{self.place}: {left} bytes behind the weights of the last layer are not used"]

    def _error(self, text: str) -> ClientError:
        return ClientError("InputConfiguration", f"{self.place}: {text}")
