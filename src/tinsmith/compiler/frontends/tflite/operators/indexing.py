"""Elements that indices choose or place."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.tflite.layer import Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.shaping.builder import Value


@operator("GATHER", moves=True)
def gather(layer: Layer) -> Value:
    """With `batch_dims`, the leading dimensions of tensor and indices are the same, and each has its own."""
    rank, places = layer.rank(0), layer.rank(1)
    axis, batch = layer.axis(layer.integer("axis"), rank), layer.integer("batch_dims")
    batch += places if batch < 0 else 0
    if not 0 <= batch <= min(axis, places):
        raise layer.refuse(f"batch_dims is {batch} for axis {axis} and indices of {places} dimensions")
    x, indices = layer.value(0), layer.stored(1)
    if not batch:
        return layer.emit("Gather", x, indices, axis=axis)
    moved = x.transpose(*range(batch), axis, *(d for d in range(batch, rank) if d != axis))
    rows = layer.emit("Unsqueeze", layer.cast(indices, "int64"), np.array([-1]))
    found = layer.emit("GatherND", moved, rows, batch_dims=batch)
    between, own = axis - batch, places - batch
    first = batch + own
    order = [
        *range(batch),
        *range(first, first + between),
        *range(batch, first),
        *range(first + between, first + rank - 1 - batch),
    ]
    return found.transpose(*order)


@operator("GATHER_ND", moves=True)
def gather_nd(layer: Layer) -> Value:
    return layer.emit("GatherND", layer.value(0), layer.sizes(1))


@operator("SCATTER_ND")
def scatter_nd(layer: Layer) -> Value:
    """Inputs: indices, parts, the shape. What goes to one place is added up."""
    zero = np.zeros((), "float32" if layer.is_quantised(1) else layer.tensor(1).dtype)
    empty = layer.emit("Expand", zero, layer.sizes(2))
    return layer.emit("ScatterND", empty, layer.sizes(0), layer.real(1), reduction="add")


@operator("SPARSE_TO_DENSE", moves=True)
def sparse_to_dense(layer: Layer) -> Value:
    """Inputs: indices of no, one or two dimensions, the shape, values, what the other elements are."""
    rank = layer.shape(1)[0]
    cells = layer.sizes(0).reshape(-1, rank)
    dense = layer.emit("Expand", layer.value(3).reshape(), layer.sizes(1))
    values = layer.value(2)
    if layer.rank(2) == 0:
        count = layer.emit("Shape", cells, start=0, end=1)
        values = layer.emit("Expand", values.reshape(1), count)
    return layer.emit("ScatterND", dense, cells, values)


@operator("WHERE")
def where(layer: Layer) -> Value:
    """The indices of elements that are true, one to a row."""
    return layer.emit("Transpose", layer.emit("NonZero", layer.stored(0)), perm=[1, 0])


@operator("ONE_HOT", moves=True)
def one_hot(layer: Layer) -> Value:
    """Inputs: indices, depth, what is on and off; an index that is no place is off everywhere."""
    depth, rank = layer.bounded(layer.integers(1)[0]), layer.rank(0) + 1
    axis = layer.axis(layer.integer("axis"), rank)
    places = np.arange(depth).reshape([-1 if dim == axis else 1 for dim in range(rank)])
    indices = layer.emit("Unsqueeze", layer.cast(layer.stored(0), "int64"), np.array([axis]))
    on, off = (layer.value(index).reshape() for index in (2, 3))
    return layer.emit("Where", layer.emit("Equal", indices, places), on, off)
