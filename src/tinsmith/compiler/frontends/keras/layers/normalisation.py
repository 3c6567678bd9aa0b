"""Normalisation, with the statistics of training or of the values themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinsmith.compiler.frontends.keras.config import Layer
from tinsmith.compiler.frontends.keras.layers.activations import axes_of
from tinsmith.compiler.frontends.keras.layers.registry import Use, axis_of, layer
from tinsmith.compiler.frontends.keras.tensor import Tensor


def _scale_and_centre(layer: Layer) -> Sequence[str]:
    return [slot for slot, key in (("gamma", "scale"), ("beta", "center")) if layer.get(key, True)]


@layer(
    "BatchNormalization",
    slots=lambda layer: (*_scale_and_centre(layer), "moving_mean", "moving_variance"),
    keeps_mask=True,
)
def _batch(use: Use, x: Tensor) -> Tensor:
    """One multiplication and one addition: the statistics are constants."""
    axes = axes_of(use.get("axis", -1))
    mean, variance = (use.weight(slot).astype(np.float64) for slot in ("moving_mean", "moving_variance"))
    factor = 1 / np.sqrt(variance + float(use.get("epsilon", 1e-3)))
    if use.has("gamma"):
        factor = factor * use.weight("gamma")
    offset = -mean * factor
    if use.has("beta"):
        offset = offset + use.weight("beta")
    shape = _broadcast([axis_of(axis, x.rank) for axis in axes], x)
    scaled = use.add("Mul", x, factor.astype(x.dtype).reshape(shape))
    return use.add("Add", scaled, offset.astype(x.dtype).reshape(shape))


@layer("LayerNormalization", slots=_scale_and_centre, keeps_mask=True)
def _layer(use: Use, x: Tensor) -> Tensor:
    axes = sorted(axis_of(axis, x.rank) for axis in axes_of(use.get("axis", -1)))
    epsilon = float(use.get("epsilon", 1e-3))
    if use.get("rms_scaling"):
        return _root_mean_square(use, x, axes, epsilon, "gamma")
    if axes == list(range(axes[0], x.rank)):
        shape = [x.shape[axis] for axis in axes]
        gamma = use.weight("gamma") if use.has("gamma") else np.ones(shape, x.dtype)
        beta = (use.weight("beta").reshape(shape),) if use.has("beta") else ()
        return use.add(
            "LayerNormalization", x, gamma.reshape(shape), *beta, axis=axes[0] - x.rank, epsilon=epsilon
        )
    return _scaled(use, _standardised(use, x, axes, epsilon), _broadcast(axes, x))


@layer("GroupNormalization", slots=_scale_and_centre, keeps_mask=True)
def _group(use: Use, x: Tensor) -> Tensor:
    axis = axis_of(use.get("axis", -1), x.rank)
    groups = int(use.get("groups", 32))
    channels = x.shape[axis]
    groups = channels if groups == -1 else groups
    split = [*x.shape[:axis], groups, channels // groups, *x.shape[axis + 1 :]]
    grouped = x.reshape(*split)
    inner = [number for number in range(1, x.rank + 1) if number != axis]
    flat = _standardised(use, grouped, inner, float(use.get("epsilon", 1e-3))).reshape(*x.shape)
    return _scaled(use, flat, _broadcast([axis], x))


@layer("RMSNormalization", slots=lambda _: ("scale",), keeps_mask=True)
def _root(use: Use, x: Tensor) -> Tensor:
    axes = [axis_of(axis, x.rank) for axis in axes_of(use.get("axis", -1))]
    return _root_mean_square(use, x, axes, float(use.get("epsilon", 1e-6)), "scale")


@layer("UnitNormalization", keeps_mask=True)
def _unit(use: Use, x: Tensor) -> Tensor:
    return unit(use, x, [axis_of(axis, x.rank) for axis in axes_of(use.get("axis", -1))])


def unit(use: Use, x: Tensor, axes: Sequence[int], epsilon: float = 1e-12) -> Tensor:
    """`x` divided by its Euclidean norm along `axes`, of which the square is at least `epsilon`."""
    square = use.add("ReduceSum", use.add("Mul", x, x), np.array(axes, np.int64))
    return use.add("Div", x, use.add("Sqrt", use.add("Max", square, epsilon)))


@layer(
    "Normalization",
    keeps_mask=True,
    slots=lambda layer: () if layer.get("mean") is not None else _statistics(layer),
)
def _adapted(use: Use, x: Tensor) -> Tensor:
    """The statistics of data that the layer was adapted to, or numbers of the config."""
    axis = use.layer.config.get("axis", -1)
    axes = [] if axis is None else [axis_of(number, x.rank) for number in axes_of(axis)]
    if use.get("mean") is not None:
        mean, variance = (np.asarray(use.get(key), np.float64) for key in ("mean", "variance"))
    else:
        mean, variance = (use.weight(slot).astype(np.float64) for slot in ("mean", "variance"))
    shape = _broadcast(axes, x)
    mean, variance = (
        np.broadcast_to(a.reshape(-1), (int(np.prod(shape)),)).reshape(shape) for a in (mean, variance)
    )
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    if use.get("invert"):
        return use.add("Add", use.add("Mul", x, deviation.astype(x.dtype)), mean.astype(x.dtype))
    return use.add("Div", use.add("Sub", x, mean.astype(x.dtype)), deviation.astype(x.dtype))


def _statistics(layer: Layer) -> Sequence[str]:
    return ("mean", "variance", "count")


@layer("SpectralNormalization", slots=lambda _: ("vector_u",))
def _spectral(use: Use, x: Tensor) -> Tensor:
    """Training has divided the kernel already."""
    result: Tensor = use.child("layer", x)
    return result


def _standardised(use: Use, x: Tensor, axes: Sequence[int], epsilon: float) -> Tensor:
    over = np.array(axes, np.int64)
    centred = use.add("Sub", x, use.add("ReduceMean", x, over))
    variance = use.add("ReduceMean", use.add("Mul", centred, centred), over)
    return use.add("Div", centred, use.add("Sqrt", use.add("Add", variance, epsilon)))


def _root_mean_square(use: Use, x: Tensor, axes: Sequence[int], epsilon: float, slot: str) -> Tensor:
    square = use.add("ReduceMean", use.add("Mul", x, x), np.array(axes, np.int64))
    scaled = use.add("Div", x, use.add("Sqrt", use.add("Add", square, epsilon)))
    return use.add("Mul", scaled, use.weight(slot).reshape(_broadcast(axes, x))) if use.has(slot) else scaled


def _scaled(use: Use, x: Tensor, shape: Sequence[int]) -> Tensor:
    if use.has("gamma"):
        x = use.add("Mul", x, use.weight("gamma").reshape(shape))
    if use.has("beta"):
        x = use.add("Add", x, use.weight("beta").reshape(shape))
    return x


def _broadcast(axes: Sequence[int], x: Tensor) -> list[int]:
    """The shape of weights that belong to `axes`."""
    return [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
