"""Parts of tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.things import Unsupported
from tinsmith.compiler.shaping.builder import Value

LAST = 2**63 - 1
FIRST = -(2**63)


@converts("Slice")
def slice_(op: Op, x: Value, begin: Value, size: Value) -> Any:
    axes = op.ints(*range(x.rank))
    if begin.constant is not None and size.constant is not None:
        starts, sizes = op.known_ints(begin, "begin"), op.known_ints(size, "size")
        ends = [start + count if count >= 0 else LAST for start, count in zip(starts, sizes, strict=True)]
        return op.add("Slice", x, op.ints(*starts), op.ints(*ends), axes)
    first, count = begin.cast(np.int64), size.cast(np.int64)
    end = op.add("Add", first, count)
    rest = op.add("Less", count, op.constant(np.int64(0)))
    return op.add("Slice", x, first, op.add("Where", rest, op.constant(np.int64(LAST)), end), axes)


@dataclass
class _Cut:
    """What a StridedSlice does, per axis of its input."""

    starts: list[Value] = field(default_factory=list)
    ends: list[Value] = field(default_factory=list)
    axes: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    """Axes of the input of which one place is taken."""
    places: dict[int, Value] = field(default_factory=dict)
    """By such an axis: the place, a vector of one."""
    added: list[int] = field(default_factory=list)
    """Axes of the result of size 1 that the input does not have."""


@converts("StridedSlice")
def strided_slice(op: Op, x: Value, begin: Value, end: Value, strides: Value) -> Any:
    steps = op.known_ints(strides, "strides")
    cut = _cut(op, x.rank, steps, _picker(op, begin), _picker(op, end))
    if cut.axes:
        parts = (_joined(op, cut.starts), _joined(op, cut.ends), op.ints(*cut.axes), op.ints(*cut.steps))
        x = op.add("Slice", x, *parts)
    for axis, place in cut.places.items():
        x = _at(op, x, axis, place)
    if cut.dropped:
        x = x.squeeze(*cut.dropped)
    return x.unsqueeze(*cut.added) if cut.added else x


def _at(op: Op, x: Value, axis: int, place: Value) -> Value:
    """The one `place` of `axis`, which stays as an axis of size 1."""
    if place.constant is None:
        return op.add("Gather", x, place, axis=axis)
    number = int(place.constant.item())
    return op.slice(x, [number], [number + 1 if number != -1 else LAST], [axis])


def _picker(op: Op, numbers: Value) -> Callable[[int], Value]:
    def pick(index: int) -> Value:
        if numbers.constant is not None:
            return op.ints(int(numbers.constant[index]))
        return op.slice(numbers, [index], [index + 1], [0]).cast(np.int64)

    return pick


def _joined(op: Op, numbers: list[Value]) -> Value:
    if all(number.constant is not None for number in numbers):
        return op.ints(*(int(number.constant.item()) for number in numbers if number.constant is not None))
    result: Value = op.add("Concat", *numbers, axis=0)
    return result


def _cut(
    op: Op, rank: int, steps: list[int], begin: Callable[[int], Value], end: Callable[[int], Value]
) -> _Cut:
    masks = {
        name: op.integer(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    cut, axis, place = _Cut(), 0, 0
    used = sum(1 for i in range(len(steps)) if not (masks["new_axis"] | masks["ellipsis"]) >> i & 1)
    for index, step in enumerate(steps):
        if masks["ellipsis"] >> index & 1:
            axis, place = axis + rank - used, place + rank - used
        elif masks["new_axis"] >> index & 1:
            cut.added.append(place)
            place += 1
        else:
            if axis >= rank:
                raise ValueError(f"it slices {used} dimensions of a tensor of {rank}")
            _one(op, cut, axis, step, index, masks, begin, end)
            place += not masks["shrink_axis"] >> index & 1
            axis += 1
    return cut


def _one(
    op: Op,
    cut: _Cut,
    axis: int,
    step: int,
    index: int,
    masks: dict[str, int],
    begin: Callable[[int], Value],
    end: Callable[[int], Value],
) -> None:
    """The part of one axis."""
    shrinks = masks["shrink_axis"] >> index & 1
    whole = (masks["begin"] >> index & 1) and (masks["end"] >> index & 1)
    if shrinks:
        cut.dropped.append(axis)
        cut.places[axis] = begin(index)
        return
    if whole and step == 1:
        return
    cut.axes.append(axis)
    cut.steps.append(step)
    open_start, open_end = (0, LAST) if step > 0 else (LAST, FIRST)
    cut.starts.append(op.ints(open_start) if masks["begin"] >> index & 1 else begin(index))
    cut.ends.append(op.ints(open_end) if masks["end"] >> index & 1 else end(index))


@converts("Split")
def split(op: Op, axis: Value, x: Value) -> Any:
    return _split(op, x, axis, None, op.integer("num_split", 1))


@converts("SplitV")
def split_v(op: Op, x: Value, sizes: Value, axis: Value) -> Any:
    parts = op.known_ints(sizes, "size_splits")
    (place,) = op.axes(axis, x.rank, "split_dim")
    if -1 in parts:
        total = x.shape[place]
        parts[parts.index(-1)] = total - sum(parts) - 1
    return _split(op, x, axis, parts, len(parts))


def _split(op: Op, x: Value, axis: Value, sizes: list[int] | None, count: int) -> list[Value]:
    (place,) = op.axes(axis, x.rank, "split_dim")
    if count == 1:
        return [x]
    op.checked(count, "number of parts")
    if sizes is None:
        total = x.shape[place]
        if total % count:
            raise ValueError(f"it splits {total} into {count} equal parts")
        sizes = [total // count] * count
    return list(op.several("Split", count, x, op.ints(*sizes), axis=place))


@converts("Unpack")
def unpack(op: Op, x: Value) -> Any:
    axis = op.integer("axis") % x.rank
    count = op.integer("num") or x.shape[axis]
    op.checked(count, "num")
    if count != (x.dims or ())[axis] and (x.dims or ())[axis] is not None:
        raise ValueError(f"it unpacks {count} of {(x.dims or ())[axis]}")
    if x.constant is not None:
        return [op.constant(part) for part in np.moveaxis(x.constant, axis, 0)]
    return [op.slice(x, [index], [index + 1], [axis]).squeeze(axis) for index in range(count)]


@converts("Gather")
def gather(op: Op, x: Value, indices: Value) -> Any:
    return op.add("Gather", x, indices, axis=0)


@converts("GatherV2")
def gather_v2(op: Op, x: Value, indices: Value, axis: Value) -> Any:
    (place,) = op.axes(axis, x.rank)
    batch = op.integer("batch_dims") % max(indices.rank + 1, 1)
    if not batch:
        return op.add("Gather", x, indices, axis=place)
    if place != batch:
        raise Unsupported(f"its axis is {place} with batch_dims {batch}, expected the same")
    flat = indices.reshape(*indices.shape[:batch], -1, 1)
    rows = op.add("GatherND", x, flat.cast(np.int64), batch_dims=batch)
    return rows.reshape(*indices.shape, *x.shape[batch + 1 :])


@converts("GatherNd")
def gather_nd(op: Op, x: Value, indices: Value) -> Any:
    return op.add("GatherND", x, indices.cast(np.int64), batch_dims=op.integer("batch_dims"))


@converts("ScatterNd")
def scatter_nd(op: Op, indices: Value, updates: Value, sizes: Value) -> Any:
    zeros = op.add("Expand", op.like(0, updates), sizes.cast(np.int64))
    return op.add("ScatterND", zeros, indices.cast(np.int64), updates, reduction="add")


_SCATTERS = {
    "TensorScatterAdd": "add",
    "TensorScatterMax": "max",
    "TensorScatterMin": "min",
    "TensorScatterSub": "add",
    "TensorScatterUpdate": "none",
}


@converts(*_SCATTERS)
def tensor_scatter(op: Op, x: Value, indices: Value, updates: Value) -> Any:
    if op.type == "TensorScatterSub":
        updates = op.add("Neg", updates)
    return op.add("ScatterND", x, indices.cast(np.int64), updates, reduction=_SCATTERS[op.type])


@converts("SparseToDense")
def sparse_to_dense(op: Op, indices: Value, sizes: Value, values: Value, default: Value) -> Any:
    dense = op.add("Expand", default, sizes.cast(np.int64))
    if indices.rank < 2:
        indices = indices.reshape(-1, 1)
    if values.rank == 0:
        values = op.add("Expand", values, op.ints(indices.shape[0]))
    return op.add("ScatterND", dense, indices.cast(np.int64), values)


@converts("UnsortedSegmentSum", "UnsortedSegmentMax", "UnsortedSegmentMin", "UnsortedSegmentProd")
def segments(op: Op, x: Value, places: Value, count: Value) -> Any:
    if places.rank != 1 or places.dims != x.dims[:1] if x.dims else True:
        raise Unsupported("its segments are not those of rows")
    reduction = {"Sum": "add", "Max": "max", "Min": "min", "Prod": "mul"}[op.type[15:]]
    limits = np.finfo(x.dtype) if x.dtype.kind == "f" else np.iinfo(x.dtype)
    start = {"add": 0, "mul": 1, "max": limits.min, "min": limits.max}[reduction]
    (number,) = op.known_ints(count, "num_segments")
    whole = op.add("Expand", op.like(float(start), x), op.ints(number, *x.shape[1:]))
    return op.add("ScatterND", whole, places.cast(np.int64).unsqueeze(1), x, reduction=reduction)
