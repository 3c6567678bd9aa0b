"""Loops of TensorFlow, of both generations, become Loops of ONNX.

A round is first looked at for what it does with what it carries: hands it on as it is, counts by a fixed
step, writes a list at the place of the round. From counters that a condition looks at alone follows how many
rounds there are. Then the round is built: counters come from the number of the round, lists that are only
written become outputs per round, the rest is carried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.interpreter import described, merged
from tinsmith.compiler.frontends.tensorflow.lists import stacked
from tinsmith.compiler.frontends.tensorflow.messages import Message
from tinsmith.compiler.frontends.tensorflow.registry import Op, steers
from tinsmith.compiler.frontends.tensorflow.scope import Scope
from tinsmith.compiler.frontends.tensorflow.steering import common, handed_out
from tinsmith.compiler.frontends.tensorflow.things import (
    Refused,
    Resource,
    TensorList,
    Thing,
    Tracker,
    Unsupported,
)
from tinsmith.compiler.shaping.builder import Dims, Graph, Value

MAX_ROUNDS = 20_000
"""Rounds that are counted beforehand."""

Condition = Callable[[Sequence[Thing], Graph], Thing]
Round = Callable[[Sequence[Thing], Graph], Sequence[Thing]]


class _RefusedError(Exception):
    """A round needs what cannot be compiled."""

    def __init__(self, reason: Refused) -> None:
        super().__init__("refused")
        self.reason = reason


@dataclass
class _Plan:
    """What becomes of each state of a loop."""

    steps: dict[int, int] = field(default_factory=dict)
    """Counters: by how much they grow each round."""
    same: set[int] = field(default_factory=set)
    """States that every round hands on as they are."""
    scanned: set[int] = field(default_factory=set)
    """Lists that get one element per round, at the place of its number."""
    shapes: dict[int, Dims] = field(default_factory=dict)
    """Of elements of lists, or of carried tensors, after a round."""
    rounds: int | None = None


@steers("While", "StatelessWhile")
def while_(op: Op, *initial: Thing) -> Any:
    names = {key: op.node.attr[key].func.name for key in ("cond", "body")}
    place = op.scope.prefix + op.node.name

    def condition(states: Sequence[Thing], graph: Graph) -> Thing:
        return op.interpreter.call(op.scope, names["cond"], states, f"{place}/cond", graph)[0]

    def body(states: Sequence[Thing], graph: Graph) -> Sequence[Thing]:
        return op.interpreter.call(op.scope, names["body"], states, f"{place}/body", graph)

    return unrolled_or_looped(op, initial, condition, body)


@steers("Enter", "RefEnter")
def enter(op: Op, *given: Thing) -> Any:
    if op.scope.parent is None or op.text("frame_name") != op.scope.frame:
        return given[0] if given else op.interpreter.evaluate(op.scope, [op.node.input[0]])[0]
    return op.interpreter.evaluate(op.scope.parent, [op.node.input[0]])[0]


@steers("Exit", "RefExit")
def exit_(op: Op) -> Any:
    """The loop of TensorFlow 1 that this node leaves: all its exits are given their values at once."""
    frame = _Frame(op)
    results = unrolled_or_looped(op, frame.initial(), frame.condition, frame.body)
    if isinstance(results, Refused):
        return results
    values = dict(zip(frame.switches, results, strict=True))
    for switch, value in values.items():
        op.scope.done.update((name, [value]) for name in frame.exits.get(switch, ()))
    return values[_name(op.node.input[0])]


class _Frame:
    """The nodes of one loop of TensorFlow 1: per state Enter, Merge, Switch, NextIteration, Exit."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.nodes = op.scope.nodes
        first = self._source(op.node, 0, "Switch")
        self.loop_cond = self._source(first, 1, "LoopCond")
        self.switches: list[str] = []
        self.merges: list[Message] = []
        self.enters: list[Message] = []
        for node in self.nodes.values():
            if node.op not in ("Switch", "RefSwitch") or _name(node.input[1]) != self.loop_cond.name:
                continue
            merge = self._source(node, 0, "Merge")
            self.switches.append(node.name)
            self.merges.append(merge)
            self.enters.append(self._source(merge, 0, "Enter"))
        self.frame = self.enters[0].attr["frame_name"].s.decode(errors="replace")
        self.exits: dict[str, list[str]] = {}
        for node in self.nodes.values():
            if node.op in ("Exit", "RefExit") and node.input:
                self.exits.setdefault(_name(node.input[0]), []).append(node.name)

    def _source(self, node: Message, index: int, kind: str) -> Message:
        source = self.nodes.get(_name(node.input[index])) if index < len(node.input) else None
        if source is None or source.op not in (kind, f"Ref{kind}"):
            found = "nothing" if source is None else source.op
            raise ValueError(f"a loop whose {node.op} {node.name!r} follows {found}, expected a {kind}")
        return source

    def initial(self) -> list[Thing]:
        return self.op.interpreter.evaluate(self.op.scope, [node.input[0] for node in self.enters])

    def _scope(self, states: Sequence[Thing], graph: Graph) -> Scope:
        around = self.op.scope
        presets = dict(zip((merge.name for merge in self.merges), states, strict=True))
        presets.update(zip((f"{name}:1" for name in self.switches), states, strict=True))
        return Scope(
            self.nodes,
            graph,
            around.prefix,
            presets=presets,
            parent=around,
            frame=self.frame,
            depth=around.depth + 1,
        )

    def condition(self, states: Sequence[Thing], graph: Graph) -> Thing:
        return self.op.interpreter.evaluate(self._scope(states, graph), [self.loop_cond.input[0]])[0]

    def body(self, states: Sequence[Thing], graph: Graph) -> Sequence[Thing]:
        nexts = [self._source(merge, 1, "NextIteration").input[0] for merge in self.merges]
        return self.op.interpreter.evaluate(self._scope(states, graph), nexts)


