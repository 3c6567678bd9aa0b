"""Puts stages into the stages that read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tinsmith.compiler.backends.native.networks.memory import roots
from tinsmith.compiler.ir.loops import (
    Accumulate,
    Apply,
    ArgReduce,
    Contract,
    Copy,
    Expr,
    Load,
    Loops,
    Map,
    Measure,
    Put,
    Reduce,
    Repeat,
    Scatter,
    Stage,
    Tensor,
    Var,
    expressions,
    reads,
    rebuild,
    sizes_set,
    substitute,
    walk,
    writes,
)

MOST_PARTS = 150
"""Of an expression: what is larger is computed once and stored."""
EXPENSIVE = frozenset(
    [
        "exp",
        "log",
        "log1p",
        "expm1",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "erf",
        "pow",
        "div",
        "mod",
        "fmod",
    ]
)
CHEAP = 4
"""Operations that may be done again rather than stored."""


def fuse(loops: Loops) -> Loops:
    """Maps become part of the expressions that read them, where that saves more than it repeats."""
    kept = set(loops.outputs)
    return replace(loops, stages=tuple(_fuse(loops.stages, kept, roots(loops.stages))))


def _fuse(stages: Sequence[Stage], kept: set[Tensor], shown: Mapping[Tensor, Tensor]) -> list[Stage]:
    """`kept`: tensors that somebody outside reads; `shown`: whose memory a view is."""
    fused: list[Stage] = []
    maps: dict[Tensor, Map] = {}
    uses = _uses(stages)
    for stage in stages:
        if isinstance(stage, Repeat):
            inner = kept | {tensor for part in stages if part is not stage for tensor in reads(part)}
            inner |= set(reads(stage)) - set(writes(stage))
            stage = replace(stage, body=tuple(_fuse(stage.body, inner | _carried(stage), shown)))
        else:
            stage = _absorb(stage, maps, uses)
        if isinstance(stage, Repeat | Copy | Put):
            _forget(maps, stage, shown)
        if isinstance(stage, Map) and stage.out not in kept:
            maps[stage.out] = stage
        fused.append(stage)
    return _needed(fused, kept)


def _forget(maps: dict[Tensor, Map], stage: Stage, shown: Mapping[Tensor, Tensor]) -> None:
    """What reads a tensor that `stage` overwrites cannot be computed later."""
    gone = {shown.get(tensor, tensor) for tensor in writes(stage)}
    for tensor, source in list(maps.items()):
        if any(shown.get(read, read) in gone for read in reads(source)):
            del maps[tensor]


def _carried(stage: Repeat) -> set[Tensor]:
    """What a round leaves for the next one."""
    seen: set[Tensor] = set()
    carried: set[Tensor] = set()
    for part in stage.body:
        carried |= set(reads(part)) - seen
        seen |= set(writes(part)) if not isinstance(part, Repeat) else set()
    return carried | ({stage.condition} if stage.condition is not None else set())


def _uses(stages: Sequence[Stage]) -> dict[Tensor, int]:
    """Stages that read each tensor."""
    count: dict[Tensor, int] = {}
    for stage in stages:
        for tensor in reads(stage):
            count[tensor] = count.get(tensor, 0) + 1
    return count


def _absorb(stage: Stage, maps: dict[Tensor, Map], uses: dict[Tensor, int]) -> Stage:
    """`stage` with the maps that it reads in its expressions, as far as that pays."""
    exprs = expressions(stage)
    if not exprs or (isinstance(stage, Contract) and stage.form is not None):
        return stage
    rounds = _rounds(stage)
    while True:
        parts = walk(expressions(stage))
        chosen = {
            part.tensor
            for part in parts
            if isinstance(part, Load)
            and part.tensor in maps
            and _pays(part.tensor, maps, uses, parts, rounds)
        }
        chosen = {tensor for tensor in chosen if len(parts) + len(walk([maps[tensor].value])) < MOST_PARTS}
        if not chosen:
            return stage
        stage = _inlined(stage, {tensor: maps[tensor] for tensor in chosen})


def _pays(
    tensor: Tensor, maps: dict[Tensor, Map], uses: dict[Tensor, int], parts: Sequence[Expr], rounds: int
) -> bool:
    cost = _cost(maps[tensor].value)
    loads = sum(isinstance(part, Load) and part.tensor is tensor for part in parts)
    if cost == 0:
        return True
    if not tensor.is_static:
        return uses.get(tensor, 0) == 1 and loads == 1
    again = rounds * loads / max(math.prod(tensor.static_shape), 1)
    if uses.get(tensor, 0) == 1 and again <= 1:
        return True
    return cost <= CHEAP and again <= 1


def _cost(value: Expr) -> int:
    """0: moves or makes elements; each operation 1, an expensive one 20."""
    return sum(
        20 if part.op in EXPENSIVE else 0 if part.op in ("cast", "select", "lt", "ge", "and") else 1
        for part in walk([value])
        if isinstance(part, Apply) and part.dtype != "index"
    )


def _rounds(stage: Stage) -> int:
    """How often the expressions of a stage are evaluated."""
    vars: Sequence[Var] = ()
    match stage:
        case Map() | Accumulate():
            vars = stage.vars
        case Reduce() | Contract():
            vars = (*stage.vars, *stage.over)
        case ArgReduce():
            vars = (*stage.vars, stage.over)
        case Scatter():
            vars = (
                stage.over
                if math.prod(_extents(stage.over)) > math.prod(_extents(stage.vars))
                else stage.vars
            )
    return math.prod(_extents(vars))


def _extents(vars: Sequence[Var]) -> list[int]:
    return [var.extent if isinstance(var.extent, int) else var.extent.most for var in vars]


def _inlined(stage: Stage, maps: dict[Tensor, Map]) -> Stage:
    def change(part: Expr) -> Expr | None:
        if isinstance(part, Load) and part.tensor in maps:
            source = maps[part.tensor]
            index = [rebuild(expr, change) for expr in part.index]
            return substitute(source.value, dict(zip(source.vars, index, strict=True)))
        return None

    memo: dict[int, Expr] = {}

    def inline(expr: Expr) -> Expr:
        return rebuild(expr, change, memo)

    match stage:
        case Map() | Reduce() | ArgReduce() | Accumulate() | Measure():
            return replace(stage, value=inline(stage.value))
        case Put():
            return replace(stage, at=inline(stage.at))
        case Contract():
            return replace(stage, lhs=inline(stage.lhs), rhs=inline(stage.rhs), operands=())
        case Scatter():
            return replace(
                stage,
                base=inline(stage.base),
                index=tuple(inline(part) for part in stage.index),
                value=inline(stage.value),
                guard=None if stage.guard is None else inline(stage.guard),
            )
    return stage


def _needed(stages: Sequence[Stage], kept: set[Tensor]) -> list[Stage]:
    """The stages that somebody reads from."""
    wanted = set(kept)
    found: list[Stage] = []
    for stage in reversed(stages):
        if isinstance(stage, Repeat) or not wanted.isdisjoint(writes(stage)) or sizes_set(stage):
            wanted |= set(reads(stage))
            found.append(stage)
    return found[::-1]
