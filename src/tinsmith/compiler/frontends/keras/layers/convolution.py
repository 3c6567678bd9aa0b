"""Convolutions of one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.config import Layer
from tinsmith.compiler.frontends.keras.layers.activations import activated
from tinsmith.compiler.frontends.keras.layers.images import as_stored, channels_first
from tinsmith.compiler.frontends.keras.layers.registry import Unsupported, Use, kernel_and_bias, layer, sizes
from tinsmith.compiler.frontends.keras.tensor import Tensor
from tinsmith.compiler.shaping.builder import Array


@layer("Conv1D", "Conv2D", "Conv3D", slots=kernel_and_bias)
def _convolution(use: Use, x: Tensor) -> Tensor:
    x = channels_first(use, x)
    kernel = use.weight("kernel")
    result = convolve(use, x, output_first(kernel), group=x.shape[1] // kernel.shape[-2])
    return _finished(use, result)


@layer(
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    slots=lambda layer: (
        ("depthwise_kernel", "bias") if layer.get("use_bias", True) else ("depthwise_kernel",)
    ),
)
def _depthwise(use: Use, x: Tensor) -> Tensor:
    x = channels_first(use, x)
    return _finished(use, convolve(use, x, _per_channel(use.weight("depthwise_kernel")), group=x.shape[1]))


def _separable_slots(layer: Layer) -> Sequence[str]:
    bias = ("bias",) if layer.get("use_bias", True) else ()
    return ("depthwise_kernel", "pointwise_kernel", *bias)


@layer("SeparableConv1D", "SeparableConv2D", slots=_separable_slots)
def _separable(use: Use, x: Tensor) -> Tensor:
    x = channels_first(use, x)
    middle = convolve(use, x, _per_channel(use.weight("depthwise_kernel")), group=x.shape[1])
    point = output_first(use.weight("pointwise_kernel"))
    return _finished(use, use.add("Conv", middle, use.constant(point), *_bias(use)), biased=True)


@layer("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", slots=kernel_and_bias)
def _transposed(use: Use, x: Tensor) -> Tensor:
    """Keras keeps the kernel as [..., filters, channels], ONNX as [channels, filters, ...]."""
    x = channels_first(use, x)
    kernel = use.weight("kernel")
    rank = kernel.ndim - 2
    weights = kernel.transpose(rank + 1, rank, *range(rank))
    strides, dilations = sizes(use.get("strides", 1), rank), sizes(use.get("dilation_rate", 1), rank)
    extra = use.get("output_padding")
    ends = [
        _padding(use.get("padding", "valid"), (size - 1) * dilation + 1, stride, more, is_centred(use))
        for size, dilation, stride, more in zip(
            kernel.shape[:rank],
            dilations,
            strides,
            [None] * rank if extra is None else sizes(extra, rank),
            strict=True,
        )
    ]
    result = use.add(
        "ConvTranspose",
        x,
        use.constant(weights),
        *_bias(use),
        strides=strides,
        dilations=dilations,
        pads=[begin for begin, _, _ in ends] + [end for _, end, _ in ends],
        output_padding=[more for _, _, more in ends],
    )
    return _finished(use, result, biased=True)


def _padding(mode: str, reach: int, stride: int, extra: int | None, centred: bool) -> tuple[int, int, int]:
    """What a transposed convolution cuts off at both ends, and adds at the end."""
    if mode == "valid":
        return 0, 0, max(stride - reach, 0) if extra is None else extra
    if mode != "same":
        raise ValueError(f"the padding {mode!r}")
    if extra is None:
        total = reach - stride
        if centred:
            begin = reach // 2
            return begin, max(total - begin, 0), max(begin - total, 0)
        return (total // 2, total - total // 2, 0) if total >= 0 else (0, 0, -total)
    total = reach // 2 * 2
    return _cut(total, reach, stride, extra)


def _cut(total: int, reach: int, stride: int, extra: int) -> tuple[int, int, int]:
    """With an output_padding the size is (n - 1) * stride + reach - total + extra."""
    cut = total - extra
    begin = max(cut, 0) // 2
    return begin, max(cut, 0) - begin, max(-cut, 0)


def convolve(use: Use, x: Tensor, kernel: Array, group: int = 1) -> Tensor:
    """`x`, channels first, with the layer's strides, dilation, padding, and bias unless it is separable.

    `kernel` is [filters, channels / group, ...].
    """
    rank = kernel.ndim - 2
    attributes: dict[str, Any] = {
        "strides": sizes(use.get("strides", 1), rank),
        "dilations": sizes(use.get("dilation_rate", 1), rank),
        "group": group,
    }
    mode = use.get("padding", "valid")
    if mode == "causal":
        reach = (kernel.shape[2] - 1) * attributes["dilations"][0]
        attributes["pads"] = [reach, 0]
    elif mode == "same":
        attributes["pads"] = same_pads(
            x.shape[2:], kernel.shape[2:], attributes["strides"], attributes["dilations"], is_centred(use)
        )
    elif mode != "valid":
        raise ValueError(f"the padding {mode!r}")
    bias = () if use.layer.kind.startswith("Separable") else _bias(use)
    return use.add("Conv", x, use.constant(kernel), *bias, **attributes)


def same_pads(
    shape: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    centred: bool = False,
) -> list[int]:
    """Zeros before and after every dimension so that ceil(size / stride) places are covered.

    TensorFlow puts half of them before, rounded down; Theano puts half a window there (`centred`).
    """
    begins, ends = [], []
    for size, window, stride, dilation in zip(shape, kernel, strides, dilations, strict=True):
        reach = (window - 1) * dilation + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        begins.append(reach // 2 if centred else total // 2)
        ends.append(max(total - begins[-1], 0))
    return begins + ends


def is_centred(use: Use) -> bool:
    """Whether the model's padding "same" is that of Theano."""
    return use.layer.origin.backend == "theano"


