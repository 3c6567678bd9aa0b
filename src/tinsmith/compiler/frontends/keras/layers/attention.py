"""Attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.config import Layer
from tinsmith.compiler.frontends.keras.layers.registry import Result, Unsupported, Use, layer
from tinsmith.compiler.frontends.keras.tensor import Tensor


@layer("MultiHeadAttention", takes_masks=True)
def _heads(
    use: Use,
    query: Tensor,
    value: Tensor,
    key: Tensor | None = None,
    query_mask: Tensor | None = None,
    value_mask: Tensor | None = None,
    key_mask: Tensor | None = None,
    attention_mask: Any = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
    mask: Any = None,
    **unused: Any,
) -> Result:
    """Heads look at one another along the second of three dimensions."""
    if use.get("attention_axes") not in (None, [1], 1, [-2]) or query.rank != 3:
        raise Unsupported("attention along other axes than the second of three is not compiled")
    if use.get("use_gate"):
        raise Unsupported("gated attention is not compiled")
    key = value if key is None else key
    masks = _head_masks(use, query, value, key, query_mask, value_mask, key_mask, use_causal_mask)
    if attention_mask is not None:
        masks.append(_given_mask(use, attention_mask))
    q, k, v = (_project(use, part, x) for part, x in (("query", query), ("key", key), ("value", value)))
    scale = 1 / float(np.sqrt(q.shape[-1]))
    scores = use.add("MatMul", use.add("Mul", q, scale), k.transpose(0, 1, 3, 2))
    weights = use.add("Softmax", _penalised(use, scores, masks), axis=-1)
    mixed = use.add("MatMul", weights, v).transpose(0, 2, 1, 3)
    result = _output(use, mixed).masked(query.mask)
    return [result, weights] if return_attention_scores else result


def _project(use: Use, part: str, x: Tensor) -> Tensor:
    """[batch, heads, time, size]"""
    child = use.layer.children[f"{part}_dense"]
    kernel = child.weights["kernel"].astype(use.dtype)
    features, heads, size = kernel.shape
    result = use.add("MatMul", x, kernel.reshape(features, heads * size))
    if "bias" in child.weights:
        result = use.add("Add", result, child.weights["bias"].astype(use.dtype).reshape(-1))
    return result.reshape(*x.shape[:2], heads, size).transpose(0, 2, 1, 3)


def _output(use: Use, x: Tensor) -> Tensor:
    """`x` is [batch, time, heads, size]."""
    child = use.layer.children["output_dense"]
    kernel = child.weights["kernel"].astype(use.dtype)
    flat = x.reshape(*x.shape[:2], -1)
    result = use.add("MatMul", flat, kernel.reshape(flat.shape[-1], -1))
    if "bias" in child.weights:
        result = use.add("Add", result, child.weights["bias"].astype(use.dtype).reshape(-1))
    return result.reshape(*x.shape[:2], *kernel.shape[2:])


def _head_masks(
    use: Use,
    query: Tensor,
    value: Tensor,
    key: Tensor,
    query_mask: Tensor | None,
    value_mask: Tensor | None,
    key_mask: Tensor | None,
    causal: bool,
) -> list[Tensor]:
    """What may look at what, each of a shape that broadcasts to [batch, heads, queries, values]."""
    query_mask, value_mask = query_mask or query.mask, value_mask or value.mask
    key_mask = key_mask or (key.mask if key is not value else None)
    found = []
    if query_mask is not None:
        found.append(query_mask.reshape(query.shape[0], 1, query.shape[1], 1))
    for mask in (value_mask, key_mask):
        if mask is not None:
            found.append(mask.reshape(value.shape[0], 1, 1, value.shape[1]))
    if causal:
        found.append(use.constant(np.tri(query.shape[1], value.shape[1], dtype=np.bool_)[None, None]))
    return found


def _given_mask(use: Use, mask: Any) -> Tensor:
    tensor = mask if isinstance(mask, Tensor) else use.constant(np.asarray(mask, np.bool_))
    tensor = tensor.cast(np.bool_)
    return use.add("Unsqueeze", tensor, np.array([1], np.int64)) if tensor.rank == 3 else tensor


def _penalised(use: Use, scores: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """Keras takes a large number off rather than leaving entries out: a row of none has equal weights."""
    if not masks:
        return scores
    allowed = masks[0]
    for mask in masks[1:]:
        allowed = use.add("And", allowed, mask)
    penalty = use.add("Where", allowed, np.zeros((), scores.dtype), np.array(-3e38, scores.dtype))
    return use.add("Add", scores, penalty)


def _scale(layer: Layer) -> Sequence[str]:
    found = ("scale",) if layer.get("use_scale", layer.kind == "AdditiveAttention") else ()
    return (*found, "concat_score_weight") if layer.get("score_mode") == "concat" else found


@layer("Attention", "AdditiveAttention", slots=_scale, takes_masks=True)
def _attention(
    use: Use,
    inputs: list[Tensor],
    mask: Any = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Result:
    """Scores of queries and keys weigh the values. `inputs` are query, value and perhaps key."""
    query, value, key = (*inputs, inputs[1])[:3] if len(inputs) == 2 else inputs
    masks = list(mask) if isinstance(mask, list | tuple) else [tensor.mask for tensor in inputs]
    scores = _scores(use, query, key)
    allowed = []
    if len(masks) > 1 and masks[1] is not None:
        allowed.append(masks[1].reshape(value.shape[0], 1, value.shape[1]))
    if use_causal_mask or use.get("causal"):
        allowed.append(use.constant(np.tri(query.shape[1], value.shape[1], dtype=np.bool_)[None]))
    if allowed:
        both = allowed[0] if len(allowed) == 1 else use.add("And", *allowed)
        off = use.add("Not", both).cast(scores.dtype)
        scores = use.add("Sub", scores, use.add("Mul", off, 1e9))
    weights = use.add("Softmax", scores, axis=-1)
    result = use.add("MatMul", weights, value)
    if masks and masks[0] is not None:
        counted = masks[0].reshape(*query.shape[:2], 1).cast(result.dtype)
        result = use.add("Mul", result, counted).masked(masks[0])
    return [result, weights] if return_attention_scores else result


def _scores(use: Use, query: Tensor, key: Tensor) -> Tensor:
    if use.layer.kind == "Attention" and use.get("score_mode", "dot") == "dot":
        scores = use.add("MatMul", query, key.transpose(0, 2, 1))
        return use.add("Mul", scores, use.weight("scale")) if use.has("scale") else scores
    total = use.add(
        "Add",
        query.reshape(query.shape[0], query.shape[1], 1, query.shape[2]),
        key.reshape(key.shape[0], 1, key.shape[1], key.shape[2]),
    )
    last = np.array([-1], np.int64)
    if use.layer.kind == "Attention":
        scaled = use.add("Mul", total, use.weight("scale")) if use.has("scale") else total
        summed = use.add("ReduceSum", use.add("Tanh", scaled), last, keepdims=0)
        return use.add("Mul", summed, use.weight("concat_score_weight"))
    found = use.add("Tanh", total)
    if use.has("scale"):
        found = use.add("Mul", found, use.weight("scale"))
    return use.add("ReduceSum", found, last, keepdims=0)
