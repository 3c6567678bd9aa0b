"""Elements in other places: transposes, joins, cuts, copies and borders."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite.layer import Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.frontends.tflite.scope import Operand
from tinsmith.compiler.shaping.builder import Value

_SYMMETRIC = 1


@operator("TRANSPOSE", moves=True)
def transpose(layer: Layer) -> Value:
    order = layer.integers(1)
    if sorted(order) != list(range(layer.rank(0))):
        raise layer.refuse(f"it transposes by {order[:16]}, expected each of {layer.rank(0)} dimensions once")
    return layer.arranged(0, tuple(order))


@operator("CONCATENATION", moves=True)
def concatenation(layer: Layer) -> Value:
    rank = max(layer.rank(index) for index in range(layer.count))
    axis = layer.axis(layer.integer("axis"), rank)
    return layer.emit("Concat", *(layer.value(index) for index in range(layer.count)), axis=axis)


@operator("PACK", moves=True)
def pack(layer: Layer) -> Operand:
    axis = np.array([layer.axis(layer.integer("axis"), layer.rank(0) + 1)])
    parts = [layer.emit("Unsqueeze", layer.value(index), axis) for index in range(layer.count)]
    return layer.emit("Concat", *parts, axis=int(axis[0]))


@operator("UNPACK", moves=True)
def unpack(layer: Layer) -> tuple[Value, ...]:
    axis, count = layer.axis(layer.integer("axis"), layer.rank(0)), len(layer.outputs)
    parts = layer.emit_all("Split", layer.value(0), outputs=count, axis=axis, num_outputs=count)
    return tuple(layer.emit("Squeeze", part, np.array([axis])) for part in parts)


@operator("SPLIT", moves=True)
def split(layer: Layer) -> tuple[Value, ...]:
    """Inputs: the axis, the tensor."""
    axis = layer.axis(_one(layer, 0), layer.rank(1))
    count = len(layer.outputs)
    return tuple(layer.emit_all("Split", layer.value(1), outputs=count, axis=axis, num_outputs=count))


@operator("SPLIT_V", moves=True)
def split_v(layer: Layer) -> tuple[Value, ...]:
    """Inputs: the tensor, sizes of which one may be -1 for what remains, the axis."""
    axis, sizes = layer.axis(_one(layer, 2), layer.rank(0)), layer.integers(1)
    if -1 in sizes:
        remaining = layer.static_shape(0)[axis] - (sum(sizes) + 1)
        sizes[sizes.index(-1)] = remaining
    if len(sizes) != len(layer.outputs) or min(sizes, default=0) < 0:
        raise layer.refuse(f"it cuts parts of {sizes[:16]} elements for {len(layer.outputs)} outputs")
    parts = np.array(sizes, np.int64)
    return tuple(layer.emit_all("Split", layer.value(0), parts, outputs=len(sizes), axis=axis))


@operator("TILE", moves=True)
def tile(layer: Layer) -> Value:
    return layer.emit("Tile", layer.value(0), layer.sizes(1))


@operator("BROADCAST_TO", moves=True)
def broadcast_to(layer: Layer) -> Value:
    return layer.emit("Expand", layer.value(0), layer.sizes(1))


@operator("REVERSE_V2", moves=True)
def reverse_v2(layer: Layer) -> Value:
    axes = np.array([layer.axis(axis, layer.rank(0)) for axis in layer.integers(1)], np.int64)
    starts, ends = np.full(axes.shape, -1), np.full(axes.shape, np.iinfo(np.int64).min)
    return layer.emit("Slice", layer.value(0), starts, ends, axes, np.full(axes.shape, -1))


@operator("REVERSE_SEQUENCE", moves=True)
def reverse_sequence(layer: Layer) -> Value:
    """ONNX has batches and time in the first two dimensions."""
    rank = layer.rank(0)
    batch, time = (layer.axis(layer.integer(name), rank) for name in ("batch_dim", "seq_dim"))
    if batch == time:
        raise layer.refuse("seq_dim and batch_dim are the same")
    order = [batch, time, *(dim for dim in range(rank) if dim not in (batch, time))]
    x = layer.arranged(0, tuple(order))
    reversed_ = layer.emit("ReverseSequence", x, layer.sizes(1), batch_axis=0, time_axis=1)
    return reversed_.transpose(*[order.index(dim) for dim in range(rank)])


@operator("PAD", moves=True)
def pad(layer: Layer) -> Value:
    zero: Operand = np.zeros((), _dtype(layer))
    if layer.gives_codes and (form := layer.tensor(0).quantization) is not None:
        zero = form.zero[0].astype(_dtype(layer)).reshape(())
    return layer.emit("Pad", layer.value(0), _pads(layer), zero)


@operator("PADV2", moves=True)
def padv2(layer: Layer) -> Value:
    return layer.emit("Pad", layer.value(0), _pads(layer), layer.value(2).reshape())


def _dtype(layer: Layer) -> str:
    return "float32" if layer.is_quantised(0) and not layer.gives_codes else layer.tensor(0).dtype


def _pads(layer: Layer) -> Operand:
    """ONNX has all starts before all ends; TFLite has pairs."""
    pads = layer.sizes(1)
    if isinstance(pads, Value):
        return pads.transpose(1, 0).reshape(-1)
    if pads.shape != (layer.rank(0), 2):
        raise layer.refuse(f"it pads {layer.rank(0)} dimensions by an array of shape {list(pads.shape)}")
    return pads.T.reshape(-1)


@operator("MIRROR_PAD", moves=True)
def mirror_pad(layer: Layer) -> Value:
    """SYMMETRIC repeats the element at the border, which ONNX knows no mode for."""
    if layer.integer("mode") != _SYMMETRIC:
        return layer.emit("Pad", layer.value(0), _pads(layer), mode="reflect")
    pads, value = layer.constant(1), layer.value(0)
    for axis, (size, (before, after)) in enumerate(zip(layer.shape(0), pads.tolist(), strict=True)):
        if not before and not after:
            continue
        if size < max(before, after) or min(before, after) < 0:
            raise layer.refuse(f"it mirrors {before} and {after} elements of a dimension of {size}")
        layer.bounded(size)
        value = layer.emit("Gather", value, _mirrored(size, before, after), axis=axis)
    return value


def _mirrored(size: int, before: int, after: int) -> NDArray[Any]:
    return np.pad(np.arange(size), (before, after), mode="symmetric")


def _one(layer: Layer, index: int) -> int:
    values = layer.integers(index)
    if len(values) != 1:
        raise layer.refuse(f"its input {index} has {len(values)} elements, expected one")
    return values[0]
