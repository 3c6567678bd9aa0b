"""Recurrent layers: ONNX's own where it has them, a Scan over one step elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.config import Layer
from tinsmith.compiler.frontends.keras.layers.activations import activation_name, hard_slope
from tinsmith.compiler.frontends.keras.layers.cells import CELLS, reset_after, state_count, step, zero_states
from tinsmith.compiler.frontends.keras.layers.registry import Result, Use, layer
from tinsmith.compiler.frontends.keras.tensor import Tensor
from tinsmith.compiler.shaping.builder import Array, Dims, DType, Graph

_FUSED: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "LSTMCell": ("LSTM", (0, 3, 1, 2)),
    "CuDNNLSTMCell": ("LSTM", (0, 3, 1, 2)),
    "GRUCell": ("GRU", (0, 1, 2)),
    "CuDNNGRUCell": ("GRU", (0, 1, 2)),
    "SimpleRNNCell": ("RNN", (0,)),
}
"""The operator of ONNX, and which gate of Keras each of its gates is."""

_ACTIVATIONS = {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "Relu",
    "hard_sigmoid": "HardSigmoid",
    "elu": "Elu",
    "softsign": "Softsign",
    "softplus": "Softplus",
}


@layer("LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def _recurrent(use: Use, x: Any, initial_state: Any = None) -> Result:
    x, states = _arguments(x, initial_state)
    cell = replace(use, layer=use.layer.children["cell"])
    time_major = bool(use.get("time_major"))
    if time_major:
        x = x.transpose(1, 0, *range(2, x.rank)).masked(x.mask)
    operator = _FUSED.get(cell.layer.kind)
    names = _activation_names(cell)
    if operator and x.mask is None and names is not None:
        sequence, last, final = _fused(cell, x, states, bool(use.get("go_backwards")), operator, names)
    elif _convolves(cell.layer):
        sequence, last, final = _unrolled(use, cell, x, states)
    else:
        sequence, last, final = _scanned(use, cell, x, states)
    if use.get("return_sequences"):
        if use.get("go_backwards"):
            sequence = sequence.slice(1, -1, -(2**31), -1)
        result = sequence.masked(x.mask)
        if time_major:
            result = result.transpose(1, 0, *range(2, result.rank))
    else:
        result = last
    return [result, *final] if use.get("return_state") else result


def _arguments(x: Any, initial_state: Any) -> tuple[Tensor, list[Tensor]]:
    """The sequence and the states it starts with, which Keras 2 gave in one list."""
    if isinstance(x, list):
        return x[0], list(x[1:])
    if initial_state is None:
        return x, []
    if not isinstance(initial_state, list | tuple):
        return x, [initial_state]
    flat: list[Tensor] = []
    for state in initial_state:
        flat += state if isinstance(state, list | tuple) else [state]
    return x, flat


def _activation_names(cell: Use) -> list[tuple[str, dict[str, float]]] | None:
    """The recurrent activation and the other as ONNX calls them, if it has both."""
    if cell.layer.kind.startswith("CuDNN"):
        return [("Sigmoid", {}), ("Tanh", {})]
    found = []
    for key in ("recurrent_activation", "activation"):
        name = activation_name(cell.layer.config.get(key))
        if key == "recurrent_activation" and cell.layer.kind == "SimpleRNNCell":
            continue
        if name not in _ACTIVATIONS:
            return None
        values = {"alpha": hard_slope(cell), "beta": 0.5} if name == "hard_sigmoid" else {}
        values = {"alpha": 1.0} if name == "elu" else values
        found.append((_ACTIVATIONS[name], values))
    return found


def _fused(
    use: Use,
    x: Tensor,
    states: Sequence[Tensor],
    backwards: bool,
    fused: tuple[str, tuple[int, ...]],
    names: Sequence[tuple[str, dict[str, float]]],
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The sequence in the order of `x`, the last output and the final states."""
    operator, order = fused
    kernel, recurrent = (_by_gate(use.weight(slot), order)[None] for slot in ("kernel", "recurrent_kernel"))
    units = recurrent.shape[-1]
    bias: tuple[Array | None, ...] = (None,)
    attributes: dict[str, Any] = {"hidden_size": units}
    if operator == "GRU":
        attributes["linear_before_reset"] = int(reset_after(use))
    if use.has("bias"):
        both = use.weight("bias").reshape(-1, len(order) * units)
        both = np.concatenate([both, np.zeros_like(both)]) if len(both) == 1 else both
        bias = (np.concatenate([_by_gate(part[None], order).reshape(-1) for part in both])[None],)
    every = [*names, *names[-1:]] if operator == "LSTM" else names
    attributes["activations"] = [name for name, _ in every]
    attributes["activation_alpha"] = [values["alpha"] for _, values in every if "alpha" in values]
    attributes["activation_beta"] = [values["beta"] for _, values in every if "beta" in values]
    attributes = {key: value for key, value in attributes.items() if value != []}
    if backwards:
        attributes["direction"] = "reverse"
    start = [state.reshape(1, *state.shape) for state in states]
    outputs = use.several(
        operator,
        3 if operator == "LSTM" else 2,
        x.transpose(1, 0, 2),
        use.constant(kernel),
        use.constant(recurrent),
        *bias,
        None,
        *start,
        **attributes,
    )
    every_step = outputs[0].reshape(outputs[0].shape[0], x.shape[0], units)
    final = [state.reshape(x.shape[0], units) for state in outputs[1:]]
    return every_step.transpose(1, 0, 2), final[0], final


