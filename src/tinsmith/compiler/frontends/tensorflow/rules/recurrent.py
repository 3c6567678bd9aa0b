"""Cells of recurrent layers that TensorFlow has as one operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.things import Unsupported
from tinsmith.compiler.shaping.builder import Value


@converts("LSTMBlockCell")
def lstm_block_cell(
    op: Op, x: Value, c: Value, h: Value, w: Value, wci: Value, wcf: Value, wco: Value, b: Value
) -> Any:
    peephole = (wci, wcf, wco) if op.flag("use_peephole") else None
    gates = op.add("Add", op.add("MatMul", op.add("Concat", x, h, axis=1), w), b)
    return _lstm(op, gates, c, peephole, "icfo", op.real("forget_bias", 1.0), op.real("cell_clip", 3.0))


def _lstm(
    op: Op, gates: Value, c: Value, peephole: tuple[Value, ...] | None, order: str, bias: float, clip: float
) -> tuple[Value, ...]:
    """Input gate, state, forget gate, output gate, new input, activated state, output."""
    size = gates.shape[1] // 4
    parts = op.several("Split", 4, gates, op.ints(*[size] * 4), axis=1)
    part = dict(zip(order, parts, strict=True))
    entered, kept = part["i"], op.add("Add", part["f"], op.like(bias, c))
    if peephole:
        entered = op.add("Add", entered, op.add("Mul", c, peephole[0]))
        kept = op.add("Add", kept, op.add("Mul", c, peephole[1]))
    i, f, new = op.add("Sigmoid", entered), op.add("Sigmoid", kept), op.add("Tanh", part["c"])
    state = op.add("Add", op.add("Mul", f, c), op.add("Mul", i, new))
    if clip > 0:
        state = op.add("Clip", state, op.like(-clip, c), op.like(clip, c))
    given = part["o"] if not peephole else op.add("Add", part["o"], op.add("Mul", state, peephole[2]))
    o, active = op.add("Sigmoid", given), op.add("Tanh", state)
    return i, state, f, o, new, active, op.add("Mul", o, active)


@converts("BlockLSTM", "BlockLSTMV2")
def block_lstm(
    op: Op,
    lengths: Value,
    x: Value,
    c: Value,
    h: Value,
    w: Value,
    wci: Value,
    wcf: Value,
    wco: Value,
    b: Value,
) -> Any:
    """All steps, one after the other; only the whole length is computed."""
    (steps, _, width), second = x.shape, op.type == "BlockLSTMV2"
    if op.known_ints(lengths, "seq_len_max")[0] != steps:
        raise Unsupported("its seq_len_max is less than the number of steps")
    if op.flag("use_peephole"):
        raise Unsupported("its use_peephole is true")
    if op.real("cell_clip", 0.0 if second else 3.0) > 0:
        raise Unsupported("its cell_clip is above 0")
    units = h.shape[1]
    order = [0, 2, 1, 3] if second else [0, 1, 2, 3]  # to input, cell, forget, output
    blocks = [op.slice(w, [n * units], [(n + 1) * units], [1]) for n in order]
    biases = [op.slice(b, [n * units], [(n + 1) * units], [0]) for n in order]
    forget = 0.0 if second else op.real("forget_bias", 1.0)
    biases[2] = op.add("Add", biases[2], op.like(forget, b))
    iofc = [0, 3, 2, 1]
    kernel = op.add("Concat", *(blocks[n] for n in iofc), axis=1).transpose(1, 0)
    bias = op.add("Concat", *(biases[n] for n in iofc), op.constant(np.zeros(4 * units, b.dtype)), axis=0)
    outputs, _, _ = op.several(
        "LSTM",
        3,
        x,
        op.slice(kernel, [0], [width], [1]).unsqueeze(0),
        op.slice(kernel, [width], [width + units], [1]).unsqueeze(0),
        bias.unsqueeze(0),
        None,
        h.unsqueeze(0),
        c.unsqueeze(0),
        hidden_size=units,
    )
    return [_missing(op, name) for name in ("i", "cs", "f", "o", "ci", "co")] + [outputs.squeeze(1)]


def _missing(op: Op, name: str) -> Any:
    from tinsmith.compiler.frontends.tensorflow.things import Refused

    place = f"node {op.scope.prefix + op.node.name!r} ({op.type}): its output {name} is not compiled"
    return Refused(limits=frozenset([place]))


@converts("GRUBlockCell")
def gru_block_cell(op: Op, x: Value, h: Value, w_ru: Value, w_c: Value, b_ru: Value, b_c: Value) -> Any:
    size = h.shape[1]
    gates = op.add("Sigmoid", op.add("Add", op.add("MatMul", op.add("Concat", x, h, axis=1), w_ru), b_ru))
    r, u = op.several("Split", 2, gates, op.ints(size, size), axis=1)
    inner = op.add("Concat", x, op.add("Mul", r, h), axis=1)
    c = op.add("Tanh", op.add("Add", op.add("MatMul", inner, w_c), b_c))
    kept = op.add("Mul", u, h)
    new = op.add("Add", kept, op.add("Mul", op.add("Sub", op.like(1, u), u), c))
    return r, u, c, new
