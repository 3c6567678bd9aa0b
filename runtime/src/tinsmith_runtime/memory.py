"""Where the elements of arrays lie."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import addressof, c_char
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NO_PLAIN_BUFFER = (TypeError, ValueError, BufferError)
"""Read-only, empty, with gaps, of a type that buffers have no name for, or no array."""

Span = tuple[str, int, int]
"""What an array is called, address of its first byte and of the one behind its last."""


def address(array: Any) -> int:
    """Of the element at index 0. A buffer gives it much sooner than numpy's `ctypes` attribute."""
    try:
        return addressof(c_char.from_buffer(array))
    except _NO_PLAIN_BUFFER:
        return int(array.ctypes.data)


def span(what: str, array: NDArray[Any]) -> Span:
    """Of an array of any strides."""
    first = last = address(array)
    for axis in range(array.ndim):
        reach = (array.shape[axis] - 1) * array.strides[axis]
        first, last = first + min(0, reach), last + max(0, reach)
    return what, first, last + array.itemsize if array.size else first


def readable(array: Any, copies: list[NDArray[Any]]) -> int:
    """Address of the elements in order and without gaps, where they lie if they are so; else of a copy, which
    `copies` keeps alive."""
    try:
        return addressof(c_char.from_buffer(array))
    except _NO_PLAIN_BUFFER:
        plain = np.asarray(array, order="C")
        copies.append(plain)
        return int(plain.ctypes.data)


def overlaps(written: Sequence[Span], read: Sequence[Span]) -> list[str]:
    """Tells of every part of memory in `written` that has a byte in common with another one of either."""
    return [
        f"{name} shares memory with {other}"
        for at, (name, start, end) in enumerate(written)
        for other, first, last in (*read, *written[:at])
        if max(start, first) < min(end, last)
    ]
