"""Elementwise stages that follow one another become one: a kernel can take a whole chain where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinsmith.compiler.ir.loops import Loops, Map, Repeat, Stage, reads
from tinsmith.compiler.ir.scalars import Expr, Literal, Load, Tensor, Var, rebuild, substitute, walk

MOST_PARTS = 60
"""Of an expression: longer chains are left to the later fusion, which weighs costs."""


def join_chains(loops: Loops) -> Loops:
    """A map that one other map reads, place by place, becomes part of it."""
    return replace(loops, stages=tuple(_joined(loops.stages, set(loops.outputs))))


def _joined(stages: Sequence[Stage], kept: set[Tensor]) -> list[Stage]:
    readers: dict[Tensor, int] = {}
    for stage in stages:
        for tensor in reads(stage):
            readers[tensor] = readers.get(tensor, 0) + 1
    maps: dict[Tensor, Map] = {}
    found: list[Stage] = []
    for stage in stages:
        if isinstance(stage, Repeat):
            outside = {tensor for part in stages if part is not stage for tensor in reads(part)}
            stage = replace(stage, body=tuple(_joined(stage.body, kept | outside)))
            maps.clear()
        if isinstance(stage, Map):
            stage = _with_sources(stage, maps)
            if stage.out not in kept and readers.get(stage.out) == 1:
                maps[stage.out] = stage
        found.append(stage)
    used = {tensor for stage in found for tensor in reads(stage)}
    return [stage for stage in found if stage.out not in maps or stage.out in used]


def _with_sources(stage: Map, maps: dict[Tensor, Map]) -> Map:
    loads = [part for part in walk([stage.value]) if isinstance(part, Load) and part.tensor in maps]
    chosen = {load.tensor: maps[load.tensor] for load in loads if load.tensor.shape == stage.out.shape}
    for load in loads:
        if not _same_place(load, stage.vars):
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


def _same_place(load: Load, vars: Sequence[Var]) -> bool:
    return len(load.index) == len(vars) and all(
        index is var or (dim == 1 and isinstance(index, Literal))
        for index, var, dim in zip(load.index, vars, load.tensor.shape, strict=True)
    )
