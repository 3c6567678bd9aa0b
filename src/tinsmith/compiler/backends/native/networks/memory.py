"""Where tensors lie: one arena, planned before the run; tensors that do not live at the same time share
it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinsmith.compiler.backends.native.networks.addresses import layout_strides
from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.loops import Loops, Repeat, Stage, View, reads, writes
from tinsmith.compiler.ir.scalars import Tensor

ALIGNMENT = 64


@dataclass(frozen=True)
class Lifetime:
    """Of one piece of the arena: bytes, and the first and last stage that uses it."""

    size: int
    first: int
    last: int


@dataclass(frozen=True)
class MemoryPlan:
    """Offsets in bytes of the tensors that lie in the arena, and its size."""

    offsets: Mapping[Tensor, int]
    size: int
    unshared: int
    """Bytes, did every tensor have a place of its own."""


def tensor_bytes(tensor: Tensor) -> int:
    """Room for the largest content."""
    elements = math.prod(tensor.static_shape) if tensor.layout is None else layout_strides(tensor)[2]
    return elements * dtypes.itemsize(tensor.dtype)


def roots(stages: Sequence[Stage]) -> dict[Tensor, Tensor]:
    """Per view: the tensor whose memory it shows."""
    found: dict[Tensor, Tensor] = {}
    for stage in flattened(stages):
        if isinstance(stage, View):
            found[stage.out] = found.get(stage.source, stage.source)
    return found


def flattened(stages: Sequence[Stage]) -> list[Stage]:
    """All stages, those of bodies after the stage they belong to."""
    found: list[Stage] = []
    for stage in stages:
        found.append(stage)
        if isinstance(stage, Repeat):
            found += flattened(stage.body)
    return found


def plan(loops: Loops, elsewhere: set[Tensor]) -> MemoryPlan:
    """`elsewhere`: tensors with memory of their own (inputs and outputs). What a loop uses lives all through
    it."""
    shown = roots(loops.stages)
    lives: dict[Tensor, Lifetime] = {}
    for number, stage in enumerate(loops.stages):
        for tensor in (*reads(stage), *writes(stage)):
            owner = shown.get(tensor, tensor)
            if owner.value is None and owner not in elsewhere:
                old = lives.get(owner)
                lives[owner] = Lifetime(tensor_bytes(owner), old.first if old else number, number)
    offsets = _place(lives)
    size = max((offset + _rounded(lives[tensor].size) for tensor, offset in offsets.items()), default=0)
    return MemoryPlan(offsets, size, sum(_rounded(life.size) for life in lives.values()))


def _rounded(size: int) -> int:
    return -(-max(size, 1) // ALIGNMENT) * ALIGNMENT


def _place(lives: Mapping[Tensor, Lifetime]) -> dict[Tensor, int]:
    """The largest first, each at the lowest offset that is free all its life."""
    offsets: dict[Tensor, int] = {}
    placed: list[tuple[int, int, Lifetime]] = []
    for tensor, life in sorted(lives.items(), key=lambda item: (-item[1].size, item[1].first)):
        offset = 0
        for start, end, other in sorted(placed, key=lambda place: place[0]):
            if other.last < life.first or life.last < other.first:
                continue
            if offset + _rounded(life.size) <= start:
                break
            offset = max(offset, end)
        offsets[tensor] = offset
        placed.append((offset, offset + _rounded(life.size), life))
    return offsets
