"""Branches, loops, calls and variables."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from tinsmith.compiler.frontends.tflite.convert import (
    convert_operators,
    declare_input,
    enter,
    finish,
    inline,
    results_of,
)
from tinsmith.compiler.frontends.tflite.graph import Operand
from tinsmith.compiler.frontends.tflite.layer import Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.frontends.tflite.state import handle_name, variable


@operator("IF", moves=True)
def if_(layer: Layer) -> tuple[str, ...]:
    """Inputs: the condition, then those of both subgraphs."""
    branches = []
    for option in ("then_subgraph", "else_subgraph"):
        number = layer.integer(option)
        graph = enter(layer, number)
        _bind(layer, graph.subgraph.inputs, graph.values)
        convert_operators(graph)
        branches.append(finish(graph, [], results_of(graph)))
    condition = _condition(layer, layer.stored(0))
    return tuple(
        layer.emit_all(
            "If", condition, outputs=len(layer.outputs), then_branch=branches[0], else_branch=branches[1]
        )
    )


def _bind(layer: Layer, inputs: tuple[int, ...], values: dict[int, Operand]) -> None:
    """A branch sees the values around it."""
    given = [layer.stored(index) for index in range(1, layer.count)]
    if len(given) != len(inputs):
        raise layer.refuse(f"it gives {len(given)} values to a subgraph of {len(inputs)} inputs")
    values.update(zip(inputs, given, strict=True))


@operator("WHILE", moves=True)
def while_(layer: Layer) -> tuple[str, ...]:
    """ONNX tests the condition behind the body, and once before. What a round hands on keeps its type."""
    condition, body = layer.integer("cond_subgraph"), layer.integer("body_subgraph")
    start = [layer.stored(index) for index in range(layer.count)]
    (first,) = inline(layer.graph, layer, condition, start)
    graph = enter(layer, body)
    inputs = [declare_input(graph, index) for index in graph.subgraph.inputs]
    for value in inputs:
        value.type.tensor_type.ClearField("shape")
    convert_operators(graph)
    inner = Layer(graph, layer.operator)
    types = [graph.subgraph.tensors[index].dtype for index in graph.subgraph.inputs]
    results = [inner.cast(value, dtype) for value, dtype in zip(results_of(graph), types, strict=True)]
    start = [layer.cast(value, dtype) for value, dtype in zip(start, types, strict=True)]
    (again,) = inline(graph, layer, condition, results)
    again = _condition(inner, again)
    message = layer.graph.message
    counter = helper.make_tensor_value_info(message.fresh("round"), TensorProto.INT64, [])
    going = helper.make_tensor_value_info(message.fresh("going"), TensorProto.BOOL, [])
    loop = finish(graph, [counter, going, *inputs], [again, *results])
    return tuple(layer.emit_all("Loop", "", _condition(layer, first), *start, outputs=len(start), body=loop))


def _condition(layer: Layer, value: Operand) -> str:
    return layer.reshape(layer.cast(value, "bool"), [])


@operator("CALL", moves=True)
def call(layer: Layer) -> tuple[Operand, ...]:
    return _called(layer)


def _called(layer: Layer) -> tuple[Operand, ...]:
    given = [layer.stored(index) for index in range(layer.count)]
    return tuple(inline(layer.graph, layer, layer.integer("subgraph"), given))


@operator("STABLEHLO_COMPOSITE", moves=True)
def composite(layer: Layer) -> tuple[Operand, ...]:
    """A layer by name, and a subgraph that says what it computes."""
    return _called(layer)


@operator("CALL_ONCE")
def call_once(layer: Layer) -> tuple[str, ...]:
    """It gives variables their first values, see `state`."""
    return ()


@operator("VAR_HANDLE")
def var_handle(layer: Layer) -> Operand:
    return np.zeros(0, np.float32)


@operator("READ_VARIABLE", moves=True)
def read_variable(layer: Layer) -> Operand:
    return variable(layer, handle_name(layer.graph.subgraph, layer.operator.inputs[0])).value


@operator("ASSIGN_VARIABLE", moves=True)
def assign_variable(layer: Layer) -> tuple[str, ...]:
    state = variable(layer, handle_name(layer.graph.subgraph, layer.operator.inputs[0]))
    state.value, state.changed = layer.stored(1), True
    return ()
