"""Fused operators of PyTorch's transformer modules, which no exporter knows, in terms of plain ones."""

from __future__ import annotations

from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    embed_dim: int,
    num_heads: int,
    qkv_weight: torch.Tensor,
    qkv_bias: torch.Tensor,
    proj_weight: torch.Tensor,
    proj_bias: torch.Tensor,
    mask: Optional[torch.Tensor],
    mask_type: Optional[int],
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The output and the weights per head. `mask` is true where nothing is attended to."""
    weights = torch.chunk(qkv_weight, 3, 0)
    biases = torch.chunk(qkv_bias, 3, 0)
    batch, length, size = query.size(0), query.size(1), embed_dim // num_heads
    q = F.linear(query, weights[0], biases[0]).reshape(batch, length, num_heads, size).transpose(1, 2)
    k = F.linear(key, weights[1], biases[1]).reshape(batch, key.size(1), num_heads, size).transpose(1, 2)
    v = F.linear(value, weights[2], biases[2]).reshape(batch, key.size(1), num_heads, size).transpose(1, 2)
    scores = torch.matmul(q / float(size) ** 0.5, k.transpose(2, 3))
    if mask is not None:
        hidden = mask.to(torch.bool)
        if mask_type is not None and mask_type == 1:
            hidden = hidden.reshape(batch, 1, 1, key.size(1))
        scores = scores.masked_fill(hidden, float("-inf"))
    scores = torch.softmax(scores, 3)
    found = torch.matmul(scores, v).transpose(1, 2).reshape(batch, length, embed_dim)
    return F.linear(found, proj_weight, proj_bias), scores


def _multi_head_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    embed_dim: int,
    num_heads: int,
    qkv_weight: torch.Tensor,
    qkv_bias: torch.Tensor,
    proj_weight: torch.Tensor,
    proj_bias: torch.Tensor,
    mask: Optional[torch.Tensor],
    need_weights: bool,
    average_attn_weights: bool,
    mask_type: Optional[int],
) -> Tuple[torch.Tensor, torch.Tensor]:
    """aten::_native_multi_head_attention."""
    found, scores = _attention(
        query, key, value, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, mask_type
    )
    if average_attn_weights:
        scores = scores.mean(1)
    return found, scores


def _encoder_layer(
    src: torch.Tensor,
    embed_dim: int,
    num_heads: int,
    qkv_weight: torch.Tensor,
    qkv_bias: torch.Tensor,
    proj_weight: torch.Tensor,
    proj_bias: torch.Tensor,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: torch.Tensor,
    norm_bias_1: torch.Tensor,
    norm_weight_2: torch.Tensor,
    norm_bias_2: torch.Tensor,
    ffn_weight_1: torch.Tensor,
    ffn_bias_1: torch.Tensor,
    ffn_weight_2: torch.Tensor,
    ffn_bias_2: torch.Tensor,
    mask: Optional[torch.Tensor],
    mask_type: Optional[int],
) -> torch.Tensor:
    """aten::_transformer_encoder_layer_fwd."""
    normal = [embed_dim]
    x = F.layer_norm(src, normal, norm_weight_1, norm_bias_1, eps) if norm_first else src
    attended, _ = _attention(
        x, x, x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, mask_type
    )
    x = src + attended
    if not norm_first:
        x = F.layer_norm(x, normal, norm_weight_1, norm_bias_1, eps)
    inner = F.layer_norm(x, normal, norm_weight_2, norm_bias_2, eps) if norm_first else x
    inner = F.linear(inner, ffn_weight_1, ffn_bias_1)
    inner = F.gelu(inner) if use_gelu else F.relu(inner)
    x = x + F.linear(inner, ffn_weight_2, ffn_bias_2)
    if not norm_first:
        x = F.layer_norm(x, normal, norm_weight_2, norm_bias_2, eps)
    return x


def _rms_norm(
    x: torch.Tensor,
    normalized_shape: List[int],
    weight: Optional[torch.Tensor],
    eps: Optional[float],
) -> torch.Tensor:
    """aten::rms_norm."""
    axes = [axis - len(normalized_shape) for axis in range(len(normalized_shape))]
    y = x * torch.rsqrt(x.pow(2).mean(axes, keepdim=True) + (1.1920928955078125e-07 if eps is None else eps))
    return y if weight is None else y * weight


DECOMPOSITIONS = {
    "aten::rms_norm": _rms_norm,
    "aten::_native_multi_head_attention": _multi_head_attention,
    "aten::_transformer_encoder_layer_fwd": _encoder_layer,
}


def expand(graph: torch._C.Graph, nodes: list[torch._C.Node]) -> None:
    """Puts the plain operators in the place of those `nodes` of `graph` that have a decomposition."""
    for node in nodes:
        if node.kind() in DECOMPOSITIONS:
            _expand(graph, node)


def _expand(graph: torch._C.Graph, node: torch._C.Node) -> None:
    plain = torch.jit.script(DECOMPOSITIONS[node.kind()]).graph.copy()
    torch._C._jit_pass_inline(plain)
    before = node.prev()
    with graph.insert_point_guard(node):
        results = graph.insertGraph(plain, list(node.inputs()))
    inserted = node.prev()
    while inserted != before:
        inserted.copyMetadata(node)
        inserted = inserted.prev()
    if len(results) == 1 and node.outputsSize() > 1:
        with graph.insert_point_guard(node):
            results = list(graph.insertNode(_unpack(graph, results[0], node.outputsSize())).outputs())
    for old, new in zip(list(node.outputs()), results, strict=True):
        old.replaceAllUsesWith(new)
    node.destroy()


def _unpack(graph: torch._C.Graph, value: torch._C.Value, count: int) -> torch._C.Node:
    unpack = graph.create("prim::TupleUnpack", [value], count)
    for output in unpack.outputs():
        output.setType(torch._C.TensorType.get())
    return unpack
