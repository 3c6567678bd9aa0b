"""Reductions over dimensions, orders of elements, and sums over segments."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinsmith.compiler.frontends.tflite import fixed
from tinsmith.compiler.frontends.tflite.layer import Codes, Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.shaping.builder import Value

_REDUCTIONS = {
    "SUM": "ReduceSum",
    "REDUCE_PROD": "ReduceProd",
    "REDUCE_MAX": "ReduceMax",
    "REDUCE_MIN": "ReduceMin",
}


def _axes(layer: Layer) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    rank = layer.rank(0)
    return np.array(sorted({layer.axis(axis, rank) for axis in layer.integers(1)}), np.int64)


def _reduction(kind: str) -> Callable[[Layer], Value]:
    def convert(layer: Layer) -> Value:
        keep = int(layer.flag("keep_dims"))
        return layer.emit(kind, layer.real(0), _axes(layer), keepdims=keep, noop_with_empty_axes=1)

    return convert


for _name, _kind in _REDUCTIONS.items():
    operator(_name)(_reduction(_kind))


@operator("MEAN")
def mean(layer: Layer) -> Value | Codes:
    axes, keep = _axes(layer), int(layer.flag("keep_dims"))
    sizes = [layer.shape(0)[axis] for axis in axes]
    if not fixed.computes(layer, 0) or min(sizes, default=0) < 1:
        return layer.emit("ReduceMean", layer.real(0), axes, keepdims=keep, noop_with_empty_axes=1)
    tensor = layer.tensor(0)
    value = layer.emit("Sub", layer.cast(layer.stored(0), "int32"), np.array(fixed.zero(tensor), np.int32))
    total = layer.cast(layer.emit("ReduceSum", value, axes, keepdims=keep), "float64")
    ratio = np.float64(fixed.scale(tensor)) / np.float64(fixed.scale(layer.output()))
    factor = fixed.Factor.of(ratio).divided(math.prod(sizes))
    return fixed.stored(layer, fixed.multiply(layer, total, factor))


@operator("REDUCE_ANY")
def reduce_any(layer: Layer) -> Value:
    return _truth(layer, "ReduceMax")


@operator("REDUCE_ALL")
def reduce_all(layer: Layer) -> Value:
    return _truth(layer, "ReduceMin")


def _truth(layer: Layer, kind: str) -> Value:
    keep = int(layer.flag("keep_dims"))
    numbers = layer.cast(layer.stored(0), "uint8")
    return layer.cast(layer.emit(kind, numbers, _axes(layer), keepdims=keep, noop_with_empty_axes=1), "bool")


@operator("ARG_MAX")
def arg_max(layer: Layer) -> Value:
    return _position(layer, "ArgMax")


@operator("ARG_MIN")
def arg_min(layer: Layer) -> Value:
    return _position(layer, "ArgMin")


def _position(layer: Layer, kind: str) -> Value:
    axis = layer.axis(layer.integers(1)[0], layer.rank(0)) if layer.constant(1).size else 0
    return layer.cast(layer.emit(kind, layer.stored(0), axis=axis, keepdims=0), layer.output().dtype)


@operator("TOPK_V2", moves=True)
def topk_v2(layer: Layer) -> tuple[Value, Value]:
    k = layer.sizes(1)
    k = k.reshape(1)
    values, places = layer.emit_all("TopK", layer.value(0), k, outputs=2, axis=-1)
    return values, layer.cast(places, layer.output(1).dtype)


@operator("CUMSUM")
def cumsum(layer: Layer) -> Value:
    axis = np.array(layer.axis(layer.integers(1)[0], layer.rank(0)))
    flags = {name: int(layer.flag(name)) for name in ("exclusive", "reverse")}
    return layer.emit("CumSum", layer.real(0), axis, **flags)


@operator("UNIQUE")
def unique(layer: Layer) -> tuple[Value, Value]:
    """The elements in the order of their first appearance, and for each element which of them it is."""
    values, _, places, _ = layer.emit_all("Unique", layer.stored(0), outputs=4, sorted=0)
    return values, layer.cast(places, layer.output(1).dtype)


@operator("SEGMENT_SUM")
def segment_sum(layer: Layer) -> Value:
    """The numbers of segments grow, so the last tells how many there are."""
    numbers = layer.constant(1).reshape(-1)
    return _segments(layer, int(numbers[-1]) + 1 if numbers.size else 0, "add", 0)


@operator("UNSORTED_SEGMENT_SUM")
def unsorted_segment_sum(layer: Layer) -> Value:
    return _segments(layer, layer.integers(2)[0], "add", 0)


@operator("UNSORTED_SEGMENT_PROD")
def unsorted_segment_prod(layer: Layer) -> Value:
    return _segments(layer, layer.integers(2)[0], "mul", 1)


@operator("UNSORTED_SEGMENT_MAX")
def unsorted_segment_max(layer: Layer) -> Value:
    return _segments(layer, layer.integers(2)[0], "max", _limit(layer, "min"))


@operator("UNSORTED_SEGMENT_MIN")
def unsorted_segment_min(layer: Layer) -> Value:
    return _segments(layer, layer.integers(2)[0], "min", _limit(layer, "max"))


def _limit(layer: Layer, which: str) -> float:
    dtype = np.dtype(layer.tensor(0).dtype)
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return float(getattr(limits, which)) if dtype.kind == "f" else int(getattr(limits, which))


def _segments(layer: Layer, count: int, reduction: str, start: float) -> Value:
    """Rows of `count` segments; what has a negative number goes to one more, which is cut off."""
    shape, leading = layer.static_shape(0), layer.rank(1)
    rest = shape[leading:]
    layer.bounded(layer.bounded(count) * math.prod(rest))
    numbers = layer.sizes(1).reshape(-1, 1)
    rows = layer.stored(0).reshape(math.prod(shape[:leading]), *rest)
    numbers = layer.emit("Where", layer.emit("Less", numbers, np.array(0)), np.array(count), numbers)
    empty = np.full((count + 1, *rest), start, layer.tensor(0).dtype)
    summed = layer.emit("ScatterND", empty, numbers, rows, reduction=reduction)
    return layer.emit("Slice", summed, np.array([0]), np.array([count]), np.array([0]))
