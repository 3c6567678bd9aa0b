"""The calls that are made to a compiled library, and the files that carry them to and from the runner."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.errors import InternalError

ABI = 1
MARGIN = 1
"""TINSMITH_MARGIN of tinsmith.h."""
BATCHES = (
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    15,
    16,
    17,
    31,
    32,
    33,
    63,
    64,
    65,
    127,
    128,
    129,
    255,
    256,
    257,
    511,
    512,
    513,
)
"""Rows per call: odd numbers, and both sides of every power of two that a block of rows may have."""
PADDING = 3
"""Elements between rows in the calls that leave a gap."""
_ELEMENT_TYPES = {1: "float32", 11: "float64"}


@dataclass(frozen=True)
class Interface:
    """What a library says about itself."""

    features: int
    outputs: int
    """Columns of a prediction."""
    margins: int
    """Columns of a margin."""
    dtype: str
    """Of both."""


@dataclass(frozen=True)
class Call:
    """One tinsmith_predict: `count` rows from row number `first` on."""

    first: int
    count: int
    gap: bool = False
    """The rows lie PADDING elements apart, not end to end."""
    margin: bool = False


@dataclass(frozen=True)
class Answer:
    """What the library gave for one Call."""

    call: Call
    status: int
    out: NDArray[Any]
    """(count, columns); empty unless status is 0."""


def make_calls(total: int) -> list[Call]:
    """Calls for all `total` rows at once, with and without gaps, and for parts of them in batches of every
    size; each for the prediction and for the margin."""
    calls = [Call(0, total, gap, margin) for gap in (False, True) for margin in (False, True)]
    first = 0
    for number, count in enumerate(size for size in BATCHES if size <= total):
        first = 0 if first + count > total else first
        calls += [Call(first, count, number % 2 == 1, margin) for margin in (False, True)]
        first += count
    return calls


def make_dlr_calls(total: int) -> list[Call]:
    """Of those, the ones that DLR's interface can express."""
    return [call for call in make_calls(total) if not call.gap and not call.margin]


def write_plan(rows: NDArray[np.float32], calls: Sequence[Call], path: Path) -> None:
    """Writes what c/runner.c reads: every row twice, end to end and with gaps (filled with NaN)."""
    count, width = rows.shape
    spread = np.full((count, width + PADDING), np.nan, np.float32)
    spread[:, :width] = rows
    elements = np.concatenate([rows.ravel(), spread.ravel()]).astype("<f4")
    with path.open("wb") as sink:
        sink.write(struct.pack("<qq", len(calls), elements.size))
        for call in calls:
            stride = width + PADDING if call.gap else width
            start = (rows.size if call.gap else 0) + call.first * stride
            sink.write(struct.pack("<qqqq", start, call.count, stride, MARGIN if call.margin else 0))
        sink.write(elements.tobytes())


def read_answers(path: Path, calls: Sequence[Call], interface: Interface) -> list[Answer]:
    """Reads what c/runner.c wrote. Raises InternalError when the library has another interface."""
    data = path.read_bytes()
    facts = struct.Struct("<5q")
    if len(data) < facts.size:
        raise InternalError("verification: the library gave no answer")
    abi, features, outputs, margins, element = facts.unpack_from(data)
    found = Interface(features, outputs, margins, _ELEMENT_TYPES.get(element, "unknown"))
    if abi != ABI or found != interface:
        raise InternalError(
            f"verification: the library has ABI {abi} and {found}; its model ABI {ABI} and {interface}"
        )
    dtype = np.dtype(interface.dtype).newbyteorder("<")
    try:
        return list(_answers(data, facts.size, calls, (outputs, margins), dtype))
    except (struct.error, ValueError):
        raise InternalError("verification: the library's answers are cut off") from None


def _answers(
    data: bytes, offset: int, calls: Sequence[Call], columns: tuple[int, int], dtype: np.dtype[Any]
) -> Iterator[Answer]:
    for call in calls:
        (status,) = struct.unpack_from("<q", data, offset)
        offset += 8
        width = columns[call.margin]
        out = np.frombuffer(data, dtype, call.count * width if status == 0 else 0, offset).reshape(-1, width)
        offset += out.nbytes
        yield Answer(call, status, out)
