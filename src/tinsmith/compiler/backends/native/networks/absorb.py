"""Stages that become one with what follows them: a kernel also does what comes behind it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence

from tinsmith.compiler.backends.native.networks.memory import roots
from tinsmith.compiler.ir.loops import Map, Stage, overwrites, readers, reads
from tinsmith.compiler.ir.scalars import Tensor


class Absorber:
    """A list of stages in which some become part of others; each of them once."""

    def __init__(self, stages: Sequence[Stage], kept: set[Tensor]) -> None:
        """`kept`: tensors that somebody outside reads."""
        self._stages = stages
        self._kept = kept
        self._readers = readers(stages)
        self._shown = roots(stages)
        self._place = {id(stage): number for number, stage in enumerate(stages)}
        self._replaced: dict[int, Stage | None] = {}

    def follower(self, parts: Sequence[Stage], out: Tensor) -> Map | None:
        """The map that alone reads `out`, if `parts` may be done in its place."""
        found = self._readers.get(out, ())
        if out in self._kept or len(found) != 1:
            return None
        (reader,) = found
        if not isinstance(reader, Map) or id(reader) in self._replaced or self._changes(parts, reader):
            return None
        return reader

    def _changes(self, parts: Sequence[Stage], reader: Stage) -> bool:
        """What `parts` read has another content when `reader` runs."""
        first, last = self._place[id(parts[0])], self._place[id(reader)]
        gone = {tensor for stage in self._stages[first:last] for tensor in overwrites(stage)}
        return not {self._root(tensor) for tensor in gone}.isdisjoint(
            self._root(tensor) for part in parts for tensor in reads(part)
        )

    def _root(self, tensor: Tensor) -> Tensor:
        return self._shown.get(tensor, tensor)

    def replace(self, parts: Sequence[Stage], whole: Stage) -> None:
        """`whole` stands for all `parts`, where the last one was."""
        self._replaced |= {id(part): None for part in parts}
        self._replaced[id(parts[-1])] = whole

    def stages(self) -> list[Stage]:
        """The stages after all replacements."""
        found = (self._replaced.get(id(stage), stage) for stage in self._stages)
        return [stage for stage in found if stage is not None]


def forget_overwritten(
    maps: MutableMapping[Tensor, Map], stage: Stage, shown: Mapping[Tensor, Tensor]
) -> None:
    """What reads a tensor that `stage` overwrites cannot be computed later.

    `shown`: whose memory a view is.
    """
    gone = {shown.get(tensor, tensor) for tensor in overwrites(stage)}
    for tensor, source in list(maps.items()):
        if gone and any(shown.get(read, read) in gone for read in reads(source)):
            del maps[tensor]