def _name(reference: str) -> str:
    return reference.partition(":")[0]


def unrolled_or_looped(op: Op, initial: Sequence[Thing], condition: Condition, body: Round) -> Any:
    """What the states that begin as `initial` are when `condition` no longer holds."""
    refused = [thing for thing in initial if isinstance(thing, Refused)]
    if refused:
        return merged(refused)
    try:
        plan = _planned(op, initial, condition, body)
        if plan.rounds == 0:
            return list(initial)
        return _Building(op, initial, condition, body, plan).results()
    except _RefusedError as error:
        return error.reason


def _planned(op: Op, initial: Sequence[Thing], condition: Condition, body: Round) -> _Plan:
    shapes: dict[int, Dims] = {}
    for _ in range(8):  # sizes that change from round to round are open
        plan = _looked_at(op, initial, body, shapes)
        if plan.shapes == shapes:
            break
        shapes = plan.shapes
    plan.rounds = _rounds(op, initial, plan, condition)
    return plan


def _looked_at(op: Op, initial: Sequence[Thing], body: Round, shapes: dict[int, Dims]) -> _Plan:
    scratch = Graph()
    with op.builder.into(scratch):
        states = [_symbolic(op, thing, shapes.get(index)) for index, thing in enumerate(initial)]
        results = _sound(body(states, scratch))
    plan = _Plan()
    for index, (state, result) in enumerate(zip(states, results, strict=True)):
        if result is state:
            plan.same.add(index)
        elif isinstance(state, Value) and isinstance(result, Value):
            if state.dtype != result.dtype:
                raise ValueError("a loop changes the type of what it carries")
            step = _step(op, state, result)
            if step is not None and getattr(initial[index], "constant", None) is not None:
                plan.steps[index] = step
            plan.shapes[index] = common(state.dims, result.dims)
        elif isinstance(state, TensorList) and isinstance(result, TensorList):
            assert state.tracker is not None
            plan.shapes[index] = result.shape
            if len(result.writes) == 1 and not state.tracker.read and result.tracker is state.tracker:
                plan.scanned.add(index)
        else:
            raise Unsupported(f"a loop makes {described(result)} of {described(state)}")
    plan.scanned = {
        index for index in plan.scanned if _counts_from_zero(results[index], states, initial, plan)
    }
    return plan


