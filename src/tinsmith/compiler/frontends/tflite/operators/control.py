"""Branches, loops, calls and variables."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.tflite.convert import (
    convert_operators,
    enter,
    finish,
    inline,
    results_of,
    tensor_name,
)
from tinsmith.compiler.frontends.tflite.layer import Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.frontends.tflite.scope import Operand
from tinsmith.compiler.frontends.tflite.state import handle_name, variable
from tinsmith.compiler.shaping.builder import Graph, Value


@operator("IF", moves=True)
def if_(layer: Layer) -> tuple[Value, ...]:
    """Inputs: the condition, then those of both subgraphs."""
    branches, results = [], []
    for option in ("then_subgraph", "else_subgraph"):
        scope = enter(layer, layer.integer(option), Graph())
        _bind(layer, scope.subgraph.inputs, scope.values)
        convert_operators(scope)
        results.append([scope.named(value) for value in results_of(scope)])
        branches.append(finish(scope, [], results[-1]))
    condition = _condition(layer, layer.stored(0))
    types = [(value.dtype, None) for value in results[0]]
    return layer.builder.declared("If", [condition], types, then_branch=branches[0], else_branch=branches[1])


def _bind(layer: Layer, inputs: tuple[int, ...], values: dict[int, Operand]) -> None:
    """A branch sees the values around it."""
    given = [layer.stored(index) for index in range(1, layer.count)]
    if len(given) != len(inputs):
        raise layer.refuse(f"it gives {len(given)} values to a subgraph of {len(inputs)} inputs")
    values.update(zip(inputs, given, strict=True))


@operator("WHILE", moves=True)
def while_(layer: Layer) -> tuple[Value, ...]:
    """ONNX tests the condition behind the body, and once before. What a round hands on keeps its type."""
    condition, body = layer.integer("cond_subgraph"), layer.integer("body_subgraph")
    start = [layer.stored(index) for index in range(layer.count)]
    builder = layer.builder
    (first,) = inline(layer.scope.graph, layer, condition, start)
    scope = enter(layer, body, Graph())
    tensors = [scope.subgraph.tensors[index] for index in scope.subgraph.inputs]
    types = [tensor.dtype for tensor in tensors]
    start = [layer.cast(value, dtype) for value, dtype in zip(start, types, strict=True)]
    inputs = [builder.input(tensor_name(tensor), tensor.dtype, None) for tensor in tensors]
    scope.values.update(zip(scope.subgraph.inputs, inputs, strict=True))
    convert_operators(scope)
    with builder.into(scope.graph):
        results = [layer.cast(value, dtype) for value, dtype in zip(results_of(scope), types, strict=True)]
        (again,) = inline(scope.graph, Layer(scope, layer.operator), condition, results)
        again = _condition(layer, again)
    counter, going = builder.input("round", np.int64, ()), builder.input("going", np.bool_, ())
    loop = finish(scope, [counter, going, *inputs], [again, *results])
    given = [None, _condition(layer, first), *start]
    return builder.declared("Loop", given, [(value.dtype, None) for value in start], body=loop)


def _condition(layer: Layer, value: Operand) -> Value:
    return layer.cast(value, "bool").reshape()


@operator("CALL", moves=True)
def call(layer: Layer) -> tuple[Operand, ...]:
    return _called(layer)


def _called(layer: Layer) -> tuple[Operand, ...]:
    given = [layer.stored(index) for index in range(layer.count)]
    return tuple(inline(layer.scope.graph, layer, layer.integer("subgraph"), given))


@operator("STABLEHLO_COMPOSITE", moves=True)
def composite(layer: Layer) -> tuple[Operand, ...]:
    """A layer by name, and a subgraph that says what it computes."""
    return _called(layer)


@operator("CALL_ONCE")
def call_once(layer: Layer) -> tuple[Value, ...]:
    """It gives variables their first values, see `state`."""
    return ()


@operator("VAR_HANDLE")
def var_handle(layer: Layer) -> Operand:
    return np.zeros(0, np.float32)


@operator("READ_VARIABLE", moves=True)
def read_variable(layer: Layer) -> Operand:
    return variable(layer, handle_name(layer.scope.subgraph, layer.operator.inputs[0])).value


@operator("ASSIGN_VARIABLE", moves=True)
def assign_variable(layer: Layer) -> tuple[Value, ...]:
    state = variable(layer, handle_name(layer.scope.subgraph, layer.operator.inputs[0]))
    state.value, state.changed = layer.stored(1), True
    return ()
