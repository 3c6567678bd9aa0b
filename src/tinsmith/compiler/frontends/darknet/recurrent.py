"""Layers with a state: rnn, gru, lstm, crnn. Every run begins with a state of zeros.

The first dimension holds the steps of time, and in each step the sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tinsmith.compiler.frontends.darknet.activations import ACTIVATIONS
from tinsmith.compiler.frontends.darknet.convolutions import Dense, filter_weights
from tinsmith.compiler.frontends.darknet.layer import Layer, layer
from tinsmith.compiler.shaping.builder import Value

Product = Callable[[Value], Value]


def _steps(node: Layer, x: Value) -> list[Value]:
    """The parts of `x` by time."""
    each = x.shape[0] // node.steps
    return [x.slice(0, step * each, (step + 1) * each) for step in range(node.steps)]


def _joined(node: Layer, outputs: Sequence[Value]) -> Value:
    return outputs[0] if len(outputs) == 1 else node.add("Concat", *outputs, axis=0)


def _zeros(node: Layer, *shape: int) -> Value:
    return node.constant(np.zeros(shape, np.float32))


@layer("rnn")
def rnn(node: Layer) -> Value:
    """[steps * batch, output]"""
    x = node.row()
    count, inputs = x.shape
    output = node.size("output", 1)
    hidden = node.size("hidden", output)  # newer versions of Darknet have no other
    products = [Dense(node, *sizes) for sizes in ((inputs, hidden), (hidden, hidden), (hidden, output))]
    return _simple(node, x, products, _zeros(node, count // node.steps, hidden))


@layer("crnn")
def crnn(node: Layer) -> Value:
    """[steps * batch, output, height, width]"""
    x, (count, channels, height, width) = node.image()
    hidden, output = (
        node.size(f"{key}_filters", node.section.integer(key, 1)) for key in ("hidden", "output")
    )
    sizes = ((channels, hidden), (hidden, hidden), (hidden, output))
    products = [_convolution(node, *each) for each in sizes]
    return _simple(node, x, products, _zeros(node, count // node.steps, hidden, height, width))


def _convolution(node: Layer, channels: int, filters: int) -> Product:
    biases, weights = (node.constant(value) for value in filter_weights(node, filters, channels, 3))
    return lambda x: node.add("Conv", x, weights, biases, pads=[1] * 4)


def _simple(node: Layer, x: Value, products: Sequence[Product], state: Value) -> Value:
    """The state is the input's product plus its own, each under the activation."""
    activation = ACTIVATIONS[node.section.text("activation", "logistic")]

    def activated(product: Product) -> Product:
        return lambda value: activation(product(value))

    first, own, last = map(activated, products)
    outputs = []
    for value in _steps(node, x):
        new = first(value) + own(state)
        state = state + new if node.section.flag("shortcut") else new
        outputs.append(last(state))
    return _joined(node, outputs)


@layer("gru")
def gru(node: Layer) -> Value:
    """[steps * batch, output]"""
    x = node.row()
    count, inputs = x.shape
    size = node.size("output", 1)
    of_state = [Dense(node, size, size) for _ in range(3)]
    of_input = [Dense(node, inputs, size) for _ in range(3)]
    state = _zeros(node, count // node.steps, size)
    outputs = []
    for value in _steps(node, x):
        update, reset = (
            (own(state) + other(value)).op("Sigmoid")
            for own, other in zip(of_state[:2], of_input[:2], strict=True)
        )
        new = of_input[2](value) + of_state[2](state * reset)
        new = new.op("Tanh" if node.section.flag("tanh") else "Sigmoid")
        state = state * update + new * (1.0 - update)
        outputs.append(state)
    return _joined(node, outputs)


@layer("lstm")
def lstm(node: Layer) -> Value:
    """[steps * batch, output]"""
    x = node.row()
    count, inputs = x.shape
    size = node.size("output", 1)
    of_state = [Dense(node, size, size) for _ in range(4)]  # in, forget, out, new
    of_input = [Dense(node, inputs, size) for _ in range(4)]
    state = cell = _zeros(node, count // node.steps, size)
    outputs = []
    for value in _steps(node, x):
        sums = [own(state) + new(value) for own, new in zip(of_state, of_input, strict=True)]
        enter, keep, leave = (each.op("Sigmoid") for each in sums[:3])
        cell = enter * sums[3].op("Tanh") + keep * cell
        state = cell.op("Tanh") * leave
        outputs.append(state)
    return _joined(node, outputs)
