"""Parts of a tensor between bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite.layer import Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.frontends.tflite.scope import Operand
from tinsmith.compiler.shaping.builder import Value

_FIRST, _LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@operator("SLICE", moves=True)
def slice_(layer: Layer) -> Value:
    """Inputs: the tensor, starts, sizes, of which -1 is all the rest."""
    begin, size = layer.sizes(1), layer.sizes(2)
    axes = np.arange(layer.rank(0))
    if isinstance(begin, Value) or isinstance(size, Value):
        ends: Operand = layer.emit("Add", begin, size)
        rest = layer.emit("Less", size, np.array(0))
        ends = layer.emit("Where", rest, np.full(axes.shape, _LAST), ends)
    else:
        ends = np.where(size < 0, _LAST, begin + size)
    return layer.emit("Slice", layer.value(0), begin, ends, axes)


@dataclass
class _Plan:
    """What the entries of a STRIDED_SLICE do."""

    places: list[int] = field(default_factory=list)
    """Entries that are bounds, and the dimensions that they bound."""
    axes: list[int] = field(default_factory=list)
    squeezed: list[int] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    """Dimensions of the result that are new."""


@operator("STRIDED_SLICE", moves=True)
def strided_slice(layer: Layer) -> Value:
    """Bit i of a mask speaks of entry i of begin, end and strides."""
    strides = layer.constant(3).reshape(-1).astype(np.int64)
    plan = _plan(layer, strides.size)
    value = layer.value(0)
    if plan.places:
        steps = strides[plan.places]
        if 0 in steps:
            raise layer.refuse("a stride of 0")
        starts, ends = _bounds(layer, plan, steps)
        steps = np.where(np.isin(plan.axes, plan.squeezed), 1, steps)
        value = layer.emit("Slice", value, starts, ends, np.array(plan.axes), steps)
    if plan.squeezed:
        value = layer.emit("Squeeze", value, np.array(plan.squeezed))
    return layer.emit("Unsqueeze", value, np.array(plan.added)) if plan.added else value


def _plan(layer: Layer, entries: int) -> _Plan:
    masks = {name: layer.integer(f"{name}_mask") for name in ("ellipsis", "new_axis", "shrink_axis")}
    new = sum(masks["new_axis"] >> entry & 1 for entry in range(entries))
    ellipses = sum(masks["ellipsis"] >> entry & 1 for entry in range(entries))
    if ellipses > 1 or entries - new - ellipses > layer.rank(0):
        raise layer.refuse(f"{entries} bounds for {layer.rank(0)} dimensions")
    plan, axis, result = _Plan(), 0, 0
    for entry in range(entries):
        if masks["ellipsis"] >> entry & 1:
            passed = layer.rank(0) - (entries - new - 1)
            axis, result = axis + passed, result + passed
        elif masks["new_axis"] >> entry & 1:
            plan.added.append(result)
            result += 1
        else:
            plan.places.append(entry)
            plan.axes.append(axis)
            if masks["shrink_axis"] >> entry & 1:
                plan.squeezed.append(axis)
            else:
                result += 1
            axis += 1
    return plan


def _bounds(layer: Layer, plan: _Plan, steps: NDArray[Any]) -> tuple[Operand, Operand]:
    """Starts and ends of the dimensions in the plan; an index of one element ends behind that."""
    places = np.array(plan.places)
    open_start = np.array([bool(layer.integer("begin_mask") >> entry & 1) for entry in plan.places])
    open_end = np.array([bool(layer.integer("end_mask") >> entry & 1) for entry in plan.places])
    single = np.isin(plan.axes, plan.squeezed)
    begin, end = layer.sizes(1), layer.sizes(2)
    first, last = np.where(steps > 0, 0, _LAST), np.where(steps > 0, _LAST, _FIRST)
    if isinstance(begin, Value) or isinstance(end, Value):
        begin = layer.emit("Gather", begin, places)
        end = layer.emit("Gather", end, places)
        start: Operand = layer.emit("Where", open_start & ~single, first, begin)
        behind = layer.emit("Where", layer.emit("Equal", start, np.array(-1)), np.array(_LAST),
                            layer.emit("Add", start, np.array(1)))  # fmt: skip
        if layer.flag("offset"):
            end = layer.emit("Add", end, begin)
        end = layer.emit("Where", open_end, last, end)
        return start, layer.emit("Where", single, behind, end)
    start = np.where(open_start & ~single, first, begin.reshape(-1)[places])
    stop = end.reshape(-1)[places] + (begin.reshape(-1)[places] if layer.flag("offset") else 0)
    _check_indices(layer, plan, start, single)
    return start, np.where(single, np.where(start == -1, _LAST, start + 1), np.where(open_end, last, stop))


def _check_indices(layer: Layer, plan: _Plan, start: NDArray[Any], single: NDArray[Any]) -> None:
    for axis, index in zip(np.array(plan.axes)[single], start[single], strict=True):
        size = layer.shape(0)[axis]
        if size >= 0 and not -size <= index < size:
            raise layer.refuse(f"it takes element {index} of a dimension of {size}")


@operator("DYNAMIC_UPDATE_SLICE", moves=True)
def dynamic_update_slice(layer: Layer) -> Value:
    """Inputs: the tensor, a part, where the part is to start; it is moved to fit."""
    shape, part = layer.static_shape(0), layer.static_shape(1)
    if len(shape) != len(part) or any(size < inner for size, inner in zip(shape, part, strict=True)):
        raise layer.refuse(f"a part of shape {list(part)} for {list(shape)}")
    layer.bounded(math.prod(part) * max(1, len(part)))
    room = np.array(shape, np.int64) - np.array(part, np.int64)
    start = layer.emit("Max", layer.emit("Min", layer.sizes(2), room), np.zeros_like(room))
    cells = np.moveaxis(np.indices(part, np.int64), 0, -1)
    return layer.emit("ScatterND", layer.value(0), layer.emit("Add", cells, start), layer.value(1))
