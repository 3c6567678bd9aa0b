"""Fourier transforms. A tensor of complex numbers is one of floats with pairs along a last dimension."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.tflite.layer import Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.shaping.builder import Value


@operator("RFFT2D")
def rfft2d(layer: Layer) -> Value:
    """Inputs: [.., height, width], the lengths of both transforms; what lacks is 0, what is over is cut."""
    height, width = layer.integers(1)
    rank = layer.rank(0)
    x = layer.emit("Unsqueeze", layer.real(0), np.array([-1]))
    half = layer.emit("DFT", x, np.array(width), np.array(rank - 1), onesided=1)
    return layer.emit("DFT", half, np.array(height), np.array(rank - 2))


@operator("REAL")
def real(layer: Layer) -> Value:
    return _part(layer, 0)


@operator("IMAG")
def imag(layer: Layer) -> Value:
    return _part(layer, 1)


def _part(layer: Layer, which: int) -> Value:
    return layer.emit("Gather", layer.stored(0), np.array(which), axis=-1)


@operator("COMPLEX_ABS")
def complex_abs(layer: Layer) -> Value:
    return layer.emit("ReduceL2", layer.stored(0), np.array([-1]), keepdims=0)
