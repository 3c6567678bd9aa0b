from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def attended(q: Array, k: Array, v: Array, bias: Any = 0.0, cap: float = 0.0) -> Array:
    """softmax(q k^T / sqrt(d) + bias) v, heads of q sharing those of k and v; rows that see nothing are 0."""
    share = q.shape[1] // k.shape[1]
    keys, values = (np.repeat(x.astype(np.float64), share, 1) for x in (k, v))
    scores = q @ keys.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if cap:
        scores = cap * np.tanh(scores / cap)
    scores = scores + bias
    most = scores.max(-1, keepdims=True)
    powers = np.exp(scores - np.where(np.isinf(most), 0, most))
    total = powers.sum(-1, keepdims=True)
    return np.asarray(powers / np.where(total == 0, 1, total) @ values, np.float32)


def hidden(seen: Array) -> Array:
    return np.where(seen, 0.0, -np.inf)


def test_masks(nodes: Nodes) -> None:
    q, k, v = numbers(2, 4, 3, 8), numbers(2, 2, 5, 8, seed=1), numbers(2, 2, 5, 6, seed=2)
    how: dict[str, Any] = {"tolerance": 1e-5}
    nodes.add("Attention", q, k, v, expected=attended(q, k, v), **how)
    nodes.add("Attention", q, k, v, expected=attended(q, k, v, cap=0.5), softcap=0.5, **how)
    causal = hidden(np.tri(3, 5, dtype=bool))
    nodes.add("Attention", q, k, v, expected=attended(q, k, v, causal), is_causal=1, **how)
    for shape in ((3, 5), (1, 5), (4, 3, 5), (2, 1, 3, 5)):
        added, seen = numbers(*shape, seed=3), numbers(*shape, seed=4) > 0
        nodes.add("Attention", q, k, v, added, expected=attended(q, k, v, added), **how)
        both = added + causal
        nodes.add("Attention", q, k, v, added, expected=attended(q, k, v, both), is_causal=1, **how)
        nodes.add("Attention", q, k, v, seen, expected=attended(q, k, v, hidden(seen)), **how)
    blind = np.zeros((3, 5), bool)
    nodes.add("Attention", q, k, v, blind, expected=np.zeros((2, 4, 3, 6), np.float32), **how)
    short = np.ones((3, 4), bool)
    wanted = attended(q, k, v, hidden(np.arange(5) < 4))
    nodes.add("Attention", q, k, v, short, expected=wanted, **how)
    nodes.run()


def test_caches(nodes: Nodes) -> None:
    q, k, v = numbers(2, 4, 3, 8), numbers(2, 2, 3, 8, seed=1), numbers(2, 2, 3, 6, seed=2)
    past_k, past_v = numbers(2, 2, 4, 8, seed=3), numbers(2, 2, 4, 6, seed=4)
    keys, values = np.concatenate([past_k, k], 2), np.concatenate([past_v, v], 2)
    seen = np.tri(3, 7, 4, dtype=bool)
    wanted = [attended(q, keys, values, hidden(seen)), keys, values]
    given = (q, k, v, None, past_k, past_v)
    nodes.add("Attention", *given, expected=wanted, is_causal=1, tolerance=1e-5)
    lengths = np.array([2, 7])
    ends = np.arange(7) < lengths[:, None, None, None]
    wanted_y = attended(q, keys, values, hidden(ends))
    nodes.add("Attention", q, keys, values, None, None, None, lengths, expected=wanted_y, tolerance=1e-5)
    nodes.run()


def test_heads_in_one_axis(nodes: Nodes) -> None:
    q, k, v = numbers(2, 3, 32), numbers(2, 5, 16, seed=1), numbers(2, 5, 12, seed=2)

    def split(x: Array, heads: int) -> Array:
        return x.reshape(2, x.shape[1], heads, -1).swapaxes(1, 2)

    wanted = attended(split(q, 4), split(k, 2), split(v, 2)).swapaxes(1, 2).reshape(2, 3, 24)
    nodes.add("Attention", q, k, v, expected=wanted, q_num_heads=4, kv_num_heads=2, tolerance=1e-5)
    nodes.run()


def test_linear_attention(nodes: Nodes) -> None:
    nodes.opset = 27
    heads, groups, depth, width, length = 4, 2, 3, 5, 6
    q, k = numbers(2, length, heads * depth), numbers(2, length, groups * depth, seed=1) * 0.5
    v, state = numbers(2, length, groups * width, seed=2), numbers(2, groups, depth, width, seed=3)
    decay, beta = -np.abs(numbers(2, length, groups, seed=4)), np.abs(numbers(2, length, groups, seed=5))
    for rule, inputs in (
        ("linear", []),
        ("gated", [decay]),
        ("delta", [None, beta]),
        ("gated_delta", [decay, beta]),
    ):
        now = state.astype(np.float64)
        rows = []
        for t in range(length):
            key, value = k[:, t].reshape(2, groups, depth), v[:, t].reshape(2, groups, width)
            if "gated" in rule:
                now = now * np.exp(decay[:, t])[:, :, None, None]
            new = value.astype(np.float64)
            if "delta" in rule:
                new = beta[:, t][:, :, None] * (value - np.einsum("bgdm,bgd->bgm", now, key))
            now = now + key[..., None] * new[:, :, None]
            query = q[:, t].reshape(2, heads, depth) / np.sqrt(depth)
            read = np.einsum("bhd,bhdm->bhm", query, np.repeat(now, heads // groups, 1))
            rows.append(read.reshape(2, heads * width))
        wanted = [np.stack(rows, 1).astype(np.float32), now.astype(np.float32)]
        nodes.add(
            "LinearAttention", q, k, v, state, *inputs, expected=wanted, folds=False, tolerance=1e-5,
            update_rule=rule, q_num_heads=heads, kv_num_heads=groups,
        )  # fmt: skip
    nodes.run()


def test_what_does_not_fit_is_refused(nodes: Nodes) -> None:
    q, k = numbers(1, 4, 3, 8), numbers(1, 3, 5, 8)
    nodes.add("Attention", q, k, k, expected=q)
    nodes.add("Attention", q, numbers(1, 2, 5, 7), k, expected=q)
    nodes.add("Attention", q, k, k, None, k, expected=q)
    nodes.add(
        "Attention",
        numbers(1, 3, 8),
        numbers(1, 3, 8),
        numbers(1, 3, 8),
        expected=q,
        q_num_heads=3,
        kv_num_heads=2,
    )
    with pytest.raises(ClientError) as error:
        nodes.run()
    for part in (
        "4 query heads for 3 key heads",
        "do not fit together",
        "past_key, past_value",
        "8 elements for 3 heads",
    ):
        assert part in str(error.value)
