"""Recurrent layers. Over a sequence they start from zero; those of a single step go on from call to call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tflite.convert import activate, finish
from tinsmith.compiler.frontends.tflite.layer import Layer, scalar
from tinsmith.compiler.frontends.tflite.operators.cells import Cell, read_cell, real_array, step
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.frontends.tflite.schema import ACTIVATIONS
from tinsmith.compiler.frontends.tflite.scope import Scope
from tinsmith.compiler.frontends.tflite.state import read_state, write_state
from tinsmith.compiler.shaping.builder import Graph, Value

_STARTS = (
    "recurrent layers start from zero at every call, as the layers they were made of do; LiteRT goes on "
    "where the last call stopped unless its variables are reset"
)
_H, _C = 18, 19
"""Inputs of an LSTM that are its states."""


@operator("UNIDIRECTIONAL_SEQUENCE_LSTM", activates=False)
def unidirectional_sequence_lstm(layer: Layer) -> Value:
    if layer.flag("diagonal"):
        raise layer.refuse("recurrent weights that are diagonals")
    cell = read_cell(layer, 1, 20 if layer.count > 20 else None)
    x = _sequence(layer)
    return _ordered(layer, _lstm(layer, cell, x, "forward"))


@operator("BIDIRECTIONAL_SEQUENCE_LSTM", activates=False)
def bidirectional_sequence_lstm(layer: Layer) -> Value | tuple[Value, Value]:
    if any(layer.has(index) for index in range(39, 48)):
        raise layer.refuse("an auxiliary input")
    x = _sequence(layer)
    both = [
        _ordered(layer, _lstm(layer, read_cell(layer, first), x, direction))
        for first, direction in ((1, "forward"), (18, "reverse"))
    ]
    return _merged(layer, both)


@operator("LSTM", activates=False)
def lstm(layer: Layer) -> Value | tuple[Value, ...]:
    """One step of a cell."""
    if layer.integer("kernel_type"):
        raise layer.refuse("a cell of the old kernel type BASIC")
    _check_real(layer)
    cell = read_cell(layer, 1, 20 if layer.count > 20 else None)
    h, c = (read_state(layer, index) for index in (_H, _C))
    h, c = step(layer, cell, layer.real(0), h, c)
    write_state(layer, _H, h)
    write_state(layer, _C, c)
    return h


@operator("UNIDIRECTIONAL_SEQUENCE_RNN", activates=False)
def unidirectional_sequence_rnn(layer: Layer) -> Value:
    return _ordered(layer, _rnn(layer, _sequence(layer), 1, "forward"))


@operator("BIDIRECTIONAL_SEQUENCE_RNN", activates=False)
def bidirectional_sequence_rnn(layer: Layer) -> Value | tuple[Value, Value]:
    """Inputs: x; weights, recurrent weights, bias and state of each direction; then an auxiliary input."""
    if any(layer.has(index) for index in range(9, 12)):
        raise layer.refuse("an auxiliary input")
    x = _sequence(layer)
    both = [_ordered(layer, _rnn(layer, x, first, way)) for first, way in ((1, "forward"), (5, "reverse"))]
    return _merged(layer, both)


@operator("RNN", activates=False)
def rnn(layer: Layer) -> Value:
    """One step. Inputs: x, weights [units, in], recurrent weights, bias, state."""
    _check_real(layer)
    out = _rnn_step(layer, layer.real(0), read_state(layer, 4), 1)
    write_state(layer, 4, out)
    return out


@operator("SVDF")
def svdf(layer: Layer) -> Value:
    """Filters over channels, then over the time that the state remembers: [batch, filters * memory].

    Inputs: x [batch, in], weights over channels [filters, in], over time [filters, memory], bias, state.
    """
    _check_real(layer)
    rank, (filters, memory) = layer.integer("rank"), layer.static_shape(2)
    if rank < 1 or filters % rank:
        raise layer.refuse(f"{filters} filters of rank {rank}")
    state = read_state(layer, 4).reshape(-1, filters, memory)
    new = layer.emit("MatMul", layer.real(0), real_array(layer, 1).T)
    new = layer.emit("Unsqueeze", new, np.array([-1]))
    kept = layer.emit("Slice", state, np.array([1]), np.array([memory]), np.array([2]))
    state = layer.emit("Concat", kept, new, axis=2)
    write_state(layer, 4, state.reshape(-1, filters * memory))
    out = layer.emit("ReduceSum", layer.emit("Mul", state, real_array(layer, 2)), np.array([2]), keepdims=0)
    out = layer.emit("ReduceSum", out.reshape(-1, filters // rank, rank), np.array([2]), keepdims=0)
    return layer.emit("Add", out, real_array(layer, 3)) if layer.has(3) else out


def _check_real(layer: Layer) -> None:
    if layer.is_quantised(0):
        raise layer.refuse("a recurrent layer of integers; convert the model with float activations")


def _sequence(layer: Layer) -> Value:
    """Input 0 with time in front."""
    _check_real(layer)
    if layer.rank(0) != 3:
        raise layer.refuse(f"its input has {layer.rank(0)} dimensions, expected 3")
    if _STARTS not in layer.scope.shared.warnings:
        layer.scope.shared.warnings.append(_STARTS)
    x = layer.real(0)
    return x if layer.flag("time_major") else x.transpose(1, 0, 2)


def _ordered(layer: Layer, out: Value) -> Value:
    return out if layer.flag("time_major") else out.transpose(1, 0, 2)


def _merged(layer: Layer, both: list[Value]) -> Value | tuple[Value, Value]:
    if layer.flag("merge_outputs"):
        return layer.emit("Concat", *both, axis=2)
    return both[0], both[1]


def _lstm(layer: Layer, cell: Cell, x: Value, direction: str) -> Value:
    """[time, batch, outputs] of x [time, batch, in]."""
    if not cell.is_plain:
        zeros = [_zeros(layer, x, size) for size in (cell.outputs, cell.units)]
        return _scan(layer, x, zeros, direction, lambda inner, now, h, c: step(inner, cell, now, h, c))
    gates = cell.gates
    weights, recurrent = (
        np.concatenate([getattr(gate, name) for gate in gates])[None] for name in ("weights", "recurrent")
    )
    bias = np.concatenate([gate.bias for gate in gates] + [np.zeros(4 * cell.units, np.float32)])[None]
    peepholes: list[Any] = []
    if any(gate.peephole is not None for gate in gates):
        zero = np.zeros(cell.units, np.float32)
        parts = [zero if gate.peephole is None else gate.peephole for gate in gates[:3]]
        peepholes = [None, None, None, np.concatenate(parts)[None]]
    out = layer.emit(
        "LSTM", x, weights, recurrent, bias, *peepholes, hidden_size=cell.units, direction=direction
    )
    return layer.emit("Squeeze", out, np.array([1]))


def _rnn(layer: Layer, x: Value, first: int, direction: str) -> Value:
    units = layer.constant(first).shape[0]
    zeros = [_zeros(layer, x, units)]

    def one(inner: Layer, now: Value, h: Value) -> tuple[Value]:
        return (_rnn_step(inner, now, h, first),)

    return _scan(layer, x, zeros, direction, one)


def _rnn_step(layer: Layer, x: Value, h: Value, first: int) -> Value:
    activation = layer.integer("activation")
    if not 0 <= activation < len(ACTIVATIONS):
        raise layer.refuse(f"its activation is number {activation}")
    weights, recurrent, bias = (real_array(layer, index) for index in range(first, first + 3))
    total = layer.emit("Add", layer.emit("MatMul", x, weights.T), layer.emit("MatMul", h, recurrent.T))
    return activate(layer, layer.emit("Add", total, bias), ACTIVATIONS[activation])


def _zeros(layer: Layer, x: Value, size: int) -> Value:
    """[batch, size]"""
    batch = layer.emit("Shape", x, start=1, end=2)
    shape = layer.emit("Concat", batch, np.array([size]), axis=0)
    return layer.emit("Expand", scalar(0), shape)


def _scan(
    layer: Layer, x: Value, states: list[Value], direction: str, one: Callable[..., tuple[Value, ...]]
) -> Value:
    """The first state after each step; `one` gives the next states of a layer inside, an input and states."""
    builder = layer.builder
    inside = [builder.input(f"{layer.name}.state", np.float32, None) for _ in states]
    now = builder.input(f"{layer.name}.step", np.float32, None)
    scope = Scope(layer.scope.shared, layer.scope.subgraph, Graph(), layer.scope)
    with builder.into(scope.graph):
        after = one(Layer(scope, layer.operator), now, *inside)
    way = [int(direction == "reverse")]
    outputs = builder.declared(
        "Scan",
        [*states, x],
        [(x.dtype, None)] * (len(states) + 1),
        body=finish(scope, [*inside, now], [*after, after[0]]),
        num_scan_inputs=1,
        scan_input_directions=way,
        scan_output_directions=way,
    )
    return outputs[-1]
