"""Maxima and means over windows."""

from __future__ import annotations

from typing import Any

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.rules.convolution import back, channels_first, pads, spatial
from tinsmith.compiler.frontends.tensorflow.things import Refused
from tinsmith.compiler.shaping.builder import Value


def _pooled(op: Op, kind: str, x: Value, kernel: list[int], strides: list[int]) -> Value:
    images = channels_first(op, x)
    padding = pads(op, (images.dims or ())[2:], kernel, strides, [1] * len(kernel))
    return back(op, op.add(kind, images, kernel_shape=kernel, strides=strides, **padding))


@converts("MaxPool", "MaxPool3D")
def max_pool(op: Op, x: Value) -> Any:
    return _pooled(op, "MaxPool", x, spatial(op, "ksize", x.rank), spatial(op, "strides", x.rank))


@converts("AvgPool", "AvgPool3D")
def average_pool(op: Op, x: Value) -> Any:
    return _pooled(op, "AveragePool", x, spatial(op, "ksize", x.rank), spatial(op, "strides", x.rank))


@converts("MaxPoolV2")
def max_pool_v2(op: Op, x: Value, kernel: Value, strides: Value) -> Any:
    windows = spatial(op, "ksize", x.rank, op.known_ints(kernel, "ksize"))
    return _pooled(
        op, "MaxPool", x, windows, spatial(op, "strides", x.rank, op.known_ints(strides, "strides"))
    )


@converts("MaxPoolWithArgmax")
def max_pool_with_argmax(op: Op, x: Value) -> Any:
    result = _pooled(op, "MaxPool", x, spatial(op, "ksize", x.rank), spatial(op, "strides", x.rank))
    place = f"node {op.scope.prefix + op.node.name!r} ({op.type}): the places of the maxima are not compiled"
    return result, Refused(limits=frozenset([place]))
