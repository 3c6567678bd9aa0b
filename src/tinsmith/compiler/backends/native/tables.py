"""The one binary file of a model's tables, and the constants that say where each begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64
"""Bytes; a vector of the widest kernel."""


class Tables:
    """Sections of little-endian numbers, each aligned to 64 bytes, and the C constants of a model."""

    def __init__(self) -> None:
        self._sections: list[memoryview | bytes] = []
        self._size = 0
        self._constants: list[tuple[str, str, str]] = []

    def add(self, name: str, array: NDArray[Any], note: str) -> None:
        """Appends `array` and defines TS_AT_<name>, its offset in bytes."""
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        self.define(f"AT_{name}", self._size, note)
        # One spare vector at the end of a section, so that kernels may read whole vectors.
        padding = -data.nbytes % ALIGNMENT + ALIGNMENT
        self._sections += [data.reshape(-1).view(np.uint8).data, bytes(padding)]
        self._size += data.nbytes + padding

    def define(self, name: str, value: int | float | str, note: str) -> None:
        """Defines TS_<name>."""
        text = value if isinstance(value, str) else _literal(value)
        self._constants.append((f"TS_{name}", text, note))

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return self._size

    def write(self, path: Path) -> None:
        """Makes the file."""
        with path.open("wb") as sink:
            sink.writelines(self._sections or [bytes(ALIGNMENT)])

    def definitions(self) -> str:
        """The #define lines, in order."""
        return "".join(f"/* {note} */\n#define {name} {text}\n" for name, text, note in self._constants)


def bit_set(numbers: NDArray[Any]) -> int:
    """The set of small numbers as bits of an integer."""
    return sum(1 << int(number) for number in np.unique(numbers))


def _literal(value: int | float) -> str:
    if isinstance(value, float):
        if np.isnan(value):
            return '__builtin_nan("")'
        if np.isinf(value):
            return "__builtin_inf()" if value > 0 else "(-__builtin_inf())"
        return f"({value.hex()})"
    return str(value)
