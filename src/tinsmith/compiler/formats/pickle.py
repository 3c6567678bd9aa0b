"""Read pickles and joblib files of any library version; nothing in the file is imported or executed.

Classes become `Record`s, numpy arrays and scalars become themselves, plain containers too. Compressed
files (gzip, zlib, bz2, xz, lzma) are recognised by content. Size and shape claims are checked against
the bytes at hand before anything is allocated.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from tinsmith.compiler.formats.compression import CompressionError, decompress
from tinsmith.compiler.formats.pickle_machine import Machine
from tinsmith.compiler.formats.pickle_objects import Dtype, Global, MalformedPickle, Record
from tinsmith.errors import ClientError

__all__ = ["Dtype", "Global", "Record", "load", "load_from", "looks_like"]

MAX_UNPACKED = 4 << 30  # bytes
MAX_RATIO = 400  # unpacked to packed; real forests reach about 20
_SMALL = 64 << 20  # bytes; the ratio only matters above this

# What data that contradicts itself provokes in the code that takes it at its word.
_CONTRADICTIONS = (
    MalformedPickle,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
)


def load(source: Path | bytes, name: str | None = None, external: bool = False) -> Any:
    """The object in a pickle or joblib file, given as path or content.

    `name` stands for the file in error texts. With `external`, objects that lie outside the pickle, as the
    storages of PyTorch do, are Records named `persistent_id`. Raises ClientError ("InputConfiguration") when
    the file is truncated, damaged, too large when unpacked, or of a kind that is not read.
    """
    name = name or (source.name if isinstance(source, Path) else "pickle")
    data = source.read_bytes() if isinstance(source, Path) else source
    try:
        data = decompress(data, min(MAX_UNPACKED, max(_SMALL, MAX_RATIO * len(data))))
    except CompressionError as error:
        raise ClientError("InputConfiguration", f"{name}: {error}") from None
    if not data:
        raise ClientError("InputConfiguration", f"{name}: the file is empty")
    return load_from(data, 0, name, external)[0]


def load_from(data: bytes, position: int, name: str, external: bool = True) -> tuple[Any, int]:
    """The object pickled at `position` of `data` and the position behind it. Raises ClientError as `load`."""
    machine = Machine(data, position, external=external)
    try:
        return machine.run(), machine.position
    except _CONTRADICTIONS as error:
        text = str(error) if isinstance(error, MalformedPickle) else f"{type(error).__name__}: {error}"
        raise ClientError(
            "InputConfiguration",
            f"{name}: not a readable pickle, at byte {machine.position} of {len(data)}: {text:.300}",
        ) from None


def looks_like(data: bytes) -> bool:
    """Whether uncompressed `data` starts as a binary pickle (protocol 2 or later) does."""
    return len(data) > 2 and data[0] == 0x80 and 2 <= data[1] <= 5
