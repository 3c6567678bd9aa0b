"""Tensors of which a file holds the elements that are not zero, as a tree of one level per dimension.

A dense level has every index; a compressed one has those of parent p at `indices[segments[p]:segments[p+1]]`.
Levels stand in the traversal order. Behind those of the tensor's own dimensions, in numbers, come those of
dimensions inside blocks: `block_map` tells whose parts they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.formats.flatbuffer import FlatbufferError, Table

_SPARSE = 1
_INDEX_KINDS = {1: "int32", 2: "uint16", 3: "uint8"}
_LARGEST = 1000
"""Elements of a dense tensor for each stored one; a small file must not ask for much memory."""


@dataclass(frozen=True)
class _Level:
    size: int
    segments: NDArray[np.int64] | None = None
    indices: NDArray[np.int64] | None = None

    def expand(self, parents: int, limit: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each element of this level the number of its parent, and its own index."""
        if self.segments is None or self.indices is None:
            if parents * self.size > limit:
                raise FlatbufferError(f"sparsity: more than {limit} elements")
            own = np.tile(np.arange(self.size), parents)
            return np.repeat(np.arange(parents), self.size), own
        counts = np.diff(self.segments)
        if self.segments.size != parents + 1 or counts.min(initial=0) < 0 or self.segments[0] != 0:
            raise FlatbufferError("sparsity: segments that do not fit their parents")
        if self.segments[-1] != self.indices.size:
            raise FlatbufferError("sparsity: segments that do not fit their indices")
        return np.repeat(np.arange(parents), counts), self.indices


def densify(stored: NDArray[Any], shape: tuple[int, ...], sparsity: Table) -> NDArray[Any]:
    """The whole tensor of `shape`, zeros included. Raises FlatbufferError."""
    order = sparsity.vector(0, "int32").tolist()
    blocks = sparsity.vector(1, "int32").tolist()
    levels = [_level(table) for table in sparsity.tables(2)]
    rank = len(shape)
    if sorted(order) != list(range(len(levels))) or len(levels) != rank + len(blocks):
        raise FlatbufferError(f"sparsity: traversal order {order[:16]} for {len(levels)} levels")
    if any(not 0 <= dim < rank for dim in blocks):
        raise FlatbufferError(f"sparsity: block map {blocks[:16]} for {rank} dimensions")
    limit = max(1 << 20, _LARGEST * stored.size)
    if math.prod(shape) > limit:
        raise FlatbufferError(f"sparsity: {stored.size} elements for a tensor of shape {list(shape)[:16]}")
    count = 1
    found: dict[int, NDArray[np.int64]] = {}
    for number, level in zip(order, levels, strict=True):
        parents, own = level.expand(count, limit)
        found = {other: index[parents] for other, index in found.items()} | {number: own}
        count = own.size
    if count != stored.size:
        raise FlatbufferError(f"sparsity: {stored.size} elements stored, expected {count}")
    sizes = dict(zip(order, (level.size for level in levels), strict=True))
    places = []
    for dim, size in enumerate(shape):
        place = found[dim]
        for block, owner in enumerate(blocks):
            if owner == dim:
                place = place * sizes[rank + block] + found[rank + block]
        if place.size and not 0 <= place.min() <= place.max() < size:
            raise FlatbufferError(f"sparsity: an index outside of dimension {dim}, which is {size}")
        places.append(place)
    dense = np.zeros(shape, stored.dtype)
    dense[tuple(places)] = stored
    return dense


def _level(table: Table) -> _Level:
    if table.scalar(0, "int8", 0) != _SPARSE:
        size = int(table.scalar(1, "int32", 0))
        if size < 0:
            raise FlatbufferError(f"sparsity: a level of {size} elements")
        return _Level(size)
    indices = _numbers(table, 4)
    return _Level(0, _numbers(table, 2), indices)


def _numbers(table: Table, field: int) -> NDArray[np.int64]:
    """A union of vectors: its type is in `field`."""
    kind, vector = _INDEX_KINDS.get(table.scalar(field, "uint8", 0)), table.table(field + 1)
    if kind is None or vector is None:
        raise FlatbufferError("sparsity: a level without segments or indices")
    return vector.vector(0, kind).astype(np.int64)
