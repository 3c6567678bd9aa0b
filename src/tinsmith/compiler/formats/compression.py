"""Whole-file decompression of what joblib and gzip write, with a cap on the size of the result."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

LZMA_MEMORY = 512 << 20  # bytes; xz -9 needs 64 MiB


class CompressionError(Exception):
    """The data is damaged, too large when unpacked, or of a kind that is not read."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _zlib() -> _Decompressor:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: a zlib or a gzip header


def _lzma() -> _Decompressor:
    return lzma.LZMADecompressor(memlimit=LZMA_MEMORY)


_READ: dict[bytes, tuple[str, Callable[[], _Decompressor]]] = {
    b"\x1f\x8b": ("gzip", _zlib),
    b"\x78\x01": ("zlib", _zlib),
    b"\x78\x5e": ("zlib", _zlib),
    b"\x78\x9c": ("zlib", _zlib),
    b"\x78\xda": ("zlib", _zlib),
    b"BZh": ("bz2", bz2.BZ2Decompressor),
    b"\xfd7zXZ\x00": ("xz", _lzma),
    b"\x5d\x00\x00": ("lzma", _lzma),
}

_REFUSED = {
    b"\x04\x22\x4d\x18": "compressed with lz4, which is not read; save it again with compress=3 (zlib)",
    b"\x28\xb5\x2f\xfd": "compressed with zstd, which is not read; save it again with compress=3 (zlib)",
    b"ZF": "in the compressed layout of joblib before 0.10, which is not read; load and save it again "
    "with a newer joblib",
}


def kind(data: bytes) -> str | None:
    """ "gzip", "zlib", "bz2", "xz" or "lzma" by the first bytes; None for anything else."""
    return next((name for magic, (name, _) in _READ.items() if data.startswith(magic)), None)


def decompress(data: bytes, limit: int) -> bytes:
    """The content of `data`, or `data` itself where no compression is recognised.

    Raises CompressionError when it is damaged, unpacks to more than `limit` bytes or is of a known
    kind that is not read (lz4, zstd, old joblib).
    """
    for magic, text in _REFUSED.items():
        if data.startswith(magic):
            raise CompressionError(f"it is {text}")
    found = kind(data)
    if found is None:
        return data
    start = next(start for name, start in _READ.values() if name == found)
    parts: list[bytes] = []
    size = 0
    while data and kind(data) == found:
        stream = start()
        try:
            part = stream.decompress(data, limit - size + 1)
        except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError) as error:
            raise CompressionError(f"its {found} data is damaged: {error}") from None
        size += len(part)
        if size > limit:
            raise CompressionError(f"its {found} data unpacks to more than {limit} bytes")
        if not stream.eof:
            raise CompressionError(f"its {found} data is cut short")
        parts.append(part)
        data = stream.unused_data
    return b"".join(parts)
