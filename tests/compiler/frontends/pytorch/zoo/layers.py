"""One layer or operator each: a module, and what it is called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import nn


class Do(nn.Module):
    """A function as a module, for tracing."""

    def __init__(self, function: Callable[..., torch.Tensor]):
        super().__init__()
        self.function = function

    def forward(self, *args: torch.Tensor) -> torch.Tensor:
        return self.function(*args)


class Recurrent(nn.Module):
    """Two outputs, the second of them structured."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor):
        y, state = self.layer(x)
        return torch.relu(y), state


def r(*shape: int) -> torch.Tensor:
    return torch.rand(shape)


IMAGE = (2, 4, 8, 8)
INDEX = torch.tensor([2, 0, 1])


def _index_put(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, 1] = 0.5
    y[:, :, 2:4] += 1
    return y


FUNCTIONS: dict[str, tuple[Callable[..., torch.Tensor], tuple[torch.Tensor, ...]]] = {
    "interpolate_nearest": (lambda x: F.interpolate(x, scale_factor=2.0), (r(*IMAGE),)),
    "interpolate_bilinear": (
        lambda x: F.interpolate(x, size=(5, 11), mode="bilinear", align_corners=False),
        (r(*IMAGE),),
    ),
    "interpolate_corners": (
        lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True),
        (r(*IMAGE),),
    ),
    "interpolate_bicubic": (lambda x: F.interpolate(x, size=(12, 12), mode="bicubic"), (r(*IMAGE),)),
    "einsum": (lambda a, b: torch.einsum("bhqd,bhkd->bhqk", a, b), (r(1, 2, 3, 4), r(1, 2, 5, 4))),
    "sdpa": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
        (r(1, 2, 5, 4), r(1, 2, 5, 4), r(1, 2, 5, 4)),
    ),
    "sdpa_causal": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        (r(1, 2, 5, 4), r(1, 2, 5, 4), r(1, 2, 5, 4)),
    ),
    "sdpa_mask": (
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m),
        (r(1, 2, 5, 4), r(1, 2, 5, 4), r(1, 2, 5, 4), r(1, 1, 5, 5)),
    ),
    "index_select": (lambda x: torch.index_select(x, 1, INDEX), (r(*IMAGE),)),
    "index": (lambda x: x[:, INDEX, :, 1:-1:2], (r(*IMAGE),)),
    "index_put": (_index_put, (r(*IMAGE),)),
    "gather": (lambda x, i: torch.gather(x, 1, i), (r(3, 5), torch.tensor([[1, 4], [0, 2], [3, 3]]))),
    "scatter": (
        lambda x, s: x.scatter(1, torch.tensor([[1, 4], [0, 2], [3, 1]]), s),
        (r(3, 5), r(3, 2)),
    ),
    "topk": (lambda x: torch.topk(x, 3).values, (r(3, 7),)),
    "argmax": (lambda x: x.argmax(1), (r(3, 7),)),
    "where": (lambda x: torch.where(x > 0.5, x, -x), (r(3, 7),)),
    "cumsum": (lambda x: x.cumsum(1), (r(3, 7),)),
    "norm": (lambda x: F.normalize(x, dim=1), (r(3, 7),)),
    "pad_reflect": (lambda x: F.pad(x, (1, 2, 3, 1), mode="reflect"), (r(*IMAGE),)),
    "pad_constant": (lambda x: F.pad(x, (1, 2), value=3.0), (r(*IMAGE),)),
    "roll": (lambda x: torch.roll(x, (1, -2), (2, 3)), (r(*IMAGE),)),
    "unfold": (lambda x: F.unfold(x, 3, padding=1), (r(*IMAGE),)),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), (r(*IMAGE),)),
    "grid_sample": (
        lambda x, g: F.grid_sample(x, g * 2 - 1, align_corners=False),
        (r(1, 2, 6, 6), r(1, 4, 4, 2)),
    ),
    "log_softmax": (lambda x: F.log_softmax(x, -1), (r(3, 7),)),
    "activations": (
        lambda x: F.elu(x) + F.gelu(x, approximate="tanh") + F.mish(x) + F.softplus(x) + F.leaky_relu(x, 0.1),
        (r(3, 7) * 4 - 2,),
    ),
    "reductions": (lambda x: x.std(1) + x.var(1) + x.amax(1) + x.logsumexp(1) + x.prod(1), (r(3, 7),)),
    "tril": (lambda x: torch.tril(x) + torch.triu(x, 1) * 2, (r(5, 5),)),
    "one_hot": (lambda i: F.one_hot(i, 6), (torch.tensor([1, 5, 0]),)),
    "split": (lambda x: torch.split(x, [1, 3], 1)[1] * torch.chunk(x, 2, 3)[0][:, :3].mean(), (r(*IMAGE),)),
    "adaptive": (lambda x: F.adaptive_avg_pool2d(x, (4, 2)) + F.adaptive_max_pool2d(x, (4, 2)), (r(*IMAGE),)),
    "bmm": (lambda a, b: torch.baddbmm(a[:, :, :4], a, b, beta=0.5), (r(2, 3, 5), r(2, 5, 4))),
    "half": (lambda x: x.half() * 2, (r(3, 7),)),
    "unused": (lambda x, y: x * 2, (r(3, 7), r(2))),
    "constant": (lambda x: torch.ones(2, 3), (r(3, 7),)),
    "same": (lambda x: x, (r(3, 7),)),
}

MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[torch.Tensor, ...]]] = {
    "grouped": (lambda: nn.Conv2d(4, 8, 3, groups=2, padding="same"), (r(*IMAGE),)),
    "dilated": (lambda: nn.Conv2d(4, 8, 3, dilation=2, padding=2, padding_mode="reflect"), (r(*IMAGE),)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2), (r(*IMAGE),)),
    "conv1d": (lambda: nn.Conv1d(4, 6, 5, stride=2), (r(2, 4, 20),)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 3), (r(1, 2, 5, 6, 7),)),
    "layer_norm": (lambda: nn.LayerNorm([8, 8]), (r(*IMAGE),)),
    "group_norm": (lambda: nn.GroupNorm(2, 4), (r(*IMAGE),)),
    "instance_norm": (lambda: nn.InstanceNorm2d(4, affine=True), (r(*IMAGE),)),
    "rms_norm": (lambda: nn.RMSNorm(8), (r(*IMAGE),)),
    "embedding": (lambda: nn.Embedding(10, 4), (torch.tensor([[1, 2], [9, 0]]),)),
    "embedding_bag": (lambda: nn.EmbeddingBag(10, 4, mode="sum"), (torch.tensor([[1, 2], [9, 0]]),)),
    "prelu": (lambda: nn.PReLU(4), (r(*IMAGE) - 0.5,)),
    "lp_pool": (lambda: nn.LPPool2d(2, 3), (r(*IMAGE),)),
    "lstm": (
        lambda: Recurrent(nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True)),
        (r(2, 4, 6),),
    ),
    "gru": (lambda: Recurrent(nn.GRU(6, 5, num_layers=2)), (r(4, 2, 6),)),
    "rnn": (lambda: Recurrent(nn.RNN(6, 5, nonlinearity="relu", bidirectional=True)), (r(4, 2, 6),)),
    "attention": (
        lambda: nn.MultiheadAttention(8, 2, batch_first=True),
        (r(2, 5, 8), r(2, 5, 8), r(2, 5, 8)),
    ),
    "encoder": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
        ),
        (r(2, 5, 8),),
    ),
    "transformer": (lambda: nn.Transformer(8, 2, 1, 1, 16, batch_first=True), (r(2, 5, 8), r(2, 3, 8))),
}


class Cells(nn.Module):
    """A loop over time that grows a list."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(4, 3)

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        h, c = torch.zeros(x.size(1), 3), torch.zeros(x.size(1), 3)
        out = []
        for i in range(x.size(0)):
            h, c = self.cell(x[i], (h, c))
            out.append(h)
        return torch.stack(out), c


class Choice(nn.Module):
    """A condition on data."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(x) if x.sum() > 0 else self.b(x)


class Early(nn.Module):
    """A condition on data after which the function ends with several tensors."""

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        if x.sum() > 0:
            return x, x + 1
        return x * 2, x


class Inner(nn.Module):
    """A number that depends on data within a condition that does not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = 1
        if x.dim() == 2:
            n = 3 if x.sum() > 0 else 2
        return x * n


def _early(x: torch.Tensor) -> int:
    if x.dim() == 3:
        return 4
    if x.size(0) == 2:
        if x.size(1) > 3:
            return 5
        x = x[:1]
    elif x.size(1) == 4:
        return 6
    return 7 + x.size(0)


class Returning(nn.Module):
    """A function that gives its number from within conditions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * _early(x) + _early(x.unsqueeze(0)) + _early(x[:1]) + _early(x[:, 1:])


class Stacked(nn.Module):
    """Attention with conditions on the shape of what the conditions of the layer before give."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = x + layer(x, x, x, need_weights=False)[0]
        return x


class Steps(nn.Module):
    """A loop whose end depends on data."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while bool(x.sum() < 100):
            x = x * 2 + 1
        return x


class Checked(nn.Module):
    """Conditions on shapes that raise errors, a number, an optional argument."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, scale: int, bias: Optional[torch.Tensor] = None) -> torch.Tensor:
        assert x.dim() == 2, "two dimensions"
        if x.size(1) != 4:
            raise ValueError(f"expected 4 features, found {x.size(1)}")
        y = self.linear(x) * scale
        if bias is not None:
            y = y + bias
        return y


class Pair(NamedTuple):
    first: torch.Tensor
    second: Optional[torch.Tensor]


class Named(nn.Module):
    def forward(self, x: torch.Tensor) -> Pair:
        return Pair(x + 1, None if self.training else x * 2)


class Dictionary(nn.Module):
    def forward(self, x: torch.Tensor, state: Tuple[torch.Tensor, torch.Tensor]) -> Dict[str, torch.Tensor]:
        out: Dict[str, torch.Tensor] = {}
        out["logits"] = x + state[0]
        out["x"] = x * state[1]
        return out


class Lists(nn.Module):
    def forward(self, xs: List[torch.Tensor], last: torch.Tensor) -> List[torch.Tensor]:
        return [x + last for x in xs]


SCRIPTED: dict[str, tuple[Callable[[], nn.Module], tuple[torch.Tensor, ...]]] = {
    "cells": (Cells, (r(3, 2, 4),)),
    "choice": (Choice, (r(2, 4) - 0.5,)),
    "early": (Early, (r(2, 4) - 0.5,)),
    "inner_positive": (Inner, (r(2, 4),)),
    "inner_negative": (Inner, (-r(2, 4),)),
    "returning": (Returning, (r(2, 4),)),
    "stacked": (Stacked, (r(2, 5, 8),)),
    "steps": (Steps, (r(2, 4),)),
    "checked": (Checked, (r(2, 4), torch.tensor(3))),
    "checked_bias": (Checked, (r(2, 4), torch.tensor(3), r(4))),
    "named": (Named, (r(2, 4),)),
    "dictionary": (Dictionary, (r(2, 4), r(2, 4), r(2, 4))),
    "lists": (Lists, (r(2, 4), r(2, 4), r(4))),
}
