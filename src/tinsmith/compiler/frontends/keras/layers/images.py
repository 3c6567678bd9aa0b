"""Channels last, as most Keras models have them, and channels first, as ONNX wants them."""

from __future__ import annotations

from collections.abc import Callable

from tinsmith.compiler.frontends.keras.layers.registry import Use
from tinsmith.compiler.frontends.keras.tensor import Tensor


def is_channels_first(use: Use) -> bool:
    """Whether the layer's images are [batch, channels, ...] rather than [batch, ..., channels]."""
    return bool(use.get("data_format", "channels_last") == "channels_first")


def channels_first(use: Use, x: Tensor) -> Tensor:
    """`x`, an image of the layer's format, with its channels first."""
    if is_channels_first(use):
        return x
    return x.transpose(0, x.rank - 1, *range(1, x.rank - 1))


def as_stored(use: Use, x: Tensor) -> Tensor:
    """The inverse of `channels_first`."""
    if is_channels_first(use):
        return x
    return x.transpose(0, *range(2, x.rank), 1)


def on_channels_first(use: Use, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function` of `x` with its channels first, back in the layer's format."""
    return as_stored(use, function(channels_first(use, x)))


def spatial_axes(use: Use, rank: int) -> list[int]:
    """Where the height and width of an image of the layer's format are."""
    return list(range(2, rank)) if is_channels_first(use) else list(range(1, rank - 1))
