"""One step of every recurrent cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tinsmith.compiler.frontends.keras.config import Layer
from tinsmith.compiler.frontends.keras.layers.activations import activated
from tinsmith.compiler.frontends.keras.layers.convolution import convolve, output_first
from tinsmith.compiler.frontends.keras.layers.images import as_stored, channels_first, is_channels_first
from tinsmith.compiler.frontends.keras.layers.registry import Use, layer, sizes
from tinsmith.compiler.frontends.keras.old_weights import old_slots
from tinsmith.compiler.frontends.keras.tensor import Tensor

Step = Callable[[Use, Tensor, Sequence[Tensor]], tuple[Tensor, list[Tensor]]]


@dataclass(frozen=True)
class Cell:
    """How a kind of cell works."""

    project: Callable[[Use, Tensor], Tensor]
    """What the input contributes, for one step or for all at once."""
    step: Step
    """step(use, contribution, states): the output and the new states."""
    states: int
    """How many states there are."""


def _slots(layer: Layer) -> Sequence[str]:
    bias = ("bias",) if layer.get("use_bias", True) or layer.kind.startswith("CuDNN") else ()
    return old_slots(layer) or ("kernel", "recurrent_kernel", *bias)


@layer(
    "LSTMCell", "GRUCell", "SimpleRNNCell", "CuDNNLSTMCell", "CuDNNGRUCell", "ConvLSTM2DCell", slots=_slots
)
@layer("ConvLSTM1DCell", "ConvLSTM3DCell", slots=_slots)
@layer("StackedRNNCells")
def _cell(use: Use, x: Tensor, states: Sequence[Tensor] | None = None) -> list[Tensor]:
    """A cell that is called as a layer makes one step."""
    start = list(states) if states is not None else zero_states(use, x)
    output, new = step(use, x, start)
    return [output, *new]


def reset_after(use: Use) -> bool:
    """Whether a GRU multiplies by the reset gate after the product."""
    return bool(use.get("reset_after", use.layer.kind.startswith("CuDNN")))


def _projected(use: Use, x: Tensor) -> Tensor:
    result = use.add("MatMul", x, use.constant(use.weight("kernel")))
    if not use.has("bias"):
        return result
    bias = use.weight("bias")
    return use.add("Add", result, bias[0] if bias.ndim == 2 else bias)


def _recurred(use: Use, state: Tensor) -> Tensor:
    return use.add("MatMul", state, use.constant(use.weight("recurrent_kernel")))


def _gates(use: Use, x: Tensor, count: int) -> tuple[Tensor, ...]:
    return use.several("Split", count, x, axis=-1, num_outputs=count)


def _recurrent_activation(use: Use, x: Tensor) -> Tensor:
    if use.layer.kind.startswith("CuDNN"):
        return use.add("Sigmoid", x)
    return activated(use, x, "recurrent_activation")


def _activation(use: Use, x: Tensor) -> Tensor:
    if use.layer.kind.startswith("CuDNN"):
        return use.add("Tanh", x)
    return activated(use, x)


def _simple(use: Use, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    output = _activation(use, use.add("Add", x, _recurred(use, states[0])))
    return output, [output]


def _lstm(use: Use, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    return _lstm_gates(use, _gates(use, use.add("Add", x, _recurred(use, states[0])), 4), states[1])


def _lstm_gates(use: Use, gates: Sequence[Tensor], carry: Tensor) -> tuple[Tensor, list[Tensor]]:
    entry, forget, candidate, out = gates
    kept = use.add("Mul", _recurrent_activation(use, forget), carry)
    added = use.add("Mul", _recurrent_activation(use, entry), _activation(use, candidate))
    carried = use.add("Add", kept, added)
    output = use.add("Mul", _recurrent_activation(use, out), _activation(use, carried))
    return output, [output, carried]


def _gru(use: Use, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    before = states[0]
    update_x, reset_x, candidate_x = _gates(use, x, 3)
    kernel = use.weight("recurrent_kernel")
    units = kernel.shape[0]
    if reset_after(use):
        inner = _recurred(use, before)
        if use.has("bias"):
            inner = use.add("Add", inner, use.weight("bias").reshape(2, -1)[1])
        update_h, reset_h, candidate_h = _gates(use, inner, 3)
        update = _recurrent_activation(use, use.add("Add", update_x, update_h))
        reset = _recurrent_activation(use, use.add("Add", reset_x, reset_h))
        candidate_h = use.add("Mul", reset, candidate_h)
    else:
        gates = use.add("MatMul", before, use.constant(kernel[:, : 2 * units]))
        update_h, reset_h = _gates(use, gates, 2)
        update = _recurrent_activation(use, use.add("Add", update_x, update_h))
        reset = _recurrent_activation(use, use.add("Add", reset_x, reset_h))
        candidate_h = use.add("MatMul", use.add("Mul", reset, before), use.constant(kernel[:, 2 * units :]))
    candidate = _activation(use, use.add("Add", candidate_x, candidate_h))
    kept = use.add("Mul", update, before)
    output = use.add(
        "Add",
        kept,
        use.add("Mul", use.add("Sub", use.constant(np.ones((), x.dtype)), update), candidate),
    )
    return output, [output]


def _convolved(use: Use, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The recurrent convolution keeps the size; that of the input has the layer's padding and strides."""
    plain = {"strides": 1, "dilation_rate": 1, "padding": "same", "data_format": use.get("data_format")}
    bare = Layer("SeparableConvolution", use.layer.name, plain, use.layer.origin)  # whose bias is not added
    kernel = output_first(use.weight("recurrent_kernel"))
    inner = convolve(replace(use, layer=bare), channels_first(use, states[0]), kernel)
    total = use.add("Add", convolve(use, channels_first(use, x), output_first(use.weight("kernel"))), inner)
    gates = [as_stored(use, gate) for gate in use.several("Split", 4, total, axis=1, num_outputs=4)]
    return _lstm_gates(use, gates, states[1])