def _symbolic(op: Op, thing: Thing, shape: Dims) -> Thing:
    if isinstance(thing, Value):
        return op.builder.input("state", thing.dtype, thing.dims if shape is None else shape)
    if isinstance(thing, TensorList):
        element = thing.shape if shape is None else shape
        content = None
        if thing.stacked is not None:
            content = op.builder.input("state", thing.dtype, thing.stacked.dims)
        return replace(thing, shape=element, stacked=content, tracker=Tracker(), writes=())
    return thing


def _sound(results: Sequence[Thing]) -> Sequence[Thing]:
    refused = [thing for thing in results if isinstance(thing, Refused)]
    if refused:
        raise _RefusedError(merged(refused))
    return results


def _step(op: Op, state: Value, result: Value) -> int | None:
    """By how much a counter grows."""
    node = op.builder.producers.get(result.name)
    if node is None or node.op_type != "Add" or state.dims != () or state.dtype not in _COUNTERS:
        return None
    others = [name for name in node.input if name != state.name]
    step = op.builder.values[others[0]].constant if len(others) == 1 else None
    return None if step is None else int(step.item())


_COUNTERS = (np.int32, np.int64)


def _counts_from_zero(result: Thing, states: Sequence[Thing], initial: Sequence[Thing], plan: _Plan) -> bool:
    """Whether the one write of a round is at the number of the round."""
    assert isinstance(result, TensorList)
    place = result.writes[0][0]
    for index, step in plan.steps.items():
        start = initial[index]
        assert isinstance(start, Value)
        assert start.constant is not None
        if place is states[index]:
            return step == 1 and start.constant.item() == 0
    return False


def _rounds(op: Op, initial: Sequence[Thing], plan: _Plan, condition: Condition) -> int | None:
    """How often `condition` holds, where counters alone decide it."""
    if not plan.steps:
        return None
    for number in range(MAX_ROUNDS):
        scratch = Graph()
        with op.builder.into(scratch):
            states = [_at(op, thing, index, number, plan) for index, thing in enumerate(initial)]
            holds = _sound([condition(states, scratch)])[0]
        if not isinstance(holds, Value) or holds.constant is None:
            return None
        if not holds.constant.item():
            return number
    return None


def _at(op: Op, thing: Thing, index: int, number: int, plan: _Plan) -> Thing:
    if index in plan.steps:
        assert isinstance(thing, Value)
        assert thing.constant is not None
        return op.constant(np.asarray(thing.constant + number * plan.steps[index], thing.constant.dtype))
    return thing if index in plan.same else _symbolic(op, thing, plan.shapes.get(index))


