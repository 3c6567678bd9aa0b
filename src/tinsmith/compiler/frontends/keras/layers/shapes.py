"""Layers that move values and compute none: shapes, paddings, crops, repeats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.layers.images import is_channels_first, spatial_axes
from tinsmith.compiler.frontends.keras.layers.registry import Unsupported, Use, layer, sizes
from tinsmith.compiler.frontends.keras.tensor import Tensor


@layer(
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "AlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
    "Identity",
    "RandomContrast",
    "RandomBrightness",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "RandomHue",
    "RandomSaturation",
    "RandomGrayscale",
    "RandomColorJitter",
    "RandomErasing",
    "RandomShear",
    "RandomSharpness",
    "RandomInvert",
    "RandomGaussianBlur",
    "RandomPosterization",
    "RandomPerspective",
    "RandomElasticTransform",
    keeps_mask=True,
)
def _identity(use: Use, x: Tensor) -> Tensor:
    """Only training changes something."""
    return x


@layer("Flatten", casts=False)
def _flatten(use: Use, x: Tensor) -> Tensor:
    """Channels last, whatever the layer's format is."""
    if is_channels_first(use) and x.rank > 2:
        x = x.transpose(0, *range(2, x.rank), 1)
    return x.reshape(x.shape[0], -1)


@layer("Permute", casts=False)
def _permute(use: Use, x: Tensor) -> Tensor:
    return x.transpose(0, *(int(axis) for axis in use.get("dims")))


@layer("RepeatVector", casts=False)
def _repeat(use: Use, x: Tensor) -> Tensor:
    count = int(use.get("n"))
    shape = np.array([x.shape[0], count, x.shape[1]], np.int64)
    return use.add("Expand", use.add("Unsqueeze", x, np.array([1], np.int64)), shape)


@layer(*(f"Cropping{rank}D" for rank in (1, 2, 3)), casts=False)
def _crop(use: Use, x: Tensor) -> Tensor:
    axes = spatial_axes(use, x.rank)
    for axis, (before, after) in zip(axes, _pairs(use.get("cropping", 1), len(axes)), strict=True):
        if before or after:
            x = x.slice(axis, before, x.shape[axis] - after)
    return x


@layer(*(f"ZeroPadding{rank}D" for rank in (1, 2, 3)), casts=False)
def _pad(use: Use, x: Tensor) -> Tensor:
    axes = spatial_axes(use, x.rank)
    ends = dict(zip(axes, _pairs(use.get("padding", 1), len(axes)), strict=True))
    pads = [ends.get(axis, (0, 0))[end] for end in (0, 1) for axis in range(x.rank)]
    return use.add("Pad", x, np.array(pads, np.int64), np.zeros((), x.dtype))


def _pairs(value: Any, count: int) -> list[tuple[int, int]]:
    """What is cut off or added before and after: one number, one per dimension, or two per dimension."""
    if isinstance(value, Mapping):  # Keras 1: {"top_pad": 1, ...}
        value = list(value.values())
    if isinstance(value, int):
        return [(value, value)] * count
    found = list(value)
    if count == 1:
        found = [found] if len(found) == 2 and isinstance(found[0], int) else found
    elif len(found) == 2 * count and isinstance(found[0], int):
        found = [found[2 * index : 2 * index + 2] for index in range(count)]
    pairs = [(item, item) if isinstance(item, int) else (int(item[0]), int(item[1])) for item in found]
    if len(pairs) != count:
        raise ValueError(f"{value} for {count} dimensions")
    return pairs


@layer(*(f"UpSampling{rank}D" for rank in (1, 2, 3)), casts=False)
def _upsample(use: Use, x: Tensor) -> Tensor:
    axes = spatial_axes(use, x.rank)
    factors = dict(zip(axes, sizes(use.get("size", 2), len(axes)), strict=True))
    target = [size * factors.get(axis, 1) for axis, size in enumerate(x.shape)]
    return resized(use, x, target, use.get("interpolation", "nearest"))


def resized(
    use: Use,
    x: Tensor,
    target: list[int],
    method: str,
    antialias: bool = False,
    half_pixel: bool | None = None,
) -> Tensor:
    """`x` as an image of the shape `target`. TensorFlow before 2 took no half pixels into account."""
    if half_pixel is None:
        half_pixel = use.layer.origin.version >= (2, 3)
    modes = {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}
    if method not in modes:
        raise Unsupported(f"the interpolation {method!r}, expected one of {', '.join(modes)}")
    attributes: dict[str, Any] = {"mode": modes[method]}
    if method == "nearest":
        attributes["nearest_mode"] = "floor"
        whole = all(wanted % size == 0 for size, wanted in zip(x.shape, target, strict=True))
        attributes["coordinate_transformation_mode"] = "asymmetric"
        if half_pixel and not whole:
            attributes["coordinate_transformation_mode"] = "half_pixel"
            attributes["nearest_mode"] = "round_prefer_ceil"
    else:
        attributes["coordinate_transformation_mode"] = "half_pixel" if half_pixel else "asymmetric"
        if method == "bicubic":
            attributes.update(cubic_coeff_a=-0.5, exclude_outside=1)
    if antialias:
        attributes["antialias"] = 1
    return use.add("Resize", x, None, None, np.array(target, np.int64), **attributes)