def _by_gate(weights: Array, order: Sequence[int]) -> Array:
    """[inputs, gates * units] as [gates * units, inputs], with the gates in `order`."""
    pieces = np.split(weights, len(order), axis=1)
    return np.ascontiguousarray(np.concatenate([pieces[gate] for gate in order], axis=1).T)


def _scanned(use: Use, cell: Use, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The same, step by step. A step that the mask leaves out changes no state and repeats the output."""
    message = use.message
    projected = CELLS[cell.layer.kind].project(cell, x)
    begin = list(states) or zero_states(cell, _moment(use, x, 0))
    if len(begin) != state_count(cell):
        raise ValueError(f"{len(begin)} initial states, expected {state_count(cell)}")
    given = [message.input("state", state.dtype, state.shape) for state in begin]
    current = message.input("step", x.dtype, (x.shape[0], *projected.shape[2:]))
    carried, inputs, taken = list(begin), [*given], [current]
    sequences = [projected]
    with message.into(Graph()) as body:
        output, new = CELLS[cell.layer.kind].step(cell, current, given)
        if x.mask is not None:
            counts = message.input("counts", np.bool_, (x.shape[0],))
            last = message.input("last", output.dtype, output.shape)
            begin_output = message.constant(np.zeros(output.shape, output.dtype))
            new = [_where(cell, counts, after, before) for after, before in zip(new, given, strict=True)]
            held = np.zeros((), output.dtype) if use.get("zero_output_for_mask") else last
            output = _where(cell, counts, output, held)
            carried, inputs, new = [*carried, begin_output], [*inputs, last], [*new, output]
            taken, sequences = [*taken, counts], [*sequences, x.mask]
    graph = message.subgraph(body, "step", [*inputs, *taken], [*new, output])
    types: list[tuple[DType, Dims]] = [(state.dtype, state.shape) for state in new]
    types.append((output.dtype, (x.shape[0], x.shape[1], *output.shape[1:])))
    backwards = int(bool(use.get("go_backwards")))
    *final, sequence = message.declared(
        "Scan",
        [*carried, *sequences],
        types,
        body=graph,
        num_scan_inputs=len(sequences),
        scan_input_axes=[1] * len(sequences),
        scan_input_directions=[backwards] * len(sequences),
        scan_output_axes=[1],
        scan_output_directions=[backwards],
    )
    index = 0 if backwards else x.shape[1] - 1
    last_output = sequence.slice(1, index, index + 1).reshape(*output.shape)
    return sequence, last_output, final[: len(begin)]


def _convolves(cell: Layer) -> bool:
    return cell.kind.startswith("ConvLSTM") or any(map(_convolves, cell.children.values()))


def _unrolled(
    use: Use, cell: Use, x: Tensor, states: Sequence[Tensor]
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The same, with the nodes of every step: then convolutions get kernels of their own."""
    moments = [_moment(use, x, index) for index in range(x.shape[1])]
    current = list(states) or zero_states(cell, moments[0])
    outputs: dict[int, Tensor] = {}
    held: Any = None
    for index in reversed(range(len(moments))) if use.get("go_backwards") else range(len(moments)):
        output, new = step(cell, moments[index], current)
        if x.mask is not None:
            counts = _moment(use, x.mask, index)
            new = [_where(use, counts, after, before) for after, before in zip(new, current, strict=True)]
            if held is None or use.get("zero_output_for_mask"):
                held = np.zeros((), output.dtype)
            output = held = _where(use, counts, output, held)
        outputs[index], current = output, new
    last = output
    joined = [outputs[index].reshape(x.shape[0], 1, *last.shape[1:]) for index in sorted(outputs)]
    return (use.add("Concat", *joined, axis=1) if len(joined) > 1 else joined[0]), last, current


def _moment(use: Use, x: Tensor, index: int) -> Tensor:
    return x.slice(1, index, index + 1).reshape(x.shape[0], *x.shape[2:])


def _where(use: Use, counts: Tensor, after: Tensor, before: Any) -> Tensor:
    condition = counts.reshape(counts.shape[0], *[1] * (after.rank - 1))
    return use.add("Where", condition, after, before)


@layer("Bidirectional")
def _both_ways(use: Use, x: Any, initial_state: Any = None) -> Result:
    x, states = _arguments(x, initial_state)
    half = len(states) // 2
    forward_layer, backward_layer = use.layer.children.values()
    forward = _listed(use.convert(forward_layer, x, initial_state=states[:half] or None))
    backward = _listed(use.convert(backward_layer, x, initial_state=states[half:] or None))
    one, other = forward[0], backward[0]
    sequences = bool(forward_layer.get("return_sequences"))
    if sequences:
        other = other.slice(1, -1, -(2**31), -1)
    mode = use.layer.config.get("merge_mode", "concat")
    results = [one, other] if mode is None else [_merged(use, mode, one, other)]
    results = [result.masked(x.mask if sequences else None) for result in results]
    results += [*forward[1:], *backward[1:]]
    return results[0] if len(results) == 1 else results


def _merged(use: Use, mode: str, one: Tensor, other: Tensor) -> Tensor:
    if mode == "concat":
        return use.add("Concat", one, other, axis=-1)
    if mode == "ave":
        return use.add("Mul", use.add("Add", one, other), 0.5)
    return use.add({"sum": "Add", "mul": "Mul"}[mode], one, other)


def _listed(result: Result) -> list[Tensor]:
    return list(result) if isinstance(result, list | tuple) else [result]


@layer("TimeDistributed", casts=False)
def _time_distributed(use: Use, x: Tensor) -> Result:
    """The layer inside takes the time steps as so many more items of the batch."""
    merged = x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
    results = _listed(use.child("layer", merged))
    shaped = [result.reshape(*x.shape[:2], *result.shape[1:]).masked(x.mask) for result in results]
    return shaped[0] if len(shaped) == 1 else shaped


@layer("Masking")
def _masking(use: Use, x: Tensor) -> Tensor:
    """Steps whose values are all the mask value do not count, and become zero."""
    value = float(use.get("mask_value", 0.0))
    different = use.add("Not", use.add("Equal", x, value)).cast(np.int32)
    counts = use.add("ReduceMax", different, np.array([-1], np.int64)).cast(np.bool_)
    kept = use.add("Mul", x, counts.cast(x.dtype))
    return kept.masked(counts.reshape(*x.shape[:2])) if x.rank == 3 else kept