def _stacked(use: Use, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    new, rest = [], list(states)
    for child in use.layer.children.values():
        inner = replace(use, layer=child)
        count = state_count(inner)
        x, found = step(inner, x, rest[:count])
        rest = rest[count:]
        new += found
    return x, new


def _unchanged(use: Use, x: Tensor) -> Tensor:
    return x


CELLS: Mapping[str, Cell] = {
    "SimpleRNNCell": Cell(_projected, _simple, 1),
    "LSTMCell": Cell(_projected, _lstm, 2),
    "CuDNNLSTMCell": Cell(_projected, _lstm, 2),
    "GRUCell": Cell(_projected, _gru, 1),
    "CuDNNGRUCell": Cell(_projected, _gru, 1),
    "StackedRNNCells": Cell(_unchanged, _stacked, 0),
    "ConvLSTM1DCell": Cell(_unchanged, _convolved, 2),
    "ConvLSTM2DCell": Cell(_unchanged, _convolved, 2),
    "ConvLSTM3DCell": Cell(_unchanged, _convolved, 2),
}


def step(use: Use, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The output and the new states of the cell that `use` is of, for one time step `x`."""
    cell = CELLS[use.layer.kind]
    return cell.step(use, cell.project(use, x), states)


def state_count(use: Use) -> int:
    """How many states the cell has."""
    inner = [replace(use, layer=child) for child in use.layer.children.values()]
    return CELLS[use.layer.kind].states or sum(map(state_count, inner))


def zero_states(use: Use, x: Tensor) -> list[Tensor]:
    """The states before the first of the time steps that `x`, one of them, is like."""
    if use.layer.kind == "StackedRNNCells":
        found = [zero_states(replace(use, layer=child), x) for child in use.layer.children.values()]
        return [state for states in found for state in states]
    kernel = use.weight("recurrent_kernel")
    shape = [x.shape[0], kernel.shape[0]]
    if use.layer.kind.startswith("ConvLSTM"):
        rank = kernel.ndim - 2
        spatial = _reached(use, x.shape[2:] if is_channels_first(use) else x.shape[1:-1], rank)
        channels = kernel.shape[-2]
        shape = (
            [x.shape[0], channels, *spatial] if is_channels_first(use) else [x.shape[0], *spatial, channels]
        )
    return [use.constant(np.zeros(shape, use.dtype)) for _ in range(CELLS[use.layer.kind].states)]


def _reached(use: Use, spatial: Sequence[int], rank: int) -> list[int]:
    window, strides = use.weight("kernel").shape[:rank], sizes(use.get("strides", 1), rank)
    dilations = sizes(use.get("dilation_rate", 1), rank)
    if use.get("padding", "valid") == "same":
        return [-(-size // stride) for size, stride in zip(spatial, strides, strict=True)]
    return [
        (size - (span - 1) * dilation - 1) // stride + 1
        for size, span, stride, dilation in zip(spatial, window, strides, dilations, strict=True)
    ]
