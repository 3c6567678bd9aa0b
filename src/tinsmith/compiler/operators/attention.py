"""Attention: softmax(Q K^T) V in its forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinsmith.compiler.ir.loops import Copy, Put, Repeat, Stage
from tinsmith.compiler.ir.scalars import (
    BOOL,
    INDEX,
    Expr,
    Literal,
    Load,
    Tensor,
    Var,
    both,
    call,
    literal,
    select,
)
from tinsmith.compiler.operators.contractions import product
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.normalisation import FLOAT_OF_ONNX
from tinsmith.compiler.operators.reductions import kept_index, reduce_axes, wide
from tinsmith.compiler.operators.registry import operator


@dataclass(frozen=True)
class _Heads:
    """q[b, h, i, d], k[b, g, j, d] and v[b, g, j, e]; neighbouring query heads share a head of k and v."""

    q: Tensor
    k: Tensor
    v: Tensor


@operator("Attention")
def attention(
    node: Node,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    lengths: Tensor | None = None,
) -> tuple[Tensor | None, ...]:
    if (past_key is None) != (past_value is None) or (lengths is not None and past_key is not None):
        raise node.refuse("past_key, past_value and nonpad_kv_seqlen do not go together this way")
    heads = _Heads(
        _split(node, q, "q_num_heads"),
        _extended(node, past_key, _split(node, k, "kv_num_heads")),
        _extended(node, past_value, _split(node, v, "kv_num_heads")),
    )
    raw = scores(node, heads, node.number("scale", 0) or 1 / math.sqrt(heads.q.static_shape[3]))
    capped = _capped(node, raw, node.number("softcap", 0))
    past = 0 if past_key is None else past_key.static_shape[2]
    biased = _biased(node, capped, _Bias(mask, lengths, past, heads.q.static_shape[2]))
    precision = FLOAT_OF_ONNX.get(node.integer("softmax_precision", 0), wide(q.dtype))
    weights = node.cast(probabilities(node, biased, precision), q.dtype)
    y = weighted(node, weights, heads.v)
    if q.rank == 3:
        y = _joined(node, y)
    mode = node.integer("qk_matmul_output_mode", 0)
    if not 0 <= mode <= 3:
        raise node.refuse(f"qk_matmul_output_mode {mode}")
    shown = (raw, capped, biased, weights)[mode]
    return y, heads.k, heads.v, shown


def _split(node: Node, x: Tensor, attribute: str) -> Tensor:
    """x[b, s, h * d] as [b, h, s, d]; one of four dimensions is that already."""
    if x.rank == 4:
        return x
    if x.rank != 3 or not x.is_static:
        raise node.refuse(f"an input of shape {x.shape}")
    batch, length, width = x.static_shape
    heads = node.integer(attribute)
    if heads < 1 or width % heads:
        raise node.refuse(f"{width} elements for {heads} heads")
    size = width // heads
    return node.map((batch, heads, length, size), lambda b, h, s, d: x[(b, s, h * size + d)])


def _joined(node: Node, x: Tensor) -> Tensor:
    batch, heads, length, size = x.static_shape
    turned = node.map((batch, length, heads, size), lambda b, s, h, d: x[(b, h, s, d)])
    return node.view(turned, (batch, length, heads * size))


def _extended(node: Node, past: Tensor | None, new: Tensor) -> Tensor:
    """Both along the sequence."""
    if past is None:
        return new
    before = past.static_shape[2]
    shape = (*new.static_shape[:2], before + new.static_shape[2], new.static_shape[3])
    return node.map(
        shape, lambda b, h, s, d: select(s < before, past[(b, h, s, d)], new[(b, h, s - before, d)])
    )


def scores(node: Node, heads: _Heads, scale: float) -> Tensor:
    """scale * q k^T: [b, h, i, j]. Narrow floats are scaled on both sides, so that nothing overflows."""
    q, k = heads.q, heads.k
    if not (q.is_static and k.is_static) or q.shape[3] != k.shape[3] or k.shape[:3] != heads.v.shape[:3]:
        raise node.refuse(f"Q {q.shape}, K {k.shape}, V {heads.v.shape} do not fit together")
    narrow = wide(q.dtype) != q.dtype
    factor = math.sqrt(scale) if narrow else scale
    left = node.map(q.shape, lambda *i: q[i] * factor)
    right = node.map(k.shape, lambda *i: k[i] * factor) if narrow else k
    return _ungrouped(node, product(node, _grouped(node, left, k), right, transposed=True), q)


def _grouped(node: Node, x: Tensor, k: Tensor) -> Tensor:
    """The heads of a group one below the other, so that one product serves them."""
    batch, heads, length, size = x.static_shape
    groups = k.static_shape[1]
    if groups < 1 or heads % groups:
        raise node.refuse(f"{heads} query heads for {groups} key heads")
    return node.view(x, (batch, groups, heads // groups * length, size))


def _ungrouped(node: Node, x: Tensor, q: Tensor) -> Tensor:
    return node.view(x, (*q.shape[:3], x.shape[3]))


def weighted(node: Node, weights: Tensor, v: Tensor) -> Tensor:
    """The sums of v by weights[b, h, i, j]."""
    return _ungrouped(node, product(node, _grouped(node, weights, v), v), weights)


def _capped(node: Node, x: Tensor, cap: float) -> Tensor:
    if cap <= 0:
        return x
    dtype = wide(x.dtype)

    def value(*i: Expr) -> Expr:
        return (call("tanh", x[i].cast(dtype) / literal(cap, dtype)) * cap).cast(x.dtype)

    return node.map(x.shape, value)


@dataclass(frozen=True)
class _Bias:
    """What is added to scores: a mask, and minus infinity for keys that a query must not see."""

    mask: Tensor | None
    lengths: Tensor | None
    """Keys that count, per batch."""
    past: int
    """Keys before the first query's own."""
    queries: int

    def of_mask(self, index: Sequence[Expr], dtype: str) -> Expr:
        """What the mask adds; keys behind its end are hidden."""
        hidden = literal(-math.inf, dtype)
        if self.mask is None:
            return literal(0, dtype)
        own = tuple(
            Literal(0, INDEX) if dim == 1 and axis < self.mask.rank - 1 else part
            for axis, (dim, part) in enumerate(zip(self.mask.shape, index[4 - self.mask.rank :], strict=True))
        )
        element = Load(self.mask, own)
        value = select(element, literal(0, dtype), hidden) if element.dtype == BOOL else element.cast(dtype)
        return select(index[3] < self.mask.static_shape[-1], value, hidden)

    def visible(self, node: Node, index: Sequence[Expr]) -> Expr | None:
        """Whether the query may see the key by their places; None: always."""
        batch, _, query, key = index
        offset: Expr = Literal(self.past, INDEX)
        tests = []
        if self.lengths is not None:
            count = self.lengths[batch].as_index
            offset = count - self.queries
            tests.append(key < count)
        place = query + offset
        if node.integer("is_causal", 0):
            tests.append(key <= place)
        left, right = node.integer("left_window_size", -1), node.integer("right_window_size", -1)
        if left >= 0:
            tests.append(place - key <= left)
        if right >= 0:
            tests.append(key - place <= right)
        return both(tests)


