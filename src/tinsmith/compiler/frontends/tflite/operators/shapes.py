"""Shapes, and tensors that are made of nothing but their shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite.layer import Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.frontends.tflite.scope import Operand
from tinsmith.compiler.shaping.builder import Value


@operator("RESHAPE", moves=True)
def reshape(layer: Layer) -> Operand:
    """The shape is an input; in old files, an option."""
    if layer.has(1) and layer.rank(1) == 1:
        shape = layer.sizes(1)
    else:
        shape = np.array(layer.operator.options["new_shape"], np.int64)
        if not layer.has(1) and not shape.size and layer.output().shape:
            shape = np.array(layer.output().shape, np.int64)
    known = layer.known(0)
    if known is not None and not isinstance(shape, Value) and not layer.is_quantised(0):
        if np.count_nonzero(shape < 0) > 1 or (known.size != abs(int(np.prod(shape))) and -1 not in shape):
            raise layer.refuse(f"it makes the shape {shape.tolist()[:16]} of {known.size} elements")
        return known.reshape(shape)
    zeros = isinstance(shape, np.ndarray) and 0 in shape
    return layer.emit("Reshape", layer.value(0), shape, allowzero=1 if zeros else None)


@operator("SQUEEZE", moves=True)
def squeeze(layer: Layer) -> Value:
    axes = np.array(layer.operator.options["squeeze_dims"], np.int64)
    return layer.emit("Squeeze", layer.value(0), *([axes] if axes.size else []))


@operator("EXPAND_DIMS", moves=True)
def expand_dims(layer: Layer) -> Value:
    return layer.emit("Unsqueeze", layer.value(0), np.array(layer.integers(1), np.int64))


@operator("SHAPE")
def shape(layer: Layer) -> Value:
    return layer.cast(layer.emit("Shape", layer.stored(0)), layer.output().dtype)


@operator("RANK")
def rank(layer: Layer) -> NDArray[Any]:
    return np.array(layer.rank(0), np.int32)


@operator("FILL", moves=True)
def fill(layer: Layer) -> Value:
    return layer.emit("Expand", layer.value(1).reshape(), layer.sizes(0))


@operator("ZEROS_LIKE")
def zeros_like(layer: Layer) -> Value:
    zero = np.zeros((), "float32" if layer.is_quantised(0) else layer.tensor(0).dtype)
    return layer.emit("Expand", zero, layer.emit("Shape", layer.stored(0)))


@operator("RANGE")
def range_(layer: Layer) -> Value:
    return layer.emit("Range", *(layer.real(index).reshape() for index in range(3)))


@operator("BROADCAST_ARGS")
def broadcast_args(layer: Layer) -> Operand:
    """The shape that two shapes are broadcast to."""
    left, right = layer.known(0), layer.known(1)
    if left is not None and right is not None:
        try:
            return np.array(np.broadcast_shapes(tuple(left), tuple(right)), left.dtype)
        except ValueError as error:
            raise layer.refuse(f"the shapes {left.tolist()} and {right.tolist()} do not fit") from error
    shapes = [layer.sizes(index) for index in range(2)]
    ranks = [layer.shape(index)[0] for index in range(2)]
    longest = max(ranks)
    padded = [
        layer.emit("Concat", np.ones(longest - rank, np.int64), shape, axis=0)
        for shape, rank in zip(shapes, ranks, strict=True)
    ]
    one = layer.emit("Equal", padded[0], np.ones(longest, np.int64))
    return layer.cast(layer.emit("Where", one, padded[1], padded[0]), layer.output().dtype)


@operator("MATRIX_DIAG", moves=True)
def matrix_diag(layer: Layer) -> Value:
    size = layer.static_shape(0)[-1]
    layer.bounded(size * size)
    rows = layer.emit("Unsqueeze", layer.value(0), np.array([-1]))
    return layer.emit("Where", np.eye(size, dtype=bool), rows, np.zeros((), _dtype(layer)))


@operator("MATRIX_SET_DIAG", moves=True)
def matrix_set_diag(layer: Layer) -> Value:
    rows, columns = layer.static_shape(0)[-2:]
    layer.bounded(rows * columns)
    diagonal, missing = layer.value(1), columns - min(rows, columns)
    if missing:
        pads = np.zeros((2, layer.rank(1)), np.int64)
        pads[1, -1] = missing
        diagonal = layer.emit("Pad", diagonal, pads.reshape(-1), np.zeros((), _dtype(layer)))
    diagonal = layer.emit("Unsqueeze", diagonal, np.array([-2]))
    return layer.emit("Where", np.eye(rows, columns, dtype=bool), diagonal, layer.value(0))


def _dtype(layer: Layer) -> str:
    return "float32" if layer.is_quantised(0) and not layer.gives_codes else layer.tensor(0).dtype
