"""Checkpoints of TensorFlow ("tensor bundles"): a sorted table of entries, and shards of raw bytes.

`variables.index` is a table as LevelDB writes it: blocks of key-value pairs whose keys share prefixes, a
block that indexes them, and a footer of 48 bytes that tells where that block is. The values are
BundleEntryProtos: type, shape, and where in which shard the bytes are. TensorFlow writes it uncompressed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tensorflow.messages import (
    BundleEntryProto,
    BundleHeaderProto,
    Message,
    type_name,
)
from tinsmith.compiler.frontends.tensorflow.tensors import STRING, dtype_of, shape_of
from tinsmith.errors import ClientError

FOOTER = 48
MAGIC = bytes.fromhex("57fb808b247547db")
MAX_INDEX = 256 << 20
TRAILER = 5
"""Bytes behind each block: its kind of compression and a check sum."""


class Bundle:
    """The tensors of one checkpoint, by key. Raises ClientError for a damaged one."""

    def __init__(self, index: Path, folder: Path) -> None:
        self.index = index
        self.place = index.relative_to(folder).as_posix()
        self.folder = folder
        self.files = {self.place}
        """What was read, relative to `folder`."""
        self.entries: dict[str, Message] = {}
        self._shards = 1
        try:
            self._read()
        except (ValueError, IndexError, DecodeError, UnicodeDecodeError) as error:
            text = f"{self.place}: no checkpoint index of TensorFlow, or one that was cut or damaged: {error}"
            raise ClientError("InputConfiguration", text) from error

    def tensor(self, key: str) -> NDArray[Any]:
        """The content of `key`. Raises ValueError where it is not there or damaged."""
        entry = self.entries.get(key)
        if entry is None:
            raise ValueError(f"{self.place} has no tensor {key!r}")
        dtype, shape = dtype_of(entry.dtype), shape_of(entry.shape)
        if dtype is None or shape is None or None in shape:
            raise ValueError(f"{self.place}: {key!r} has the type {type_name(entry.dtype)} and shape {shape}")
        if entry.slices:
            raise ValueError(f"{self.place}: {key!r} is partitioned into {len(entry.slices)} slices")
        sizes = tuple(size or 0 for size in shape)
        if entry.size != math.prod(sizes) * dtype.itemsize:
            raise ValueError(
                f"{self.place}: {key!r} has {entry.size} bytes, expected {math.prod(sizes) * dtype.itemsize} "
                f"for {type_name(entry.dtype)} {list(sizes)}"
            )
        return self._bytes(entry, key).view(dtype).reshape(sizes)

    def text(self, key: str) -> bytes:
        """The one string that `key` has; empty where there is none."""
        entry = self.entries.get(key)
        if entry is None or entry.dtype != STRING or entry.shape.dim:
            return b""
        content = self._bytes(entry, key).tobytes()
        length, start = _varint(content, 0)
        found = content[start + 4 : start + 4 + length]  # the lengths have a check sum of their own
        return found if len(found) == length else b""

    def _bytes(self, entry: Message, key: str) -> NDArray[np.uint8]:
        name = f"{self.index.stem}.data-{entry.shard_id:05d}-of-{self._shards:05d}"
        path = self.index.parent / name
        if not 0 <= entry.shard_id < self._shards or path.is_symlink() or not path.is_file():
            raise ValueError(f"{self.place}: {key!r} is in the file {name}, which is missing")
        size = path.stat().st_size
        if not 0 <= entry.offset <= entry.offset + entry.size <= size:
            raise ValueError(
                f"{self.place}: {key!r} ends at byte {entry.offset + entry.size} of {name}, which has {size}"
            )
        self.files.add(path.relative_to(self.folder).as_posix())
        if entry.size == 0:
            return np.zeros(0, np.uint8)
        return np.array(np.memmap(path, np.uint8, "r", entry.offset, (entry.size,)))

    def _read(self) -> None:
        if self.index.stat().st_size > MAX_INDEX:
            raise ValueError(f"it has more than {MAX_INDEX} bytes")
        content = self.index.read_bytes()
        if len(content) < FOOTER or content[-8:] != MAGIC:
            raise ValueError("the mark at its end is missing")
        footer = content[-FOOTER:]
        _, position = _handle(footer, 0)
        where, _ = _handle(footer, position)
        for _, handle in _pairs(_block(content, where)):
            block, _ = _handle(handle, 0)
            for key, value in _pairs(_block(content, block)):
                if key:
                    self.entries[key.decode()] = BundleEntryProto.FromString(value)
                    continue
                header = BundleHeaderProto.FromString(value)
                self._shards = header.num_shards
                if header.endianness:
                    raise ValueError("it was written on a big-endian machine")


def _block(content: bytes, handle: tuple[int, int]) -> bytes:
    offset, size = handle
    if offset + size + TRAILER > len(content):
        raise ValueError(f"a block ends at byte {offset + size + TRAILER} of {len(content)}")
    if content[offset + size]:
        raise ValueError("a block is compressed, which TensorFlow does not do")
    return content[offset : offset + size]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values; each key shares its beginning with the one before."""
    if len(block) < 4:
        raise ValueError("a block is too short")
    end = len(block) - 4 * (1 + int.from_bytes(block[-4:], "little"))
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        own, position = _varint(block, position)
        length, position = _varint(block, position)
        if shared > len(key) or position + own + length > end:
            raise ValueError("an entry does not fit into its block")
        key = key[:shared] + block[position : position + own]
        position += own
        yield key, block[position : position + length]
        position += length


def _handle(content: bytes, position: int) -> tuple[tuple[int, int], int]:
    offset, position = _varint(content, position)
    size, position = _varint(content, position)
    return (offset, size), position


def _varint(content: bytes, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        byte = content[position]
        position += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result, position
    raise ValueError("a number has no end")