def output_first(kernel: Array) -> Array:
    """[..., channels, filters] as [filters, channels, ...]."""
    return kernel.transpose(kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))


def _per_channel(kernel: Array) -> Array:
    """[..., channels, multiplier] as [channels * multiplier, 1, ...]."""
    *window, channels, multiplier = kernel.shape
    return np.moveaxis(kernel.reshape(*window, 1, channels * multiplier), (-1, -2), (0, 1))


def _bias(use: Use) -> tuple[Array, ...]:
    return (use.weight("bias"),) if use.has("bias") else ()


def _finished(use: Use, x: Tensor, biased: bool = True) -> Tensor:
    return activated(use, as_stored(use, x))


def _local_slots(layer: Layer) -> Sequence[str]:
    return kernel_and_bias(layer)


@layer("LocallyConnected1D", "LocallyConnected2D", slots=_local_slots)
def _local(use: Use, x: Tensor) -> Tensor:
    """A convolution with a kernel of its own for every place: [places, window * channels, filters]."""
    if use.get("implementation", 1) != 1:
        raise Unsupported("only implementation 1 of locally connected layers is known")
    first = use.get("data_format", "channels_last") == "channels_first"
    kernel = use.weight("kernel")
    rank = 1 if use.layer.kind == "LocallyConnected1D" else 2
    window, strides = sizes(use.get("kernel_size"), rank), sizes(use.get("strides", 1), rank)
    spatial = x.shape[2:] if first else x.shape[1:-1]
    counts = [(size - span) // step + 1 for size, span, step in zip(spatial, window, strides, strict=True)]
    places = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, rank)
    offsets = np.stack(np.meshgrid(*map(np.arange, window), indexing="ij"), -1).reshape(-1, rank)
    index = places[:, None] * np.array(strides) + offsets[None]
    flat = np.ravel_multi_index(tuple(np.moveaxis(index, -1, 0)), tuple(spatial)).astype(np.int64)
    channels = x.shape[1] if first else x.shape[-1]
    last = x.transpose(0, *range(2, x.rank), 1) if first else x
    image = last.reshape(x.shape[0], -1, channels)
    taken = use.add("Gather", image, use.constant(flat), axis=1)
    if first:
        taken = taken.transpose(0, 1, 3, 2)
    patches = taken.reshape(x.shape[0], len(flat), -1)
    result = use.add("Einsum", patches, use.constant(kernel), equation="bpi,pio->bpo")
    result = result.reshape(x.shape[0], *counts, kernel.shape[-1])
    if use.has("bias"):
        result = use.add("Add", result, use.weight("bias"))
    return activated(use, result.transpose(0, rank + 1, *range(1, rank + 1)) if first else result)
