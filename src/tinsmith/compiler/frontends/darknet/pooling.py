"""Layers that reduce windows or rows of channels: maxpool, avgpool, local_avgpool, normalization, l2norm."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.darknet.convolutions import strides
from tinsmith.compiler.frontends.darknet.layer import Layer, layer
from tinsmith.compiler.shaping.builder import Value

_MAX_CHANNELS = 4096


@layer("maxpool")
def maxpool(node: Layer) -> Value:
    """[batch, channels, height, width]; by default it is padded, so that a stride of 1 keeps the size."""
    return _windows(node, "MaxPool")


@layer("local_avgpool")
def local_avgpool(node: Layer) -> Value:
    """[batch, channels, height, width], padded as maxpool; what lies outside does not count."""
    return _windows(node, "AveragePool")


def _windows(node: Layer, operator: str) -> Value:
    x, _ = node.image()
    size = node.size("size", node.section.integer("stride", 1))
    padding = node.section.integer("padding", size - 1)
    if not 0 <= padding < 2 * size:
        raise node.error(f"padding is {padding}, expected 0 to {2 * size - 1} for size {size}")
    before, after = [padding // 2] * 2, [padding - padding // 2] * 2
    return node.add(operator, x, kernel_shape=[size, size], strides=strides(node), pads=[*before, *after])


@layer("avgpool")
def avgpool(node: Layer) -> Value:
    """[batch, channels, 1, 1]"""
    return node.add("GlobalAveragePool", node.image()[0])


@layer("normalization")
def normalization(node: Layer) -> Value:
    """Each pixel over its neighbours among the channels."""
    x, (_, channels, _, _) = node.image()
    if channels > _MAX_CHANNELS:
        raise node.error(f"{channels} channels, expected at most {_MAX_CHANNELS}")
    alpha, beta, kappa = (
        node.section.real(key, default) for key, default in (("alpha", 1e-4), ("beta", 0.75), ("kappa", 1.0))
    )
    counts = _neighbours(channels, node.size("size", 5)) * np.float32(alpha)
    squares = node.add("Mul", x, x)
    sums = node.add("Conv", squares, node.constant(counts.astype(np.float32)[:, :, None, None]))
    return node.add("Mul", x, node.add("Pow", node.add("Add", sums, kappa), -beta))


def _neighbours(channels: int, size: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """How often channel k adds the square of channel j. Darknet moves a window along the channels, but begins
    without the last of the first window's channels, which it takes off later all the same.
    """
    counts = np.zeros((channels, channels), np.float32)
    counts[0, : size // 2] = 1
    for k in range(1, channels):
        counts[k] = counts[k - 1]
        leaves, enters = k - (size - 1) // 2 - 1, k + size // 2
        if leaves >= 0:
            counts[k, leaves] -= 1
        if enters < channels:
            counts[k, enters] += 1
    return counts


@layer("l2norm")
def l2norm(node: Layer) -> Value:
    """Each pixel of length 1 over the channels."""
    x, _ = node.image()
    length = node.add("ReduceL2", x, node.constant(np.array([1])))
    return node.add("Div", x, length)
