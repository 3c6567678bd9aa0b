"""Deterministic tar.gz: the same files give the same bytes on any machine and day."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tarfile
import zlib
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

Content = bytes | Path
"""A file's bytes, or where they are."""

_GZIP_HEADER = b"\x1f\x8b\x08\x00" + struct.pack("<I", 0) + b"\x00\xff"
"""Deflate, no name, time 0, unknown operating system."""
_LAST_BLOCK = b"\x03\x00"
"""Of a deflate stream: nothing more."""
_BLOCK = 1 << 20
_MOST_PENDING = 32
"""Blocks that may wait for those before them."""
_SAMPLE = 1 << 12
"""Bytes of every 16 times as many."""
_WORTH = 0.9
"""What the samples of a block must be compressed to for all of it to be compressed."""


def canonical_compression() -> bool:
    """Whether this Python compresses by the original zlib; its drop-in replacements give other bytes."""
    return "ng" not in zlib.ZLIB_RUNTIME_VERSION


def write_archive(files: Mapping[str, Content], executables: frozenset[str], path: Path) -> None:
    """Writes `files` (name in the archive -> content) as a gzip-compressed tar at `path`.

    Names are sorted; owner, group and times are 0; modes are 0755 for `executables` and 0644 for the rest.
    """
    with (
        path.open("wb") as sink,
        _Gzip(sink) as packed,
        tarfile.open(fileobj=packed, mode="w|", bufsize=_BLOCK, format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(files):
            _add(archive, name, files[name], 0o755 if name in executables else 0o644)


def file_digest(content: Content) -> str:
    """BLAKE2b-512 of a file, hex."""
    digest = hashlib.blake2b()
    if isinstance(content, bytes):
        digest.update(content)
    else:
        with content.open("rb") as source:
            while block := source.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: Content, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.mode = mode
    if isinstance(content, bytes):
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    else:
        member.size = content.stat().st_size
        with content.open("rb") as source:
            archive.addfile(member, source)


class _Gzip(io.RawIOBase):
    """A gzip stream whose header says nothing about where and when it was made.

    Every _BLOCK bytes are deflated by themselves, side by side on all processors. Those that would hardly get
    smaller, as most weights are, are stored as they are: whoever loads the artifact reads them many times
    faster.
    """

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        self._pending: deque[Future[bytes]] = deque()
        self._block = bytearray()
        self._crc = 0
        self._size = 0
        sink.write(_GZIP_HEADER)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Compresses `data`."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._block += data
        while len(self._block) >= _BLOCK:
            self._deflate(bytes(self._block[:_BLOCK]))
            del self._block[:_BLOCK]
        return len(data)

    def close(self) -> None:
        """Writes the trailer; the file below stays open."""
        if not self.closed:
            with self._pool:
                self._deflate(bytes(self._block))
                self._write_oldest(len(self._pending))
            self._sink.write(_LAST_BLOCK)
            self._sink.write(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))
        super().close()

    def _deflate(self, block: bytes) -> None:
        self._pending.append(self._pool.submit(_deflated, block))
        self._write_oldest(len(self._pending) - _MOST_PENDING)

    def _write_oldest(self, count: int) -> None:
        for _ in range(count):
            self._sink.write(self._pending.popleft().result())


def _deflated(block: bytes) -> bytes:
    """`block` as a part of a deflate stream that ends on a whole byte."""
    sample = b"".join(block[start : start + _SAMPLE] for start in range(0, len(block), 16 * _SAMPLE))
    hardly = len(zlib.compress(sample, 1)) > _WORTH * len(sample)
    packer = zlib.compressobj(0 if hardly and sample else 6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(block) + packer.flush(zlib.Z_SYNC_FLUSH)
