"""Elementwise stages that follow one another become one: a kernel can take a whole chain where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinsmith.compiler.backends.native.networks.absorb import forget_overwritten
from tinsmith.compiler.backends.native.networks.addresses import same_place
from tinsmith.compiler.backends.native.networks.memory import roots
from tinsmith.compiler.ir.loops import Loops, Map, Repeat, Stage, read_elsewhere, readers, reads
from tinsmith.compiler.ir.scalars import Expr, Load, Tensor, rebuild, substitute, walk

MOST_PARTS = 60
"""Of an expression: longer chains are left to the later fusion, which weighs costs."""


def join_chains(loops: Loops) -> Loops:
    """A map that one other map reads, place by place, becomes part of it."""
    return replace(loops, stages=tuple(_joined(loops.stages, set(loops.outputs))))


def _joined(stages: Sequence[Stage], kept: set[Tensor]) -> list[Stage]:
    who, shown = readers(stages), roots(stages)
    maps: dict[Tensor, Map] = {}
    found: list[Stage] = []
    for stage in stages:
        if isinstance(stage, Repeat):
            stage = replace(stage, body=tuple(_joined(stage.body, kept | read_elsewhere(stages, stage))))
            maps.clear()
        forget_overwritten(maps, stage, shown)
        if isinstance(stage, Map):
            stage = _with_sources(stage, maps)
            if stage.out not in kept and len(who.get(stage.out, ())) == 1:
                maps[stage.out] = stage
        found.append(stage)
    used = {tensor for stage in found for tensor in reads(stage)}
    return [stage for stage in found if stage.out not in maps or stage.out in used]


def _with_sources(stage: Map, maps: dict[Tensor, Map]) -> Map:
    loads = [part for part in walk([stage.value]) if isinstance(part, Load) and part.tensor in maps]
    chosen = {load.tensor: maps[load.tensor] for load in loads if load.tensor.shape == stage.out.shape}
    for load in loads:
        if not same_place(load, stage.vars):
            chosen.pop(load.tensor, None)
    if not chosen:
        return stage

    def change(part: Expr) -> Expr | None:
        if isinstance(part, Load) and part.tensor in chosen:
            source = chosen[part.tensor]
            return substitute(source.value, dict(zip(source.vars, stage.vars, strict=True)))
        return None

    joined = replace(stage, value=rebuild(stage.value, change), origin=_origins(chosen, stage))
    return joined if len(walk([joined.value])) <= MOST_PARTS else stage


def _origins(sources: dict[Tensor, Map], stage: Map) -> str:
    return " + ".join([*(source.origin for source in sources.values()), stage.origin])