def _biased(node: Node, x: Tensor, bias: _Bias) -> Tensor:
    """Scores that are hidden become minus infinity, whatever they were."""
    if bias.mask is not None and (bias.mask.rank > 4 or not bias.mask.is_static or not bias.mask.rank):
        raise node.refuse(f"attn_mask of shape {bias.mask.shape}")

    def value(*i: Expr) -> Expr:
        hidden = literal(-math.inf, x.dtype)
        result = x[i]
        if bias.mask is not None:
            added = bias.of_mask(i, x.dtype)
            result = select(added.equals(-math.inf), hidden, result + added)
        visible = bias.visible(node, i)
        return result if visible is None else select(visible, result, hidden)

    probe = (Literal(0, INDEX),) * 4
    if bias.mask is None and bias.visible(node, probe) is None:
        return x
    return node.map(x.shape, value)


def probabilities(node: Node, x: Tensor, dtype: str) -> Tensor:
    """Softmax over the last axis in `dtype`; a row of minus infinities becomes zeros."""
    axes = (x.rank - 1,)
    most = reduce_axes(node, x.shape, axes, "max", lambda i: x[i].cast(dtype))
    shift = node.map(most.shape, lambda *i: select(most[i].equals(-math.inf), literal(0, dtype), most[i]))
    powers = node.map(x.shape, lambda *i: call("exp", x[i].cast(dtype) - shift[kept_index(i, axes)]))
    total = reduce_axes(node, x.shape, axes, "sum", lambda i: powers[i])
    divisor = node.map(total.shape, lambda *i: select(total[i].equals(0), literal(1, dtype), total[i]))
    return node.map(x.shape, lambda *i: powers[i] / divisor[kept_index(i, axes)])


