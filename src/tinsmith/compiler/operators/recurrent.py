"""Recurrent networks: RNN, GRU and LSTM.

The products of all inputs with the weights are one contraction for all steps of time; then a Repeat over time
multiplies the hidden state by the recurrent weights and computes the gates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tinsmith.compiler.ir import loops, scalars
from tinsmith.compiler.ir.loops import Copy, Put, Repeat
from tinsmith.compiler.ir.scalars import Expr, Tensor, Var, call, literal, select
from tinsmith.compiler.operators.activations import clamped, logistic, softplus_of, widened
from tinsmith.compiler.operators.contractions import product
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.steering import static_shape

Function = Callable[[Expr], Expr]
Gate = Callable[[int, Expr, Expr], Expr]
"""gate(number, batch, unit)"""


@operator("RNN")
def rnn(
    node: Node, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, *more: Tensor | None
) -> tuple[Tensor | None, ...]:
    lengths, hidden = _given(more, 2)

    def cell(layer: _Layer) -> list[Tensor]:
        f = layer.activation(0)
        h = layer.state(hidden)
        gates = layer.gates(layer.r, h)
        bias = layer.bias((0, 1))
        return [layer.map(lambda n, j: f(layer.x(0, n, j) + gates(0, n, j) + bias(0, j)))]

    return _recurrent(node, (x, w, r, b), lengths, 1, ["Tanh"], cell)


@operator("GRU")
def gru(
    node: Node, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, *more: Tensor | None
) -> tuple[Tensor | None, ...]:
    lengths, hidden = _given(more, 2)
    reset_after = node.integer("linear_before_reset", 0)

    def cell(layer: _Layer) -> list[Tensor]:
        f, g = layer.activation(0), layer.activation(1)
        h = layer.state(hidden)
        units = layer.units
        bias, last = layer.bias((0, 1)), layer.bias((1,) if reset_after else ())
        whole = layer.r if reset_after else layer.rows(layer.r, 0, 2 * units)
        gates = layer.gates(whole, h)

        def gate(number: int, n: Expr, j: Expr) -> Expr:
            return f(layer.x(number, n, j) + gates(number, n, j) + bias(number, j))

        if reset_after:
            own = layer.bias((0,))

            def inner(n: Expr, j: Expr) -> Expr:
                return gate(1, n, j) * (gates(2, n, j) + last(2, j)) + own(2, j)
        else:
            faded = layer.map(lambda n, j: gate(1, n, j) * h[n, j])
            rest = layer.gates(layer.rows(layer.r, 2 * units, 3 * units), faded)

            def inner(n: Expr, j: Expr) -> Expr:
                return rest(0, n, j) + bias(2, j)

        def next_h(n: Expr, j: Expr) -> Expr:
            update = gate(0, n, j)
            return (literal(1, h.dtype) - update) * g(layer.x(2, n, j) + inner(n, j)) + update * h[n, j]

        return [layer.map(next_h)]

    return _recurrent(node, (x, w, r, b), lengths, 3, ["Sigmoid", "Tanh"], cell)


@operator("LSTM")
def lstm(
    node: Node, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, *more: Tensor | None
) -> tuple[Tensor | None, ...]:
    lengths, hidden, memory, peepholes = _given(more, 4)
    coupled = node.integer("input_forget", 0)

    def cell(layer: _Layer) -> list[Tensor]:
        f, g, squash = (layer.activation(number) for number in range(3))
        h, c = layer.state(hidden), layer.state(memory)
        gates, bias = layer.gates(layer.r, h), layer.bias((0, 1))

        def total(number: int, n: Expr, j: Expr) -> Expr:
            return layer.x(number, n, j) + gates(number, n, j) + bias(number, j)

        def peeped(number: int, part: int, state: Tensor, n: Expr, j: Expr) -> Expr:
            value = total(number, n, j)
            if peepholes is None:
                return value
            return value + peepholes[layer.direction, j + part * layer.units] * state[n, j]

        def next_c(n: Expr, j: Expr) -> Expr:
            taken = f(peeped(0, 0, c, n, j))
            kept = literal(1, c.dtype) - taken if coupled else f(peeped(2, 2, c, n, j))
            return kept * c[n, j] + taken * g(total(3, n, j))

        new = layer.map(next_c)
        return [layer.map(lambda n, j: f(peeped(1, 1, new, n, j)) * squash(new[n, j])), new]

    return _recurrent(node, (x, w, r, b), lengths, 4, ["Sigmoid", "Tanh", "Tanh"], cell)


def _given(inputs: Sequence[Tensor | None], count: int) -> list[Tensor | None]:
    return [*inputs, *(None,) * (count - len(inputs))]


@dataclass
class _Layer:
    """One direction of a recurrent network while its step is written."""

    node: Node
    direction: int
    units: int
    batch: int
    r: Tensor
    """[gates * units, units]"""
    b: Tensor | None
    """[directions, 2 * gates * units]: of the inputs, then of the hidden state."""
    gate_count: int
    products: Tensor
    """Inputs times weights: [time, batch, gates * units]."""
    time: Expr
    functions: Sequence[Function]
    states: list[Tensor]
    before: list[loops.Stage]
    """What happens before the first step."""

    def activation(self, number: int) -> Function:
        """Of this direction: f, g and h are 0, 1 and 2."""
        return self.functions[number]

    def x(self, gate: int, n: Expr, j: Expr) -> Expr:
        """The part of the input in a gate."""
        return self.products[self.time, n, j + gate * self.units]

    def state(self, initial: Tensor | None) -> Tensor:
        """A tensor [batch, units] that a step leaves for the next one."""
        node = self.node
        shape = (self.batch, self.units)
        state = node.tensor(shape, self.products.dtype)
        if initial is None:
            start = node.constant(np.zeros(shape), state.dtype)
        elif node.integer("layout", 0):
            start = self._outside(lambda: node.map(shape, lambda n, j: initial[n, self.direction, j]))
        else:
            start = self._outside(lambda: _part(node, initial, self.direction))
        self.before.append(Copy(state, start, origin=node.origin))
        self.states.append(state)
        return state

    def rows(self, r: Tensor, start: int, stop: int) -> Tensor:
        """Some of the recurrent weights."""
        if r.value is not None:
            return self.node.constant(r.value[start:stop], r.dtype)
        return self._outside(lambda: self.node.map((stop - start, r.shape[1]), lambda i, j: r[i + start, j]))

    def gates(self, r: Tensor, h: Tensor) -> Gate:
        """The part of a state in the gates."""
        out = product(self.node, h, r, transposed=True)
        return lambda gate, n, j: out[n, j + gate * self.units]

    def bias(self, halves: Sequence[int]) -> Callable[[int, Expr], Expr]:
        """The sum of the biases of the inputs (0) and of the hidden state (1), per gate and unit."""
        b, width = self.b, self.gate_count * self.units
        if b is None or not halves:
            return lambda gate, j: literal(0, self.products.dtype)
        if b.value is not None:
            parts = b.value[self.direction].reshape(2, width)
            known = self.node.constant(parts[list(halves)].sum(axis=0, dtype=b.value.dtype), b.dtype)
            return lambda gate, j: known[j + gate * self.units]

        def value(gate: int, j: Expr) -> Expr:
            terms = [b[self.direction, j + (gate * self.units + half * width)] for half in halves]
            return terms[0] if len(terms) == 1 else terms[0] + terms[1]

        return value

    def map(self, value: Callable[[Expr, Expr], Expr]) -> Tensor:
        """A tensor [batch, units]."""
        return self.node.map((self.batch, self.units), value)

    def _outside(self, make: Callable[[], Tensor]) -> Tensor:
        made, stages = self.node.collected(make)
        self.before += stages
        return made


def _recurrent(
    node: Node,
    tensors: tuple[Tensor, Tensor, Tensor, Tensor | None],
    lengths: Tensor | None,
    gate_count: int,
    defaults: Sequence[str],
    cell: Callable[[_Layer], list[Tensor]],
) -> tuple[Tensor | None, ...]:
    """Y [time, directions, batch, units], then the final states [directions, batch, units]; or as `layout`
    says."""
    x, w, r, b = tensors
    batch_first = node.integer("layout", 0)
    if x.rank != 3 or w.rank != 3 or r.rank != 3:
        raise node.refuse(
            f"X, W and R of shapes {x.shape}, {w.shape}, {r.shape}; three dimensions are needed"
        )
    if batch_first:
        source = x
        x = node.map((x.shape[1], x.shape[0], x.shape[2]), lambda t, n, i: source[n, t, i])
    time, batch, _ = static_shape(node, x)
    directions, units = _directions(node, w, r, gate_count)
    functions = _activations(node, defaults, len(directions))
    if lengths is not None and lengths.value is not None and (lengths.value >= time).all():
        lengths = None
    histories, finals = [], []
    for number, backwards in enumerate(directions):
        step = Var(f"time{number}", time)
        layer = _Layer(
            node, number, units, batch, _part(node, r, number), b, gate_count,
            _products(node, x, _part(node, w, number)),
            scalars.size(time - 1) - step if backwards else step,
            functions[number * len(defaults) : (number + 1) * len(defaults)], [], [],
        )  # fmt: skip
        history = node.tensor((time, batch, units), x.dtype)
        _, body = node.collected(partial(_step, layer, cell, lengths, history))
        node.stages += layer.before
        node.add(Repeat(history, step, body, origin=node.origin))
        histories.append(history)
        finals.append(layer.states)
    return _outputs(node, histories, finals, bool(batch_first))


def _directions(node: Node, w: Tensor, r: Tensor, gate_count: int) -> tuple[list[bool], int]:
    """Per direction: time runs backwards; and the number of units."""
    name = node.text("direction", "forward")
    known = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
    if name not in known:
        raise node.refuse(f"direction {name}; one of {', '.join(known)} is needed")
    units = r.shape[2]
    if (
        not isinstance(units, int)
        or w.shape[:2] != r.shape[:2]
        or r.shape[:2] != (len(known[name]), gate_count * units)
    ):
        raise node.refuse(f"W and R of shapes {w.shape} and {r.shape} in direction {name}")
    if node.has("hidden_size") and node.integer("hidden_size") != units:
        raise node.refuse(f"hidden_size is {node.integer('hidden_size')}, but R has shape {r.shape}")
    return known[name], units


def _part(node: Node, tensor: Tensor, direction: int) -> Tensor:
    """tensor[direction]"""
    if tensor.value is not None:
        return node.constant(tensor.value[direction], tensor.dtype)
    if tensor.shape[0] == 1:
        return node.view(tensor, tensor.shape[1:])
    return node.map(tensor.shape[1:], lambda *i: tensor[(direction, *i)])


def _products(node: Node, x: Tensor, w: Tensor) -> Tensor:
    time, batch, width = x.static_shape
    flat = node.view(x, (time * batch, width))
    return node.view(product(node, flat, w, transposed=True), (time, batch, w.shape[0]))


def _step(
    layer: _Layer, cell: Callable[[_Layer], list[Tensor]], lengths: Tensor | None, history: Tensor
) -> Tensor:
    """The stages of one step: new states, of which the first is the output."""
    node = layer.node
    new = cell(layer)
    shown = new[0]
    if lengths is not None:

        def valid(n: Expr) -> Expr:
            return layer.time < lengths[n].as_index

        out = new[0]
        shown = layer.map(lambda n, j: select(valid(n), out[n, j], 0))

        def kept(made: Tensor, old: Tensor) -> Tensor:
            return layer.map(lambda n, j: select(valid(n), made[n, j], old[n, j]))

        new = list(map(kept, new, layer.states))
    if node.wants(0):
        node.add(Put(history, layer.time, shown, origin=node.origin))
    for state, value in zip(layer.states, new, strict=True):
        node.add(Copy(state, value, origin=node.origin))
    return shown


def _outputs(
    node: Node, histories: Sequence[Tensor], finals: Sequence[Sequence[Tensor]], batch_first: bool
) -> tuple[Tensor | None, ...]:
    count = len(histories)
    time, batch, units = histories[0].shape
    results: list[Tensor | None] = [None]
    if node.wants(0) and not batch_first:
        results = [_joined(node, histories, (time, count, batch, units), 1)]
    elif node.wants(0):
        shape = (batch, time, count, units)
        results = [
            node.map(shape, lambda n, t, d, j: _chosen([history[t, n, j] for history in histories], d))
        ]
    for number in range(len(finals[0])):
        states = [states[number] for states in finals]
        if not node.wants(number + 1):
            results.append(None)
        elif batch_first:
            results.append(_joined(node, states, (batch, count, units), 1))
        else:
            results.append(_joined(node, states, (count, batch, units), 0))
    return tuple(results)


def _joined(node: Node, tensors: Sequence[Tensor], shape: tuple[scalars.Dim, ...], axis: int) -> Tensor:
    """The tensors along a new axis."""
    if len(tensors) == 1:
        return node.view(tensors[0], shape)
    return node.map(
        shape, lambda *i: _chosen([tensor[(*i[:axis], *i[axis + 1 :])] for tensor in tensors], i[axis])
    )


def _chosen(values: Sequence[Expr], number: Expr) -> Expr:
    return values[0] if len(values) == 1 else select(number.equals(0), values[0], values[1])


def _activations(node: Node, defaults: Sequence[str], directions: int) -> list[Function]:
    """f, g and h of each direction. Parameters stand in the order of the functions that take them. As in
    onnxruntime,
    `clip` bounds what goes into f and g, not the cell state that goes into h."""
    given = [
        text.decode() if isinstance(text, bytes) else str(text)
        for text in node.attributes.get("activations", [])
    ]
    names = [name.lower() for name in given] or [name.lower() for name in defaults] * directions
    if len(names) != len(defaults) * directions:
        raise node.refuse(f"{len(names)} activations; {len(defaults) * directions} are needed")
    alphas = [float(value) for value in node.attributes.get("activation_alpha", [])]
    betas = [float(value) for value in node.attributes.get("activation_beta", [])]
    clip = node.number("clip") if node.has("clip") else None
    found = []
    for number, name in enumerate(names):
        if name not in _FUNCTIONS:
            raise node.refuse(f"activation {name}; one of {', '.join(_FUNCTIONS)} is needed")
        function, alpha, beta = _FUNCTIONS[name]
        if alpha is not None and alphas:
            alpha = alphas.pop(0)
        if beta is not None and betas:
            beta = betas.pop(0)
        bounded = clip if number % len(defaults) < 2 else None
        found.append(_activation(function, alpha or 0.0, beta or 0.0, bounded))
    return found


def _activation(
    function: Callable[[Expr, float, float], Expr], alpha: float, beta: float, clip: float | None
) -> Function:
    def value(x: Expr) -> Expr:
        inner = widened(x)
        if clip is not None:
            inner = clamped(inner, -clip, clip)
        return function(inner, alpha, beta).cast(x.dtype)

    return value


_FUNCTIONS: dict[str, tuple[Callable[[Expr, float, float], Expr], float | None, float | None]] = {
    "relu": (lambda x, a, b: call("max", x, literal(0, x.dtype)), None, None),
    "tanh": (lambda x, a, b: call("tanh", x), None, None),
    "sigmoid": (lambda x, a, b: logistic(x), None, None),
    "affine": (lambda x, a, b: x * a + b, 1.0, 0.0),
    "leakyrelu": (lambda x, a, b: select(x < 0, x * a, x), 0.01, None),
    "thresholdedrelu": (lambda x, a, b: select(x > a, x, 0), 1.0, None),
    "scaledtanh": (lambda x, a, b: call("tanh", x * b) * a, 1.0, 1.0),
    "hardsigmoid": (lambda x, a, b: clamped(x * a + b, 0, 1), 0.2, 0.5),
    "elu": (lambda x, a, b: select(x < 0, call("expm1", x) * a, x), 1.0, None),
    "softsign": (lambda x, a, b: x / (call("abs", x) + 1), None, None),
    "softplus": (lambda x, a, b: softplus_of(x), None, None),
}
"""By name: the function of x, alpha and beta, and the defaults of those that it takes."""
