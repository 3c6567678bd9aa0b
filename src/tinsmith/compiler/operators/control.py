"""Branches and loops.

What a graph inside a node reads from outside is there already; its stages become the body of a Repeat,
which for a
branch has one round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tinsmith.compiler.ir import loops, scalars
from tinsmith.compiler.ir.loops import Copy, Put, Repeat, Require, Stage
from tinsmith.compiler.ir.scalars import BOOL, Dim, Expr, Size, Tensor, Var, select
from tinsmith.compiler.operators.node import Node, bool_of, element
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.steering import clamped, static_shape

UNBOUNDED = 2**31 - 1
"""Rounds of a loop that nothing bounds."""
UNROLLED = 64
"""Most rounds that become stages one after the other, where shapes change from round to round."""


@operator("If")
def if_(node: Node, condition: Tensor) -> tuple[Tensor, ...]:
    branches = [node.attributes["then_branch"], node.attributes["else_branch"]]
    if condition.value is not None:
        results, stages = _lowered(node, branches[0 if condition.value.item() else 1], [])
        node.stages += stages
        return tuple(results)
    impossible = [any(inner.op_type == "Impossible" for inner in branch) for branch in branches]
    if any(impossible):
        return _only(node, element(condition), branches, impossible.index(False))
    lowered = [_lowered(node, branch, []) for branch in branches]
    outputs = [_either(node, *pair) for pair in zip(*(results for results, _ in lowered), strict=True)]
    truth = element(condition)
    for (results, stages), value in zip(lowered, (truth, ~truth), strict=True):
        taken = node.map((), partial(_same, value))
        _, copies = node.collected(partial(_copy_all, node, outputs, results))
        body = (*stages, *copies)
        node.add(Repeat(body[-1].out, Var("once", 1), body, taken, origin=node.origin))
    return tuple(outputs)


def _same(value: Expr) -> Expr:
    return value


def _only(node: Node, condition: Expr, branches: Sequence[Any], possible: int) -> tuple[Tensor, ...]:
    """The branch that can be computed; a run that takes the other one fails."""
    taken = ~condition if possible else condition
    node.add(Require(node.tensor((), BOOL), taken, origin=node.origin))
    results, stages = _lowered(node, branches[possible], [])
    node.stages += stages
    return tuple(results)


@operator("Impossible", domain="tinsmith")
def impossible(node: Node) -> Tensor:
    raise node.refuse(node.text("reason", "it cannot be computed with these input shapes"))


def _lowered(node: Node, graph: Any, inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Stage]]:
    assert node.lower_graph is not None
    return node.lower_graph(graph, inputs)


def _either(node: Node, yes: Tensor, no: Tensor) -> Tensor:
    """A tensor that can take both; where their sizes differ, its size is found out by the run."""
    if yes.rank != no.rank or yes.dtype != no.dtype:
        raise node.refuse(
            f"its branches give {yes.dtype} of shape {yes.shape} and {no.dtype} of shape {no.shape}, "
            "and only the run can tell which"
        )
    shape: list[Dim] = []
    for a, b, most in zip(yes.shape, no.shape, map(max, yes.static_shape, no.static_shape), strict=True):
        shape.append(a if a == b and isinstance(a, int) else node.size(most))
    return node.tensor(shape, yes.dtype)


def _copy_all(node: Node, outputs: Sequence[Tensor], results: Sequence[Tensor]) -> None:
    for output, result in zip(outputs, results, strict=True):
        for dim, own in zip(output.shape, result.shape, strict=True):
            if isinstance(dim, Size):
                node.set_size(dim, scalars.size(own))
        node.add(Copy(output, result, origin=node.origin))


@dataclass
class _Carried:
    """What a loop hands from round to round."""

    node: Node
    states: list[Tensor]

    @classmethod
    def of(cls, node: Node, initial: Sequence[Tensor]) -> _Carried:
        """States with these values."""
        states = [node.tensor(static_shape(node, tensor), tensor.dtype) for tensor in initial]
        for state, start in zip(states, initial, strict=True):
            node.add(Copy(state, start, origin=node.origin))
        return cls(node, states)

    def fits(self, new: Sequence[Tensor]) -> bool:
        """The new values have the shapes and types of the old ones."""
        return all(_may_fit(state, tensor) for state, tensor in zip(self.states, new, strict=True))

    def settled(self, new: Sequence[Tensor], stages: Sequence[Stage]) -> list[Tensor]:
        """The new values in tensors of the round's own: all states change at once, and one may become
        another."""
        made = _made(stages)
        return [
            tensor if tensor is state else _fitted(self.node, state, tensor, tensor in made)
            for state, tensor in zip(self.states, new, strict=True)
        ]

    def advance(self, settled: Sequence[Tensor]) -> None:
        """The next round begins with these values."""
        for state, tensor in zip(self.states, settled, strict=True):
            if tensor is not state:
                self.node.add(Copy(state, tensor, origin=self.node.origin))


def _may_fit(state: Tensor, new: Tensor) -> bool:
    """The shapes are the same, as far as they are known before the run."""
    return (
        state.dtype == new.dtype
        and state.rank == new.rank
        and all(a == b or isinstance(b, Size) for a, b in zip(state.shape, new.shape, strict=True))
    )


def _fitted(node: Node, state: Tensor, new: Tensor, made: bool) -> Tensor:
    """`new` in a tensor of its own and in the shape of `state`; a run in which that is not its shape
    fails."""
    if state.shape == new.shape:
        return new if made else node.map(new.shape, lambda *i: new[i])
    for dim, own in zip(state.shape, new.shape, strict=True):
        if isinstance(own, Size):
            node.add(
                Require(
                    node.tensor((), BOOL), scalars.compare("eq", own, scalars.size(dim)), origin=node.origin
                )
            )
    return node.map(state.shape, lambda *i: new[tuple(map(clamped, i, new.shape))])


def _made(stages: Sequence[Stage]) -> set[Tensor]:
    return {tensor for stage in stages if not isinstance(stage, loops.View) for tensor in loops.writes(stage)}


@operator("Loop")
def loop(node: Node, trip: Tensor | None, condition: Tensor | None, *initial: Tensor) -> tuple[Tensor, ...]:
    if condition is not None and condition.value is not None and condition.value.item():
        condition = None
    if trip is not None and trip.value is not None and condition is None:
        unrolled = _unrolled(node, int(trip.value.item()), initial)
        if unrolled is not None:
            return unrolled
    return _looped(node, trip, condition, initial)


def _unrolled(node: Node, rounds: int, initial: Sequence[Tensor]) -> tuple[Tensor, ...] | None:
    """The rounds one after the other, where shapes change; None where a loop can do it."""
    body = node.attributes["body"]
    (_, *first), _ = _lowered(
        node, body, [node.constant(np.int64(0)), node.constant(np.bool_(True)), *initial]
    )
    count = len(initial)
    carried = [tensor.shape for tensor in initial]
    if rounds == 0 or [tensor.shape for tensor in first[:count]] == carried:
        return None
    if rounds > UNROLLED:
        raise node.refuse(
            f"{rounds} rounds that change the shape of what they carry; at most {UNROLLED} are compiled"
        )
    values, scanned = list(initial), []
    for number in range(rounds):
        (kept, *results), stages = _lowered(
            node, body, [node.constant(np.int64(number)), node.constant(np.bool_(True)), *values]
        )
        if kept.value is None or not kept.value.item():
            raise node.refuse("shapes change from round to round, and only the run can tell when it stops")
        node.stages += stages
        values = results[:count]
        scanned.append(results[count:])
    stacked = [_stacked(node, [results[number] for results in scanned]) for number in range(len(scanned[0]))]
    return (*values, *stacked)


def _stacked(node: Node, slices: Sequence[Tensor]) -> Tensor:
    """The tensors along a new first axis."""
    if any(tensor.shape != slices[0].shape for tensor in slices):
        raise node.refuse("an output for every round whose shape changes")

    def value(*i: Expr) -> Expr:
        result = slices[-1][i[1:]]
        for number in reversed(range(len(slices) - 1)):
            result = select(i[0].equals(number), slices[number][i[1:]], result)
        return result

    return node.map((len(slices), *slices[0].shape), value)


def _looped(
    node: Node, trip: Tensor | None, condition: Tensor | None, initial: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    rounds = _rounds(node, trip, len(initial))
    step = Var("round", rounds)
    carried = _Carried.of(node, initial)
    going = node.tensor((), BOOL)
    start = node.constant(np.bool_(True)) if condition is None else condition
    (number, now), before = node.collected(
        lambda: (node.map((), lambda: step.cast("int64")), node.map((), lambda: bool_of(element(going))))
    )
    (kept, *results), stages = _lowered(node, node.attributes["body"], [number, now, *carried.states])
    new, slices = results[: len(initial)], results[len(initial) :]
    if not carried.fits(new):
        shapes = [(state.shape, tensor.shape) for state, tensor in zip(carried.states, new, strict=True)]
        raise node.refuse(f"a round changes the shapes of what it carries, before and after: {shapes}")
    endless = condition is None and (kept is now or (kept.value is not None and bool(kept.value.item())))
    bound = rounds if isinstance(rounds, int) else rounds.most
    found = rounds if endless else node.size(bound)

    def finish() -> list[Tensor]:
        settled = carried.settled(new, stages)
        known = dict(zip(new, settled, strict=True))
        parts = [known.get(tensor, tensor) for tensor in slices]
        scans = [_scan_output(node, found, bound, tensor) for tensor in parts]
        for scan, tensor in zip(scans, parts, strict=True):
            node.add(Put(scan, step, tensor, origin=node.origin))
        if not endless:
            node.add(Copy(going, node.map((), lambda: bool_of(element(kept))), origin=node.origin))
        carried.advance(settled)
        return scans

    scans, after = node.collected(finish)
    node.add(Copy(going, node.view(start, ()), origin=node.origin))
    body = (*before, *stages, *after)
    out = (*carried.states, *scans, going)[0]
    counted = found if isinstance(found, Size) and not endless else None
    node.add(Repeat(out, step, body, None if endless else going, counted, origin=node.origin))
    return (*carried.states, *scans)


def _rounds(node: Node, trip: Tensor | None, carried: int) -> Dim:
    """The most rounds, by the trip count and by the declared shapes of the outputs per round."""
    if trip is not None and trip.value is not None:
        return max(int(trip.value.item()), 0)
    declared = [shape[0] for shape in node.declared[carried:] if shape]
    most = min(declared, default=UNBOUNDED)
    return most if trip is None else node.measure(element(trip).as_index, most)


def _scan_output(node: Node, rounds: Dim, bound: int, part: Tensor) -> Tensor:
    if bound == UNBOUNDED:
        raise node.refuse("an output for every round of a loop whose number of rounds nothing bounds")
    return node.tensor((rounds, *static_shape(node, part)), part.dtype)


@operator("Scan")
def scan(node: Node, *inputs: Tensor | None) -> tuple[Tensor, ...]:
    if node.version < 9:
        return _batched_scan(node, inputs)
    count = node.integer("num_scan_inputs")
    split = len(inputs) - count
    initial = [tensor for tensor in inputs[:split] if tensor is not None]
    sources = [tensor for tensor in inputs[split:] if tensor is not None]
    axes = _listed(node, "scan_input_axes", count)
    axes = [node.normal_axis(axis, tensor.rank) for axis, tensor in zip(axes, sources, strict=True)]
    backwards = _listed(node, "scan_input_directions", count)
    time = _common_length(node, [tensor.shape[axis] for axis, tensor in zip(axes, sources, strict=True)])
    step = Var("step", time)
    carried = _Carried.of(node, initial)

    def slices() -> list[Tensor]:
        return [_slice(node, *part, time, step) for part in zip(sources, axes, backwards, strict=True)]

    parts, before = node.collected(slices)
    results, stages = _lowered(node, node.attributes["body"], [*carried.states, *parts])
    new, outputs = results[:split], results[split:]
    if not carried.fits(new):
        raise node.refuse("a round changes the shapes of what it carries")
    turned = _listed(node, "scan_output_directions", len(outputs))
    scans = [node.tensor((time, *static_shape(node, tensor)), tensor.dtype) for tensor in outputs]

    def finish() -> None:
        for history, tensor, back in zip(scans, outputs, turned, strict=True):
            node.add(
                Put(history, scalars.size(time - 1) - step if back else step, tensor, origin=node.origin)
            )
        carried.advance(carried.settled(new, stages))

    _, after = node.collected(finish)
    node.add(Repeat((*carried.states, *scans)[0], step, (*before, *stages, *after), origin=node.origin))
    out_axes = _listed(node, "scan_output_axes", len(outputs))
    moved = [_moved(node, history, axis) for history, axis in zip(scans, out_axes, strict=True)]
    return (*carried.states, *moved)


def _listed(node: Node, name: str, count: int) -> list[int]:
    """An attribute with one integer for each of `count` things; zeros where it is left out."""
    values = list(node.integers(name, (0,) * count))
    if len(values) != count:
        raise node.refuse(f"attribute {name} has {len(values)} elements, expected {count}")
    return values


def _common_length(node: Node, lengths: Sequence[Dim]) -> int:
    known = set(lengths)
    (length,) = known if len(known) == 1 else (None,)
    if not isinstance(length, int):
        raise node.refuse(
            f"the lengths {', '.join(map(str, lengths))} of what it scans are not one known length"
        )
    return length


def _slice(node: Node, tensor: Tensor, axis: int, backwards: int, time: int, step: Expr) -> Tensor:
    place = scalars.size(time - 1) - step if backwards else step
    shape = (*tensor.shape[:axis], *tensor.shape[axis + 1 :])
    return node.map(shape, lambda *i: tensor[(*i[:axis], place, *i[axis:])])


def _moved(node: Node, tensor: Tensor, axis: int) -> Tensor:
    """The first axis as another one."""
    place = node.normal_axis(axis, tensor.rank)
    if place == 0:
        return tensor
    shape = (*tensor.shape[1 : place + 1], tensor.shape[0], *tensor.shape[place + 1 :])
    return node.map(shape, lambda *i: tensor[(i[place], *i[:place], *i[place + 1 :])])


def _batched_scan(node: Node, inputs: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """Version 8: every tensor has a first axis of batches, and a second one of time where it is scanned. A
    sequence
    that is shorter than the others keeps its state, and its outputs are 0 after its end."""
    lengths, *rest = inputs
    tensors = [tensor for tensor in rest if tensor is not None]
    count = node.integer("num_scan_inputs")
    split = len(tensors) - count
    backwards = _listed(node, "directions", count)
    batch = _common_length(node, [tensor.shape[0] for tensor in tensors])
    time = _common_length(node, [tensor.shape[1] for tensor in tensors[split:]])
    row, step = Var("row", batch), Var("step", time)

    def start() -> tuple[_Carried, list[Tensor]]:
        parts = [_slice(node, tensor, 0, 0, batch, row) for tensor in tensors]
        return _Carried.of(node, parts[:split]), parts[split:]

    (carried, sources), before = node.collected(start)
    parts, slices = node.collected(
        lambda: [
            _slice(node, tensor, 0, back, time, step) for tensor, back in zip(sources, backwards, strict=True)
        ]
    )
    results, stages = _lowered(node, node.attributes["body"], [*carried.states, *parts])
    new, outputs = results[:split], results[split:]
    if not carried.fits(new):
        raise node.refuse("a round changes the shapes of what it carries")
    finals = [node.tensor((batch, *state.shape), state.dtype) for state in carried.states]
    scans = [node.tensor((time, *static_shape(node, tensor)), tensor.dtype) for tensor in outputs]
    whole = [node.tensor((batch, *scan.shape), scan.dtype) for scan in scans]

    def within(tensor: Tensor, other: Tensor | None) -> Tensor:
        if lengths is None:
            return tensor
        valid = step < lengths[row].as_index
        if other is None:
            return node.map(tensor.shape, lambda *i: select(valid, tensor[i], 0))
        return node.map(tensor.shape, lambda *i: select(valid, tensor[i], other[i]))

    def round_() -> None:
        for history, tensor in zip(scans, outputs, strict=True):
            node.add(Put(history, step, within(tensor, None), origin=node.origin))
        kept = [within(*pair) for pair in zip(new, carried.states, strict=True)]
        carried.advance(carried.settled(kept, [*stages, *node.stages]))

    _, after = node.collected(round_)

    def each_row() -> None:
        out = (*carried.states, *scans)[0]
        node.add(Repeat(out, step, (*slices, *stages, *after), origin=node.origin))
        for result, tensor in zip((*finals, *whole), (*carried.states, *scans), strict=True):
            node.add(Put(result, row, tensor, origin=node.origin))

    _, rows = node.collected(each_row)
    node.add(Repeat((*finals, *whole)[0], row, (*before, *rows), origin=node.origin))
    return (*finals, *whole)


@operator("Optional", "OptionalGetElement")
def optional(node: Node, x: Tensor | None = None) -> Tensor:
    if x is None:
        raise node.refuse("an optional without a tensor")
    return x


@operator("OptionalHasElement")
def optional_has_element(node: Node, x: Tensor | None = None) -> Tensor:
    return node.constant(np.bool_(x is not None))