@operator("FlexAttention", domain="ai.onnx.preview")
def flex_attention(node: Node, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    if any(tensor.rank != 4 for tensor in (q, k, v)):
        raise node.refuse(f"Q {q.shape}, K {k.shape}, V {v.shape} have not four dimensions")
    dtype = FLOAT_OF_ONNX.get(node.integer("softmax_precision", 0), wide(q.dtype))
    scale = node.number("scale", 0) or 1 / math.sqrt(q.static_shape[3])
    found = _modified(node, "score_mod", node.cast(scores(node, _Heads(q, k, v), scale), dtype))
    weights = _modified(node, "prob_mod", probabilities(node, found, dtype))
    return node.cast(weighted(node, weights, node.cast(v, dtype)), q.dtype)


def _modified(node: Node, name: str, x: Tensor) -> Tensor:
    """`x` through a subgraph, where there is one."""
    if not node.has(name):
        return x
    assert node.lower_graph is not None
    (result,), stages = node.lower_graph(node.attributes[name], [x])
    if result.shape != x.shape or result.dtype != x.dtype:
        raise node.refuse(f"{name} makes {result.dtype} {result.shape} of {x.dtype} {x.shape}")
    node.stages += stages
    return result


@dataclass(frozen=True)
class _Linear:
    """The inputs of LinearAttention; all that it computes is in `dtype`."""

    query: Tensor
    key: Tensor
    value: Tensor
    decay: Tensor | None
    beta: Tensor | None
    groups: int
    heads: int
    dtype: str

    @property
    def sizes(self) -> tuple[int, int]:
        """Elements of a key and of a value."""
        return self.key.static_shape[2] // self.groups, self.value.static_shape[2] // self.groups


@operator("LinearAttention")
def linear_attention(
    node: Node,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    past: Tensor | None = None,
    decay: Tensor | None = None,
    beta: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    given = _linear(node, query, key, value, decay, beta)
    dtype, (depth, width) = given.dtype, given.sizes
    batch, length = query.static_shape[:2]
    shape = (batch, given.groups, depth, width)
    if past is not None and past.shape != shape:
        raise node.refuse(f"past_state of shape {past.shape}, expected {shape}")
    zero = literal(0, dtype)
    state = node.map(shape, lambda *i: zero if past is None else past[i].cast(dtype))
    before, node.stages = node.stages, []
    time = Var(f"{node.name}#t", length)
    steps = node.tensor((length, batch, given.heads, width), dtype)
    new = _step(node, given, state, steps, time)
    node.stages, body = before, node.stages
    node.add(Repeat(steps, time, tuple(body), origin=node.origin))
    y = node.map(
        (batch, length, given.heads, width), lambda b, t, h, m: steps[(t, b, h, m)].cast(query.dtype)
    )
    kept = query.dtype if past is None else past.dtype
    return node.view(y, (batch, length, given.heads * width)), node.cast(new, kept) if node.wants(1) else None


def _linear(
    node: Node, query: Tensor, key: Tensor, value: Tensor, decay: Tensor | None, beta: Tensor | None
) -> _Linear:
    heads, groups = node.integer("q_num_heads"), node.integer("kv_num_heads")
    rule = node.text("update_rule", "gated_delta")
    needs = {"linear": (), "gated": ("decay",), "delta": ("beta",), "gated_delta": ("decay", "beta")}
    given = {name for name, tensor in (("decay", decay), ("beta", beta)) if tensor is not None}
    if rule not in needs or given != set(needs[rule]):
        raise node.refuse(
            f"update_rule {rule} with {' and '.join(sorted(given)) or 'neither decay nor beta'}"
        )
    tensors = (query, key, value)
    if any(tensor.rank != 3 or not tensor.is_static for tensor in tensors) or query.static_shape[1] < 1:
        raise node.refuse(f"query {query.shape}, key {key.shape}, value {value.shape}")
    widths = [tensor.static_shape[2] for tensor in tensors]
    if groups < 1 or heads % groups or widths[0] % heads or widths[1] % groups or widths[2] % groups:
        raise node.refuse(f"{heads} query heads, {groups} key heads, sizes {widths}")
    dtype = "float64" if query.dtype == "float64" else "float32"
    return _Linear(query, key, value, decay, beta, groups, heads, dtype)


def _step(node: Node, given: _Linear, state: Tensor, steps: Tensor, time: Var) -> Tensor:
    """One element of the sequence: the new state, copied to `state`, and its row of `steps`."""
    dtype, (depth, width) = given.dtype, given.sizes

    def row(tensor: Tensor, b: Expr, column: Expr) -> Expr:
        return tensor[(b, time, column)].cast(dtype)

    def decayed(b: Expr, g: Expr, d: Expr, m: Expr) -> Expr:
        old = state[(b, g, d, m)]
        if given.decay is None:
            return old
        column = g if given.decay.static_shape[2] == given.groups else g * depth + d
        return old * call("exp", row(given.decay, b, column))

    faded = node.map(state.shape, decayed) if given.decay is not None else state
    found = None
    if given.beta is not None:
        found = node.reduce(
            (*state.shape[:2], width),
            [depth],
            "sum",
            lambda b, g, m, d: faded[(b, g, d, m)] * row(given.key, b, g * depth + d),
        )

    def written(b: Expr, g: Expr, m: Expr) -> Expr:
        value = row(given.value, b, g * width + m)
        if given.beta is None or found is None:
            return value
        rate = row(given.beta, b, g if given.beta.static_shape[2] > 1 else Literal(0, INDEX))
        return rate * (value - found[(b, g, m)])

    update = node.map((*state.shape[:2], width), written)
    new = node.map(
        state.shape,
        lambda b, g, d, m: faded[(b, g, d, m)] + row(given.key, b, g * depth + d) * update[(b, g, m)],
    )
    share = given.heads // given.groups
    scale = node.number("scale", 0) or float(1 / np.sqrt(depth))
    read = node.reduce(
        steps.shape[1:],
        [depth],
        "sum",
        lambda b, h, m, d: row(given.query, b, h * depth + d) * new[(b, h.__floordiv__(share), d, m)],
    )
    scaled = node.map(read.shape, lambda *i: read[i] * scale)
    last: tuple[Stage, ...] = (
        Put(steps, time, scaled, origin=node.origin),
        Copy(state, new, origin=node.origin),
    )
    node.stages += last
    return new
