"""Layers that prepare images and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.layers.images import is_channels_first, spatial_axes
from tinsmith.compiler.frontends.keras.layers.registry import Unsupported, Use, layer
from tinsmith.compiler.frontends.keras.layers.shapes import resized
from tinsmith.compiler.frontends.keras.tensor import Tensor


@layer("Rescaling", keeps_mask=True)
def _rescale(use: Use, x: Tensor) -> Tensor:
    scale, offset = (_numbers(use, key, default, x) for key, default in (("scale", 1.0), ("offset", 0.0)))
    return use.add("Add", use.add("Mul", x, scale), offset)


def _numbers(use: Use, key: str, default: float, x: Tensor) -> Any:
    """A number, or one per channel."""
    value = use.get(key, default)
    if isinstance(value, dict):
        value = value["config"]["value"]
    found = np.asarray(value, x.dtype)
    return found.reshape(-1, *[1] * (x.rank - 2)) if found.ndim == 1 and is_channels_first(use) else found


@layer("Resizing")
def _resize(use: Use, x: Tensor) -> Tensor:
    height, width = int(use.get("height")), int(use.get("width"))
    rows, columns = spatial_axes(use, x.rank)[-2:]
    if use.get("crop_to_aspect_ratio"):
        x = _cropped_to(use, x, (rows, columns), (height, width))
    if use.get("pad_to_aspect_ratio"):
        raise Unsupported("pad_to_aspect_ratio is not compiled")
    shape = list(x.shape)
    shape[rows], shape[columns] = height, width
    method = str(use.get("interpolation", "bilinear")).lower()
    return resized(use, x, shape, method, antialias=bool(use.get("antialias")))


def _cropped_to(use: Use, x: Tensor, axes: Sequence[int], target: Sequence[int]) -> Tensor:
    height, width = (x.shape[axis] for axis in axes)
    crop_height = min(height, int(float(width * target[0]) / target[1])) or height
    crop_width = min(width, int(float(height * target[1]) / target[0])) or width
    for axis, size, kept in zip(axes, (height, width), (crop_height, crop_width), strict=True):
        start = int(float(size - kept) / 2)
        x = x.slice(axis, start, start + kept)
    return x


@layer("CenterCrop")
def _centre(use: Use, x: Tensor) -> Tensor:
    """Of an image that is too small, the middle of it resized."""
    target = int(use.get("height")), int(use.get("width"))
    axes = spatial_axes(use, x.rank)[-2:]
    if all(x.shape[axis] >= size for axis, size in zip(axes, target, strict=True)):
        for axis, size in zip(axes, target, strict=True):
            start = (x.shape[axis] - size) // 2
            x = x.slice(axis, start, start + size)
        return x
    x = _cropped_to(use, x, axes, target)
    shape = list(x.shape)
    shape[axes[0]], shape[axes[1]] = target
    return resized(use, x, shape, "bilinear")


@layer("Discretization", casts=False)
def _discretise(use: Use, x: Tensor) -> Tensor:
    """How many boundaries are at most the value."""
    if use.get("output_mode", "int") != "int":
        raise Unsupported(f"the output_mode {use.get('output_mode')!r}, expected 'int'")
    boundaries = np.asarray(use.get("bin_boundaries"), np.float32)
    values = x.cast(np.float32).reshape(*x.shape, 1)
    reached = use.add("LessOrEqual", use.constant(boundaries), values)
    return use.add("ReduceSum", reached.cast(np.int32), np.array([-1], np.int64), keepdims=0)


@layer("CategoryEncoding", casts=False)
def _encode(use: Use, x: Tensor) -> Tensor:
    tokens, mode = int(use.get("num_tokens")), use.get("output_mode", "multi_hot")
    codes = x.cast(np.int64)
    one_hot = use.add(
        "OneHot",
        codes,
        np.array(tokens, np.int64),
        use.constant(np.array([0, 1], np.float32)),
        axis=-1,
    )
    if mode == "one_hot":
        return one_hot.reshape(*x.shape[:-1], tokens) if x.shape[-1] == 1 else one_hot
    if mode not in ("multi_hot", "count"):
        raise Unsupported(f"the output_mode {mode!r}")
    if x.rank == 1:
        return one_hot
    return use.add(
        "ReduceMax" if mode == "multi_hot" else "ReduceSum", one_hot, np.array([-2], np.int64), keepdims=0
    )
