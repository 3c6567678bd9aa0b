"""One step of an LSTM as TFLite defines it: with peepholes, layer normalisation, clips and a projection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite.convert import activate
from tinsmith.compiler.frontends.tflite.layer import Layer, real_values, scalar
from tinsmith.compiler.frontends.tflite.schema import ACTIVATIONS
from tinsmith.compiler.shaping.builder import Value

Array = NDArray[Any]

_EPSILON = 1e-8


@dataclass(frozen=True)
class Gate:
    """One of the four sums of a cell."""

    weights: Array
    """[units, in]"""
    recurrent: Array
    """[units, outputs]"""
    bias: Array
    """[units]"""
    peephole: Array | None = None
    normalisation: Array | None = None


@dataclass(frozen=True)
class Cell:
    """An LSTM cell."""

    input: Gate | None
    """None: coupled, the input gate is what the forget gate leaves."""
    forget: Gate
    cell: Gate
    output: Gate
    projection: Array | None
    """[outputs, units]"""
    projection_bias: Array | None
    activation: str
    cell_clip: float
    projection_clip: float

    @property
    def units(self) -> int:
        """Elements of the state of the cell."""
        return int(self.forget.weights.shape[0])

    @property
    def outputs(self) -> int:
        """Elements of the output."""
        return self.units if self.projection is None else int(self.projection.shape[0])

    @property
    def is_plain(self) -> bool:
        """Whether ONNX's own LSTM is the same."""
        return (
            self.projection is None
            and self.cell_clip <= 0
            and self.activation == "TANH"
            and self.forget.normalisation is None
        )

    @property
    def gates(self) -> tuple[Gate, Gate, Gate, Gate]:
        """Input, output, forget, cell. 1 - sigmoid(x) is sigmoid(-x)."""
        coupled = replace(
            self.forget,
            weights=-self.forget.weights,
            recurrent=-self.forget.recurrent,
            bias=-self.forget.bias,
            peephole=None if self.forget.peephole is None else -self.forget.peephole,
        )
        return self.input or coupled, self.output, self.forget, self.cell


def read_cell(layer: Layer, first: int, normalisation: int | None = None) -> Cell:
    """The cell whose weights are from input `first`, coefficients of normalisation from `normalisation`."""
    activation = layer.integer("activation")
    if not 0 <= activation < len(ACTIVATIONS):
        raise layer.refuse(f"its activation is number {activation}")
    entry, forget, cell, output = (_gate(layer, first, number, normalisation) for number in range(4))
    if forget is None or cell is None or output is None:
        raise layer.refuse("weights of its forget, cell or output gate are left out")
    return Cell(
        entry,
        forget,
        cell,
        output,
        projection=_optional(layer, first + 15),
        projection_bias=_optional(layer, first + 16),
        activation=ACTIVATIONS[activation],
        cell_clip=layer.number("cell_clip"),
        projection_clip=layer.number("proj_clip"),
    )


def _gate(layer: Layer, first: int, number: int, normalisation: int | None) -> Gate | None:
    weights, recurrent = (_optional(layer, first + offset + number) for offset in (0, 4))
    if weights is None or recurrent is None:
        return None
    peephole = {0: 8, 1: 9, 3: 10}.get(number)
    bias = _optional(layer, first + 11 + number)
    return Gate(
        weights,
        recurrent,
        np.zeros(weights.shape[0], np.float32) if bias is None else bias,
        None if peephole is None else _optional(layer, first + peephole),
        None if normalisation is None else _optional(layer, normalisation + number),
    )


def _optional(layer: Layer, index: int) -> Array | None:
    return real_array(layer, index) if layer.has(index) else None


def real_array(layer: Layer, index: int) -> Array:
    """A constant input as float32."""
    values, tensor = layer.constant(index), layer.tensor(index)
    return real_values(values, tensor) if layer.is_quantised(index) else values.astype(np.float32)


def step(layer: Layer, cell: Cell, x: Value, h: Value, c: Value) -> tuple[Value, Value]:
    """The next h and c of x [batch, in], h [batch, outputs] and c [batch, units]."""
    forget = layer.emit("Sigmoid", _sum(layer, cell.forget, x, h, c))
    if cell.input is None:
        entry = layer.emit("Sub", scalar(1), forget)
    else:
        entry = layer.emit("Sigmoid", _sum(layer, cell.input, x, h, c))
    candidate = activate(layer, _sum(layer, cell.cell, x, h, c), cell.activation)
    kept = layer.emit("Mul", forget, c)
    state = _clipped(layer, layer.emit("Add", kept, layer.emit("Mul", entry, candidate)), cell.cell_clip)
    output = layer.emit("Sigmoid", _sum(layer, cell.output, x, h, state))
    hidden = layer.emit("Mul", output, activate(layer, state, cell.activation))
    if cell.projection is not None:
        hidden = layer.emit("MatMul", hidden, cell.projection.T)
        if cell.projection_bias is not None:
            hidden = layer.emit("Add", hidden, cell.projection_bias)
        hidden = _clipped(layer, hidden, cell.projection_clip)
    return hidden, state


def _sum(layer: Layer, gate: Gate, x: Value, h: Value, c: Value) -> Value:
    total = layer.emit(
        "Add", layer.emit("MatMul", x, gate.weights.T), layer.emit("MatMul", h, gate.recurrent.T)
    )
    if gate.peephole is not None:
        total = layer.emit("Add", total, layer.emit("Mul", c, gate.peephole))
    if gate.normalisation is not None:
        one = np.ones(gate.bias.shape, np.float32)
        total = layer.emit("LayerNormalization", total, one, axis=-1, epsilon=_EPSILON)
        total = layer.emit("Mul", total, gate.normalisation)
    return layer.emit("Add", total, gate.bias)


def _clipped(layer: Layer, value: Value, bound: float) -> Value:
    if bound <= 0:
        return value
    return layer.emit("Clip", value, np.array(-bound, np.float32), np.array(bound, np.float32))
