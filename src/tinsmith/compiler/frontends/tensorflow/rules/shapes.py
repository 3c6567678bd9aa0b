"""Shapes, and tensors made of shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.things import Unsupported
from tinsmith.compiler.shaping.builder import Value

_INT32 = 3


def _shape(op: Op, x: Value) -> Value:
    kind = op.type_of("out_type", _INT32)
    if x.dims is not None and None not in x.dims:
        return op.constant(np.array(x.shape, kind))
    return op.add("Shape", x).cast(kind)


@converts("Shape")
def shape(op: Op, x: Value) -> Any:
    return _shape(op, x)


@converts("ShapeN")
def shape_n(op: Op, *inputs: Value) -> Any:
    return [_shape(op, x) for x in inputs]


@converts("Size")
def size(op: Op, x: Value) -> Any:
    kind = op.type_of("out_type", _INT32)
    if x.dims is not None and None not in x.dims:
        return op.constant(np.array(np.prod(x.shape, dtype=np.int64), kind))
    return op.add("Size", x).cast(kind)


@converts("Rank")
def rank(op: Op, x: Value) -> Any:
    return op.constant(np.int32(x.rank))


@converts("Reshape")
def reshape(op: Op, x: Value, sizes: Value) -> Any:
    if sizes.constant is not None and 0 in sizes.constant:
        return op.add("Reshape", x, sizes.cast(np.int64), allowzero=1)
    return op.add("Reshape", x, sizes.cast(np.int64))


@converts("ExpandDims")
def expand_dims(op: Op, x: Value, axis: Value) -> Any:
    (place,) = op.axes(axis, x.rank + 1)
    return x.unsqueeze(place)


@converts("Squeeze")
def squeeze(op: Op, x: Value) -> Any:
    axes = [axis % x.rank for axis in op.integers("squeeze_dims")]
    if not axes:
        axes = [axis for axis, size in enumerate(x.dims or ()) if size == 1]
    return x.squeeze(*axes) if axes else x


@converts("Fill")
def fill(op: Op, sizes: Value, value: Value) -> Any:
    return op.add("Expand", value, sizes.cast(np.int64))


@converts("BroadcastTo")
def broadcast_to(op: Op, x: Value, sizes: Value) -> Any:
    return op.add("Expand", x, sizes.cast(np.int64))


@converts("BroadcastArgs")
def broadcast_args(op: Op, a: Value, b: Value) -> Any:
    one, other = (tuple(op.known_ints(value, "shape")) for value in (a, b))
    return op.constant(np.array(np.broadcast_shapes(one, other), a.dtype))


@converts("Range")
def range_(op: Op, start: Value, limit: Value, delta: Value) -> Any:
    return op.add("Range", start, limit, delta)


@converts("LinSpace")
def lin_space(op: Op, start: Value, stop: Value, count: Value) -> Any:
    number = op.count(count, "num")
    steps = op.constant(np.arange(number).astype(start.dtype))
    step = op.add("Div", op.add("Sub", stop, start), op.like(max(number - 1, 1), start))
    return op.add("Add", start, op.add("Mul", steps, step))


@converts("InvertPermutation")
def invert_permutation(op: Op, x: Value) -> Any:
    return op.constant(np.argsort(op.known(x, "permutation")).astype(x.dtype))


@converts("OneHot")
def one_hot(op: Op, indices: Value, depth: Value, on: Value, off: Value) -> Any:
    """Numbers that are no class give a row of `off`."""
    count = op.count(depth, "depth")
    axis = op.integer("axis", -1)
    place = axis if axis >= 0 else indices.rank
    classes = np.arange(count).astype(indices.dtype).reshape([-1] + [1] * (indices.rank - place))
    return op.add("Where", op.add("Equal", indices.unsqueeze(place), op.constant(classes)), on, off)


@converts("Where")
def where(op: Op, x: Value) -> Any:
    return op.add("Transpose", op.add("NonZero", x), perm=[1, 0])


@converts("Unique", "UniqueV2", "UniqueWithCounts", "UniqueWithCountsV2")
def unique(op: Op, x: Value, *axis: Value) -> Any:
    axes = op.known_ints(axis[0], "axis") if axis else []
    if axes and axes != [0]:
        raise Unsupported(f"its axis is {axes}, expected 0")
    kind = op.type_of("out_idx", _INT32)
    found, _, places, counts = op.several("Unique", 4, x, sorted=0, axis=0 if axes and x.rank > 1 else None)
    return found, places.cast(kind), counts.cast(kind)


@converts("Bincount", "DenseBincount")
def bincount(op: Op, x: Value, size: Value, weights: Value) -> Any:
    if op.type == "DenseBincount" and x.rank > 1:
        raise Unsupported("it counts per row")
    count = op.count(size, "size")
    hits = op.add("Equal", x.reshape(-1, 1), op.constant(np.arange(count).astype(x.dtype)))
    if op.flag("binary_output"):
        return op.add("ReduceMax", hits.cast(np.int32), op.ints(0), keepdims=0).cast(weights.dtype)
    numbers = hits.cast(weights.dtype)
    if weights.dims != (0,):
        numbers = op.add("Mul", numbers, weights.reshape(-1, 1))
    return op.add("ReduceSum", numbers, op.ints(0), keepdims=0)
