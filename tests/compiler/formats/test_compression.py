"""Compression is recognised by content and bounded."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable

import pytest

from tinsmith.compiler.formats.compression import CompressionError, decompress, kind

CONTENT = bytes(range(256)) * 40

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


@pytest.mark.parametrize("name", PACKERS)
def test_each_kind(name: str) -> None:
    packed = PACKERS[name](CONTENT)
    assert kind(packed) == name
    assert decompress(packed, len(CONTENT)) == CONTENT
    assert decompress(packed + packed, 2 * len(CONTENT)) == CONTENT * 2
    assert decompress(packed + b"trailing", len(CONTENT)) == CONTENT
    assert decompress(PACKERS[name](b""), 0) == b""
    with pytest.raises(CompressionError, match=f"{name} data unpacks to more than {len(CONTENT) - 1} bytes"):
        decompress(packed, len(CONTENT) - 1)
    with pytest.raises(CompressionError, match="more than"):
        decompress(packed + packed, len(CONTENT) + 1)
    with pytest.raises(CompressionError, match=r"cut short|damaged"):
        decompress(packed[:-9], len(CONTENT))
    if name != "lzma":  # has no checksum
        middle = len(packed) // 2
        with pytest.raises(CompressionError, match=r"cut short|damaged"):
            decompress(packed[:middle] + bytes(20) + packed[middle + 20 :], len(CONTENT))


@pytest.mark.parametrize("level", range(10))
def test_every_level_of_zlib_is_recognised(level: int) -> None:
    assert decompress(zlib.compress(CONTENT, level), len(CONTENT)) == CONTENT


def test_what_is_not_compressed_is_left_alone() -> None:
    for content in (b"", b"x", b"\x80\x04N.", b"{}", b"xylophone"):
        assert kind(content) is None
        assert decompress(content, 0) == content
