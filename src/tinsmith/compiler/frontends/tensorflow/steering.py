"""Operators that hand on what they get: constants, variables, calls of functions, branches."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.interpreter import described, merged
from tinsmith.compiler.frontends.tensorflow.registry import Op, steers
from tinsmith.compiler.frontends.tensorflow.tensors import STRING, array_of
from tinsmith.compiler.frontends.tensorflow.things import (
    DEAD,
    Dead,
    Refused,
    Resource,
    Thing,
    Unsupported,
)
from tinsmith.compiler.shaping.builder import Dims, Graph, Value


@steers("Const", "HostConst")
def const(op: Op) -> Any:
    tensor = op.node.attr["value"].tensor
    if tensor.dtype == STRING:
        return Refused(limits=frozenset([f"node {op.scope.prefix + op.node.name!r} (Const): it is text"]))
    return op.constant(array_of(tensor))


@steers(
    *("Identity", "RefIdentity", "IdentityN", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics"),
    *(
        "LoopCond",
        "PlaceholderWithDefault",
        "DebugIdentity",
        "Copy",
        "NextIteration",
    ),
)
def identity(op: Op, *inputs: Thing) -> Any:
    if op.type == "IdentityN":
        return list(inputs)
    return inputs[0]


@steers("EnsureShape")
def ensure_shape(op: Op, x: Thing) -> Any:
    return op.fixed(x, op.shape_of("shape")) if isinstance(x, Value) else x


@steers(
    "Placeholder",
    "PlaceholderV2",
    "IteratorGetNext",
    "IteratorV2",
    "OneShotIterator",
    "ParseExample",
    "ParseExampleV2",
)
def placeholder(op: Op, *_: Thing) -> Any:
    name = op.scope.prefix + op.node.name
    if op.type.startswith("Placeholder"):
        raise ValueError("an input of the model that nothing gives a value to")
    return Refused(operators=frozenset([(op.type, name)]))


@steers("VarHandleOp", "VariableV2", "Variable", "AutoReloadVariable")
def variable(op: Op) -> Any:
    handle = Resource(op.type, op.node.name)
    return handle if op.type == "VarHandleOp" else _content(op, handle)


@steers("ReadVariableOp", "_ReadVariablesOp")
def read_variable(op: Op, *handles: Thing) -> Any:
    before = [op.scope.nodes.get(name[1:]) for name in op.node.input if name.startswith("^")]
    if any(node is not None and node.op.startswith("Assign") for node in before):
        raise Unsupported("it reads a variable that the model itself changes")
    return [_content(op, handle) for handle in handles]


@steers("ResourceGather")
def resource_gather(op: Op, handle: Thing, indices: Thing) -> Any:
    table = _content(op, handle)
    if isinstance(table, Refused) or isinstance(indices, Refused):
        return merged(thing for thing in (table, indices) if isinstance(thing, Refused))
    assert isinstance(table, Value), described(table)
    assert isinstance(indices, Value), described(indices)
    return op.add("Gather", table, indices, axis=0)


def _content(op: Op, handle: Thing) -> Thing:
    if isinstance(handle, Refused | Dead):
        return handle
    if not isinstance(handle, Resource) or handle.kind not in ("VarHandleOp", "VariableV2", "Variable"):
        raise Unsupported(f"it reads {described(handle)} as a variable")
    return op.interpreter.variable(handle.node)


@steers("HashTable", "HashTableV2", "MutableHashTable", "MutableHashTableV2", "StackV2", "QueueV2")
def resource(op: Op, *_: Thing) -> Any:
    return Resource(op.type, op.scope.prefix + op.node.name)


@steers("Switch", "RefSwitch")
def switch(op: Op, data: Thing, predicate: Thing) -> Any:
    if isinstance(predicate, Refused):
        return predicate
    if not isinstance(predicate, Value):
        raise Unsupported(f"its predicate is {described(predicate)}")
    if predicate.constant is None:
        return data, data
    return (DEAD, data) if predicate.constant.item() else (data, DEAD)


@steers("Merge", "RefMerge")
def merge(op: Op, *inputs: Thing) -> Any:
    names = [name for name in op.node.input if not name.startswith("^")]
    living = [index for index, thing in enumerate(inputs) if not isinstance(thing, Dead)]
    guards = op.interpreter.guards(op.scope, names)
    if not living:
        return DEAD
    first = living[0]
    if len(living) == 1:
        op.scope.guards[op.node.name] = guards[first]
        return inputs[first], op.constant(np.int32(first))
    refused = [thing for thing in inputs if isinstance(thing, Refused)]
    if refused:
        return merged(refused)
    if len(living) > 2:
        raise Unsupported(f"it merges {len(living)} values that may all be there")
    second = living[1]
    apart = next(((p, side) for p, side in guards[first] if (p, not side) in guards[second]), None)
    if apart is None:
        raise Unsupported("it merges values without one predicate that decides between them")
    predicate, side = apart
    yes, no = (first, second) if side else (second, first)
    op.scope.guards[op.node.name] = guards[first] & guards[second]
    one, other = inputs[yes], inputs[no]
    if not isinstance(one, Value) or not isinstance(other, Value):
        raise Unsupported(
            f"only the run can tell which of {described(one)} and {described(other)} it hands on"
        )
    chosen = op.add("Where", predicate, one, other)
    place = op.add("Where", predicate, op.constant(np.int32(yes)), op.constant(np.int32(no)))
    return chosen, place


@steers("PartitionedCall", "StatefulPartitionedCall", "RemoteCall")
def call(op: Op, *inputs: Thing) -> Any:
    name = op.node.attr["f"].func.name
    return op.interpreter.call(op.scope, name, inputs, op.scope.prefix + op.node.name)


@steers("If", "StatelessIf")
def if_(op: Op, predicate: Thing, *inputs: Thing) -> Any:
    names = [op.node.attr[key].func.name for key in ("then_branch", "else_branch")]
    if isinstance(predicate, Refused):
        return predicate
    assert isinstance(predicate, Value)
    return branches(op, predicate.cast(np.bool_) if predicate.dims == () else predicate, names, inputs)


@steers("Case", "StatelessCase")
def case(op: Op, index: Thing, *inputs: Thing) -> Any:
    names = [branch.name for branch in op.node.attr["branches"].list.func]
    if isinstance(index, Refused):
        return index
    assert isinstance(index, Value)
    if index.constant is None:
        if len(names) != 2:
            raise Unsupported(f"it has {len(names)} branches, and only the run can tell which is taken")
        return branches(op, op.add("Equal", index, op.like(0, index)), names, inputs)
    place = int(index.constant.item())
    taken = names[place] if 0 <= place < len(names) else names[-1]
    return op.interpreter.call(op.scope, taken, inputs, op.scope.prefix + op.node.name)


def branches(op: Op, predicate: Value, names: list[str], inputs: tuple[Thing, ...]) -> Any:
    """The branch that a known `predicate` takes, else an If."""
    name = op.scope.prefix + op.node.name
    if predicate.constant is not None:
        taken = names[0 if predicate.constant.any() else 1]
        return op.interpreter.call(op.scope, taken, inputs, name)
    graphs, results = [], []
    for function in names:
        with op.builder.into(Graph()) as graph:
            found = op.interpreter.call(op.scope, function, inputs, name, graph)
        refused = [thing for thing in found if isinstance(thing, Refused)]
        if refused:
            return merged(refused)
        results.append([handed_out(thing) for thing in found])
        graphs.append(graph)
    if any(yes.dtype != no.dtype for yes, no in zip(*results, strict=True)):
        raise ValueError("its branches give different types")
    types = [(yes.dtype, common(yes.dims, no.dims)) for yes, no in zip(*results, strict=True)]
    bodies = {
        f"{side}_branch": op.builder.subgraph(graph, side, [], values)
        for side, graph, values in zip(("then", "else"), graphs, results, strict=True)
    }
    return op.builder.declared("If", [predicate], types, **bodies) if types else []


def handed_out(thing: Thing) -> Value:
    """`thing` as a result of a branch or a round."""
    if not isinstance(thing, Value):
        raise Unsupported(f"a branch or a loop hands out {described(thing)}")
    return thing


def common(one: Dims, other: Dims) -> Dims:
    """The shape of what may have either."""
    if one is None or other is None or len(one) != len(other):
        return None
    return tuple(a if a == b else None for a, b in zip(one, other, strict=True))
