"""Puts stages into the stages that read them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tinsmith.compiler.backends.native.networks.absorb import forget_overwritten
from tinsmith.compiler.backends.native.networks.addresses import flat, loop_order
from tinsmith.compiler.backends.native.networks.linear import linear
from tinsmith.compiler.backends.native.networks.memory import roots
from tinsmith.compiler.backends.native.networks.parallel import FUNCTIONS
from tinsmith.compiler.backends.native.networks.pieces import simplified
from tinsmith.compiler.backends.native.networks.views import through
from tinsmith.compiler.ir.loops import (
    Accumulate,
    ArgReduce,
    Contract,
    Loops,
    Map,
    Measure,
    Put,
    Reduce,
    Repeat,
    Require,
    Scatter,
    Stage,
    View,
    expressions,
    loop_vars,
    read_elsewhere,
    reads,
    sizes_set,
    writes,
)
from tinsmith.compiler.ir.scalars import (
    BOOL,
    INDEX,
    Apply,
    Expr,
    Literal,
    Load,
    Tensor,
    Var,
    rebuild,
    substitute,
    walk,
)

MOST_PARTS = 150
"""Of an expression: what is larger is computed once and stored."""
EXPENSIVE = FUNCTIONS | {"div", "mod"}
CHEAP = 4
"""Operations that may be done again rather than stored."""
MOST_CHOICES = 8
"""By index, in one stage: each makes another loop, which has to be compiled too."""


def fuse(loops: Loops) -> Loops:
    """Maps become part of the expressions that read them, where that saves more than it repeats."""
    kept = set(loops.outputs)
    return replace(loops, stages=tuple(_fuse(loops.stages, kept, roots(loops.stages))))


def _fuse(stages: Sequence[Stage], kept: set[Tensor], shown: Mapping[Tensor, Tensor]) -> list[Stage]:
    """`kept`: tensors that somebody outside reads; `shown`: whose memory a view is."""
    fused: list[Stage] = []
    maps: dict[Tensor, Map] = {}
    views: dict[Tensor, View] = {}
    uses = _uses(stages, kept)
    for stage in stages:
        if isinstance(stage, Repeat):
            inner = kept | read_elsewhere(stages, stage)
            inner |= set(reads(stage)) - set(writes(stage))
            stage = replace(stage, body=tuple(_fuse(stage.body, inner | _carried(stage), shown)))
        else:
            stage = _absorb(stage, maps, views, uses)
        if isinstance(stage, Map):
            stage = replace(stage, value=simplified(stage.value))
        forget_overwritten(maps, stage, shown)
        if isinstance(stage, Map) and stage.out not in kept:
            maps[stage.out] = stage
        if isinstance(stage, View):
            views[stage.out] = stage
        fused.append(stage)
    return _needed(fused, kept)


def _carried(stage: Repeat) -> set[Tensor]:
    """What a round leaves for the next one."""
    seen: set[Tensor] = set()
    carried: set[Tensor] = set()
    for part in stage.body:
        carried |= set(reads(part)) - seen
        seen |= set(writes(part)) if not isinstance(part, Repeat) else set()
    return carried | ({stage.condition} if stage.condition is not None else set())


def _uses(stages: Sequence[Stage], kept: set[Tensor]) -> dict[Tensor, int]:
    """Stages that read each tensor, itself or through a view."""
    count: dict[Tensor, int] = {}
    for stage in reversed(stages):
        for tensor in reads(stage):
            more = count.get(stage.out, 0) + (stage.out in kept) if isinstance(stage, View) else 1
            count[tensor] = count.get(tensor, 0) + more
    return count


def _absorb(
    stage: Stage, maps: dict[Tensor, Map], views: Mapping[Tensor, View], uses: dict[Tensor, int]
) -> Stage:
    """`stage` with the maps that it reads in its expressions, as far as that pays."""
    exprs = expressions(stage)
    if not exprs or (isinstance(stage, Contract) and stage.form is not None):
        return stage
    while True:
        stage = _looked_through(stage, maps, views, uses)
        parts = walk(expressions(stage))
        loads: dict[Tensor, list[Load]] = {}
        for part in parts:
            if isinstance(part, Load):
                loads.setdefault(part.tensor, []).append(part)
        chosen = {
            tensor
            for tensor, found in loads.items()
            if tensor in maps and _pays(maps[tensor], uses.get(tensor, 0), found, stage)
        }
        chosen = {tensor for tensor in chosen if len(parts) + len(walk([maps[tensor].value])) < MOST_PARTS}
        if not chosen:
            return stage
        stage = _inlined(stage, {tensor: maps[tensor] for tensor in chosen})


def _looked_through(
    stage: Stage, maps: Mapping[Tensor, Map], views: Mapping[Tensor, View], uses: Mapping[Tensor, int]
) -> Stage:
    """`stage` with loads from views as loads from what they show, where the index of that is simple."""
    vars = loop_vars(stage)

    def change(part: Expr) -> Expr | None:
        if not isinstance(part, Load) or part.tensor not in views:
            return None
        view = views[part.tensor]
        source = maps.get(view.source)
        load = Load(part.tensor, tuple(rebuild(expr, change) for expr in part.index))
        # Divisions are for what disappears by them, and not for the innermost loop.
        divides = source is not None and _pays(source, uses.get(view.source, 0), [load], stage)
        return through(view, load, vars[-1:] if divides else vars)

    while True:
        changed = _changed(stage, change)
        if all(a is b for a, b in zip(expressions(stage), expressions(changed), strict=True)):
            return stage
        stage = changed


def _pays(source: Map, readers: int, loads: Sequence[Load], stage: Stage) -> bool:
    """Computing what `source` stores in place of each of `loads` in `stage`."""
    cost, tensor = _cost(source.value), source.out
    if cost == 0 and _in_order(source):
        return True
    if not tensor.is_static:
        return readers == 1 and len(loads) == 1
    elements = math.prod(tensor.static_shape)
    if sum(elements if _once(load, stage) else _rounds(stage) for load in loads) > elements:
        return False
    if _asks_for_index(source) and not (isinstance(stage, Map) and _choices(source, stage) <= MOST_CHOICES):
        return False
    return readers == 1 or (cost <= CHEAP and not _strides(source))


def _once(load: Load, stage: Stage) -> bool:
    """Every round of `stage` that has the element reads another one."""
    told: set[Expr] = set()
    for part in load.index:
        reach = 0
        for var, factor in sorted(linear(part).terms.items(), key=lambda term: abs(term[1])):
            if not isinstance(var, Var) or not isinstance(var.extent, int) or abs(factor) <= reach:
                return False
            reach += abs(factor) * (var.extent - 1)
            told.add(var)
    return all(var in told for var in loop_vars(stage) if var.extent != 1)


def _in_order(source: Map) -> bool:
    """It moves no elements but whole rows, and repeats them."""
    selects = any(isinstance(part, Apply) and part.op == "select" for part in walk([source.value]))
    return not selects and not _strides(source)


def _strides(source: Map) -> bool:
    """Neighbours among its elements come from here and there: it transposes or gathers."""
    order = loop_order(source.out, source.vars)
    for part in walk([source.value]):
        if isinstance(part, Load) and order:
            element = flat(part)
            steps = [factor for var, factor in element.terms if var is order[-1]]
            if not isinstance(element.rest, Literal) or steps not in ([], [1]):
                return True
    return False


def _choices(*maps: Map) -> int:
    """How often they select."""
    parts = walk([stage.value for stage in maps])
    return sum(isinstance(part, Apply) and part.op == "select" for part in parts)


def _asks_for_index(source: Map) -> bool:
    """It chooses by an index: whoever stores it can have one loop per choice (see `pieces`)."""
    return any(
        isinstance(part, Apply) and part.dtype == BOOL and part.args[0].dtype == INDEX
        for part in walk([source.value])
    )


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

    return _changed(stage, change)


def _changed(stage: Stage, change: Callable[[Expr], Expr | None]) -> Stage:
    """`stage` with parts of its expressions replaced (see `rebuild`)."""
    memo: dict[int, Expr] = {}

    def inline(expr: Expr) -> Expr:
        return rebuild(expr, change, memo)

    match stage:
        case Map() | Reduce() | ArgReduce() | Accumulate() | Measure() | Require():
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
        if isinstance(stage, Repeat | Require) or not wanted.isdisjoint(writes(stage)) or sizes_set(stage):
            wanted |= set(reads(stage))
            found.append(stage)
    return found[::-1]
