"""Pooling: windows, whole images, adaptive."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.layers.convolution import same_pads
from tinsmith.compiler.frontends.keras.layers.images import on_channels_first, spatial_axes
from tinsmith.compiler.frontends.keras.layers.registry import Use, layer, sizes
from tinsmith.compiler.frontends.keras.tensor import Tensor


@layer(*(f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)))
def _pooling(use: Use, x: Tensor) -> Tensor:
    rank = x.rank - 2
    window = sizes(use.get("pool_size", 2), rank)
    strides = sizes(use.get("strides", window), rank)
    operator = "MaxPool" if use.layer.kind.startswith("Max") else "AveragePool"

    def pool(image: Tensor) -> Tensor:
        attributes: dict[str, Any] = {}
        if use.get("padding", "valid") == "same":
            attributes["pads"] = same_pads(image.shape[2:], window, strides, [1] * rank)
        return use.add(operator, image, kernel_shape=window, strides=strides, **attributes)

    return on_channels_first(use, x, pool)


@layer(
    *(f"GlobalMaxPooling{rank}D" for rank in (1, 2, 3)),
    *(f"GlobalAveragePooling{rank}D" for rank in (1, 2, 3)),
)
def _global(use: Use, x: Tensor) -> Tensor:
    axes = np.array(spatial_axes(use, x.rank), np.int64)
    keep = int(bool(use.get("keepdims", False)))
    if use.layer.kind == "GlobalAveragePooling1D" and x.mask is not None:
        return _masked_average(use, x, axes, keep)
    operator = "ReduceMax" if "Max" in use.layer.kind else "ReduceMean"
    return use.add(operator, x, axes, keepdims=keep)


def _masked_average(use: Use, x: Tensor, axes: Any, keep: int) -> Tensor:
    assert x.mask is not None
    counted = x.mask.cast(x.dtype)
    weights = use.add("Unsqueeze", counted, np.array([2 if axes[0] == 1 else 1], np.int64))
    total = use.add("ReduceSum", use.add("Mul", x, weights), axes, keepdims=keep)
    return use.add("Div", total, use.add("ReduceSum", weights, axes, keepdims=keep))


@layer(*(f"Adaptive{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)))
def _adaptive(use: Use, x: Tensor) -> Tensor:
    """Window i of n over a size s is [floor(i s / n), ceil((i + 1) s / n))."""
    operator = "ReduceMax" if "Max" in use.layer.kind else "ReduceMean"
    axes = spatial_axes(use, x.rank)
    for axis, count in zip(axes, sizes(use.get("output_size"), len(axes)), strict=True):
        size = x.shape[axis]
        parts = [
            use.add(
                operator,
                x.slice(axis, index * size // count, -(-(index + 1) * size // count)),
                np.array([axis], np.int64),
            )
            for index in range(count)
        ]
        x = use.add("Concat", *parts, axis=axis) if count > 1 else parts[0]
    return x
