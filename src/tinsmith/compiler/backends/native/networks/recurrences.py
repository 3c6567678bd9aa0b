"""Loops that multiply what they carry by constant matrices, as recurrent networks do.

Threads go through the rounds of such a loop together. A round is cut into phases: within a phase a thread
does its own slices of every stage, which need nothing of the other slices, and between phases the threads
wait for each other. So the weights of a slice stay in the cache of one core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tinsmith.compiler.backends.native.networks.calls import plan_layer
from tinsmith.compiler.backends.native.networks.integer_layers import IntegerLayer
from tinsmith.compiler.backends.native.networks.layers import Layer
from tinsmith.compiler.backends.native.networks.linear import linear
from tinsmith.compiler.backends.native.networks.memory import roots
from tinsmith.compiler.ir import scalars
from tinsmith.compiler.ir.loops import (
    Copy,
    Gemm,
    Loops,
    Map,
    Put,
    Reduce,
    Repeat,
    Stage,
    View,
    readers,
    reads,
    writes,
)
from tinsmith.compiler.ir.scalars import Expr, Load, Tensor, Var, substitute, walk

SLICE = 64
"""Elements along the last axis that make a slice: whole vectors and cache lines on every processor."""


@dataclass(frozen=True)
class Part:
    """A stage of a phase."""

    stage: Stage
    length: int
    """Elements along the last axis, which are cut into slices; 0: it has none."""


@dataclass(frozen=True, eq=False)
class Recurrence(Repeat):
    """A Repeat whose `body` is cut into phases."""

    phases: tuple[tuple[Part, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class Slice(Stage):
    """out[index] = value for all `vars`: some of the elements."""

    index: tuple[Expr, ...]
    vars: tuple[Var, ...]
    value: Expr

    @property
    def parts(self) -> tuple[Expr, ...]:
        return (*self.index, self.value)


def find_recurrences(loops: Loops) -> Loops:
    """Cuts the rounds of loops in which kernels run."""
    shown = roots(loops.stages)
    return replace(loops, stages=tuple(_found(stage, shown) for stage in loops.stages))


def _found(stage: Stage, shown: Mapping[Tensor, Tensor]) -> Stage:
    if not isinstance(stage, Repeat) or stage.condition is not None or stage.rounds is not None:
        return stage
    body = [part for part in stage.body if not isinstance(part, View)]
    if not any(isinstance(part, Layer) for part in body) or not all(map(_takes, body)):
        return stage
    return Recurrence(stage.out, stage.var, stage.body, phases=_phases(body, shown), origin=stage.origin)


def _takes(stage: Stage) -> bool:
    """Whether a stage can be part of a phase."""
    tensors = [*reads(stage), *writes(stage)]
    if any(not tensor.is_static or tensor.layout is not None for tensor in tensors):
        return False
    return isinstance(stage, Map | Put | Copy | Reduce) or (
        isinstance(stage, Layer) and not isinstance(stage, IntegerLayer) and isinstance(stage.form, Gemm)
    )


def _phases(body: Sequence[Stage], shown: Mapping[Tensor, Tensor]) -> tuple[tuple[Part, ...], ...]:
    phases: list[list[Part]] = [[]]
    for stage in body:
        part = Part(stage, _length(stage, body))
        if any(_depend(part, other, shown) for other in phases[-1]):
            phases.append([])
        phases[-1].append(part)
    return tuple(map(tuple, phases))


def _length(stage: Stage, body: Sequence[Stage]) -> int:
    match stage:
        case Map() | Copy():
            return _last(stage.out)
        case Put():
            return _last(stage.source)
        case Layer():
            return _gate(stage, readers(body).get(stage.out, ()))
        case _:
            return 0


def _gate(layer: Layer, users: Sequence[Stage]) -> int:
    """The columns of a layer hold several gates for as many units; a slice is then a slice of every gate."""
    lengths = {_last(stage.out) if isinstance(stage, Map) else 0 for stage in users}
    if len(lengths) != 1:
        return 0
    (length,) = lengths
    columns = layer.weights.shape[1]
    if length == 0 or length % SLICE or columns % length or plan_layer(layer).items * SLICE != columns:
        return 0
    return length


def _depend(one: Part, other: Part, shown: Mapping[Tensor, Tensor]) -> bool:
    """A slice of one writes what another slice of the other has to do with."""
    first, second = _uses(one, shown), _uses(other, shown)
    written = {shown.get(tensor, tensor) for part in (one, other) for tensor in writes(part.stage)}
    return any(
        tensor in written and (first[tensor] == 0 or first[tensor] != second[tensor])
        for tensor in first.keys() & second.keys()
    )


def _uses(part: Part, shown: Mapping[Tensor, Tensor]) -> dict[Tensor, int]:
    """Per tensor: the length that is cut if every slice has to do with its own elements alone, else 0."""
    own = {tensor for tensor in _sliced_alike(part) if tensor not in shown}
    tensors = [*reads(part.stage), *writes(part.stage)]
    return {shown.get(tensor, tensor): part.length if tensor in own else 0 for tensor in tensors}


def _sliced_alike(part: Part) -> set[Tensor]:
    """The tensors of which a slice uses the same slice."""
    stage = part.stage
    match stage:
        case Layer():
            return {stage.out}
        case Copy():
            return {stage.out, stage.source}
        case Put():
            inside = {expr.tensor for expr in walk([stage.at]) if isinstance(expr, Load)}
            return {tensor for tensor in (stage.out, stage.source) if _last(tensor) == part.length} - inside
        case Map() if stage.vars:
            loads = [expr for expr in walk([stage.value]) if isinstance(expr, Load)]
            elsewhere = {load.tensor for load in loads if not _at(load, stage.vars[-1])}
            return {stage.out, *(load.tensor for load in loads)} - elsewhere
        case _:
            return set()


def _at(load: Load, last: Var) -> bool:
    """The element is `last` of one of the gates along a last axis, wherever it is along the others."""
    if not load.index or last in walk(load.index[:-1]):
        return False
    place = linear(load.index[-1])
    assert isinstance(last.extent, int)
    return place.terms == {last: 1} and place.constant % last.extent == 0


def _last(tensor: Tensor) -> int:
    return tensor.static_shape[-1] if tensor.rank else 0


def sliced(part: Part, slice: Var) -> list[Slice]:
    """Number `slice` of the whole slices of a stage, and what is left behind the last of these."""
    stage = part.stage
    match stage:
        case Map():
            place, vars, value = Load(stage.out, stage.vars), stage.vars, stage.value
        case Copy():
            vars = scalars.variables(stage.out.shape)
            place, value = Load(stage.out, vars), stage.source[vars]
        case Put():
            vars = scalars.variables(stage.source.shape)
            place, value = Load(stage.out, (stage.at, *vars)), stage.source[vars]
        case _:
            raise AssertionError(stage)
    whole, rest = divmod(part.length, SLICE)
    starts = [(slice * SLICE, SLICE)] if whole else []
    starts += [(scalars.size(whole * SLICE), rest)] if rest else []
    return [_slice(place, vars, value, start, count, stage.origin) for start, count in starts]


def _slice(place: Load, vars: tuple[Var, ...], value: Expr, start: Expr, count: int, origin: str) -> Slice:
    last = Var(vars[-1].name, count)
    moved: dict[Var, Expr] = {vars[-1]: start + last}
    index = tuple(substitute(part, moved) for part in place.index)
    return Slice(place.tensor, index, (*vars[:-1], last), substitute(value, moved), origin=origin)
