"""The fused recurrent layers: RNN."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.shaping.builder import Array, Value

_GATES = {
    "rnn_relu": ("RNN", [0]),
    "rnn_tanh": ("RNN", [0]),
    "lstm": ("LSTM", [0, 3, 1, 2]),
    "gru": ("GRU", [1, 0, 2]),
}
"""ONNX's operator, and where in MXNet's order its gates are."""


@operator("RNN")
def rnn(node: Node) -> list[Value]:
    """[steps, batch, directions * state_size], and the last states if asked for.

    One array holds all weights: the matrices of all layers and directions, then their biases.
    """
    mode = node.choice("mode", "", *_GATES)
    for key in ("projection_size", "lstm_state_clip_min", "use_sequence_length"):
        if node.has(key) and node.text(key, "") not in ("False", "0"):
            raise node.refuse(f"{key}={node.text(key, '')}")
    content = node.array(1)
    if content is None:
        raise node.refuse("parameters that are computed")
    size, layers = node.integer("state_size"), node.integer("num_layers")
    directions = 2 if node.flag("bidirectional") else 1
    if size < 1 or not 1 <= layers <= 256:
        raise AttributeProblem(f"state_size is {size} and num_layers {layers}, expected numbers from 1 on")
    gates, width = len(_GATES[mode][1]), node.shape()[2]
    parts = _Parts(content.reshape(-1), mode, size, gates)
    matrices = [
        [parts.matrices(width if layer == 0 else size * directions) for _ in range(directions)]
        for layer in range(layers)
    ]
    biases = [[parts.biases() for _ in range(directions)] for _ in range(layers)]
    parts.end()
    return _stacked(node, mode, matrices, biases, directions)


class _Parts:
    """Takes the array of all weights apart."""

    def __init__(self, content: Array, mode: str, size: int, gates: int) -> None:
        self._content, self._size, self._gates = content, size, gates
        self._order = _GATES[mode][1]
        self._next = 0

    def matrices(self, width: int) -> tuple[Array, Array]:
        """Of the input and of the state, gates in ONNX's order."""
        return self._gated(width), self._gated(self._size)

    def biases(self) -> Array:
        """Those of the input, then those of the state."""
        return np.concatenate([self._gated(1)[:, 0], self._gated(1)[:, 0]])

    def end(self) -> None:
        """Raises AttributeProblem unless all was taken."""
        if self._next != self._content.size:
            raise AttributeProblem(f"its parameters are {self._content.size} numbers, expected {self._next}")

    def _gated(self, width: int) -> Array:
        count = self._gates * self._size * width
        found = self._content[self._next : self._next + count]
        self._next += count
        if found.size < count:
            raise AttributeProblem(f"its parameters are {self._content.size} numbers, expected more")
        ordered = found.reshape(self._gates, self._size, width)[self._order]
        return ordered.reshape(-1, width)


def _stacked(
    node: Node,
    mode: str,
    matrices: list[list[tuple[Array, Array]]],
    biases: list[list[Array]],
    directions: int,
) -> list[Value]:
    name, x, size = _GATES[mode][0], node.x, node.integer("state_size")
    steps, batch = node.shape()[:2]
    lasts: list[list[Value]] = []
    for layer, (pairs, added) in enumerate(zip(matrices, biases, strict=True)):
        first, last = layer * directions, (layer + 1) * directions
        states = [
            _state(node, position, first, last, batch) for position in ((2, 3) if mode == "lstm" else (2,))
        ]
        values = [
            np.stack([pair[0] for pair in pairs]),
            np.stack([pair[1] for pair in pairs]),
            np.stack(added),
        ]
        attributes: dict[str, object] = {"hidden_size": size}
        attributes["direction"] = "bidirectional" if directions == 2 else "forward"
        if mode == "gru":
            attributes["linear_before_reset"] = 1
        if mode == "rnn_relu":
            attributes["activations"] = ["Relu"] * directions
        outputs = node.several(name, 2 + (mode == "lstm"), x, *values, None, *states, **attributes)
        joined = outputs[0].transpose(0, 2, 1, 3)
        x = joined.reshape(steps, batch, directions * size)
        lasts.append(outputs[1:])
    if not node.flag("state_outputs"):
        return [x]
    return [x, *(_together(node, list(each)) for each in zip(*lasts, strict=True))]


def _state(node: Node, position: int, first: int, last: int, batch: int) -> Value:
    """The part of a state that a layer begins with; one of zeros may be smaller."""
    shape = node.shape(position)
    value = node.input(position)
    if shape[0] >= last:
        value = value.slice(0, first, last)
    wanted = [last - first, batch, node.integer("state_size")]
    return value if list(value.shape) == wanted else node.add("Expand", value, node.constant(wanted))


def _together(node: Node, values: list[Value]) -> Value:
    return values[0] if len(values) == 1 else node.add("Concat", *values, axis=0)