class _Building:
    """Builds the Loop of a plan."""

    def __init__(
        self, op: Op, initial: Sequence[Thing], condition: Condition, body: Round, plan: _Plan
    ) -> None:
        self.op = op
        self.initial = initial
        self.condition = condition
        self.body = body
        self.plan = plan
        if plan.rounds is None:
            plan.scanned = set()
            plan.steps = {}
        self.carried = [
            index
            for index, thing in enumerate(initial)
            if not (
                index in plan.same
                or index in plan.steps
                or index in plan.scanned
                or isinstance(thing, Resource)
            )
        ]

    def results(self) -> list[Thing]:
        """The final states."""
        op, plan = self.op, self.plan
        start = {index: self._tensor(index) for index in self.carried}
        counted = plan.rounds is not None
        going = op.constant(np.array(True)) if counted else self._holds(self.initial, op.builder.graph)
        number, holds = op.builder.input("round", np.int64, ()), op.builder.input("going", np.bool_, ())
        with op.builder.into(Graph()) as inner:
            states = self._states(number)
            after = _sound(self.body([states[index] for index in range(len(states))], inner))
            new = [handed_out(self._carry(index, after[index])) for index in self.carried]
            scans = [handed_out(_written(after[index])) for index in sorted(plan.scanned)]
            kept = holds if counted else self._holds(after, inner)
        inputs = [number, holds, *(self._inside[index] for index in self.carried)]
        types = [
            (value.dtype, common(start[index].dims, value.dims))
            for index, value in zip(self.carried, new, strict=True)
        ]
        types += [
            (value.dtype, None if value.dims is None else (plan.rounds, *value.dims)) for value in scans
        ]
        outputs = op.builder.declared(
            "Loop",
            [None if plan.rounds is None else op.constant(np.int64(plan.rounds)), going, *start.values()],
            types,
            body=op.builder.subgraph(inner, "body", inputs, [kept, *new, *scans]),
        )
        return self._final(outputs)

    def _tensor(self, index: int) -> Value:
        thing = self.initial[index]
        if isinstance(thing, TensorList):
            shape = self.plan.shapes.get(index)
            return stacked(self.op, thing if shape is None else replace(thing, shape=shape))
        assert isinstance(thing, Value)
        return thing

    def _holds(self, states: Sequence[Thing], graph: Graph) -> Value:
        holds = _sound([self.condition(states, graph)])[0]
        assert isinstance(holds, Value)
        return holds if holds.dims in ((), None) else holds.reshape()

    def _states(self, number: Value) -> list[Thing]:
        op, plan = self.op, self.plan
        self._inside: dict[int, Value] = {}
        states: list[Thing] = []
        for index, thing in enumerate(self.initial):
            if index in plan.steps:
                assert isinstance(thing, Value)
                states.append(self._counter(number, thing, plan.steps[index]))
            elif index in plan.scanned:
                assert isinstance(thing, TensorList)
                states.append(replace(thing, tracker=Tracker(), writes=()))
            elif index in self.carried:
                tensor = self._tensor(index)
                shape = tensor.dims if isinstance(thing, TensorList) else plan.shapes.get(index)
                inside = op.builder.input(f"{op.builder.scope}.state", tensor.dtype, shape)
                self._inside[index] = inside
                if isinstance(thing, TensorList):
                    states.append(replace(thing, stacked=inside, shape=(shape or ())[1:]))
                else:
                    states.append(inside)
            else:
                states.append(thing)
        return states

    def _counter(self, number: Value, start: Value, step: int) -> Value:
        op = self.op
        value = number.cast(start.dtype)
        if step != 1:
            value = op.add("Mul", value, op.like(step, start))
        assert start.constant is not None
        return op.add("Add", value, start) if start.constant.item() else value

    def _carry(self, index: int, thing: Thing) -> Thing:
        return stacked(self.op, thing) if isinstance(thing, TensorList) else thing

    def _final(self, outputs: Sequence[Value]) -> list[Thing]:
        op, plan = self.op, self.plan
        final: list[Thing] = list(self.initial)
        for index, value in zip([*self.carried, *sorted(plan.scanned)], outputs, strict=True):
            thing = self.initial[index]
            if index in plan.scanned:
                assert isinstance(thing, TensorList)
                value = self._padded(value, thing)
            if isinstance(thing, TensorList):
                final[index] = replace(thing, stacked=value, shape=(value.dims or ())[1:])
            else:
                final[index] = value
        for index, step in plan.steps.items():
            start = self.initial[index]
            assert isinstance(start, Value)
            assert start.constant is not None
            assert plan.rounds is not None
            final[index] = op.constant(np.asarray(start.constant + plan.rounds * step, start.constant.dtype))
        return final

    def _padded(self, rows: Value, thing: TensorList) -> Value:
        """Elements that no round wrote are as they were before."""
        op, rounds = self.op, self.plan.rounds
        assert rounds is not None
        length = op.known_ints(thing.length, "number of elements")[0]
        if length <= rounds:
            return rows
        whole = stacked(op, replace(thing, shape=(rows.dims or ())[1:]))
        rest = op.slice(whole, [rounds], [length], [0])
        padded: Value = op.add("Concat", rows, rest, axis=0)
        return padded


def _written(thing: Thing) -> Thing:
    """The one element that a round has written."""
    assert isinstance(thing, TensorList), described(thing)
    return thing.writes[0][1]
