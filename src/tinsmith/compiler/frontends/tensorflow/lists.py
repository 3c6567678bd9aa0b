"""Lists and arrays of tensors: what recurrent layers read from and write to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.interpreter import described, merged
from tinsmith.compiler.frontends.tensorflow.registry import Op, Rule, steers
from tinsmith.compiler.frontends.tensorflow.things import (
    Refused,
    Resource,
    TensorList,
    Thing,
    Unsupported,
)
from tinsmith.compiler.shaping.builder import Dims, Value

_FLOAT = 1
MAX_ELEMENTS = 2**27


def _checked(kind: Rule) -> Rule:
    """The rule `kind`, for inputs none of which is refused."""

    def rule(op: Op, *inputs: Thing) -> Any:
        refused = [thing for thing in inputs if isinstance(thing, Refused)]
        return merged(refused) if refused else kind(op, *inputs)

    return rule


def lists(*operators: str) -> Callable[[Rule], Rule]:
    """As `steers`, with refused inputs handed on."""

    def register(rule: Rule) -> Rule:
        steers(*operators)(_checked(rule))
        return rule

    return register


def stacked(op: Op, thing: TensorList) -> Value:
    """All elements of `thing` along a first axis; zeros where nothing was written."""
    if thing.stacked is not None:
        return thing.stacked
    length = op.known_ints(thing.length, "number of elements")[0]
    if thing.shape is None or None in thing.shape:
        raise Unsupported("it reads a list of tensors whose shape nothing tells")
    sizes = (length, *(size or 0 for size in thing.shape))
    if length < 0 or math.prod(sizes) > MAX_ELEMENTS:
        raise ValueError(f"a list of tensors of shape {sizes}")
    zero = np.zeros((1,) * len(sizes), thing.dtype)
    result: Value = op.add("Expand", op.constant(zero), op.ints(*sizes))
    return result


def written(op: Op, thing: Thing, index: Thing, item: Thing) -> TensorList:
    """The list `thing` with `item` at `index`."""
    assert isinstance(thing, TensorList), described(thing)
    assert isinstance(index, Value)
    assert isinstance(item, Value)
    item = op.fixed(item, thing.shape)
    known = replace(thing, shape=thing.shape if _is_known(thing.shape) else item.dims)
    if thing.tracker is not None and thing.stacked is None:
        return replace(known, writes=(*thing.writes, (index, item)))
    place = index.cast(np.int64).reshape(1, 1)
    result = op.add("ScatterND", stacked(op, known), place, item.unsqueeze(0))
    return replace(known, stacked=result, writes=(*thing.writes, (index, item)))


def element(op: Op, thing: Thing, index: Thing) -> Value:
    """What is at `index` of the list `thing`."""
    assert isinstance(thing, TensorList), described(thing)
    assert isinstance(index, Value)
    if thing.tracker is not None:
        thing.tracker.read = True
    result: Value = op.add("Gather", stacked(op, thing), index, axis=0)
    return result


def of_tensor(op: Op, tensor: Thing) -> TensorList:
    """The rows of `tensor` as a list."""
    assert isinstance(tensor, Value)
    if not tensor.dims:
        raise Unsupported("a list of the elements of a tensor whose rank only the run tells")
    size = tensor.dims[0]
    length = _length(op, tensor) if size is None else op.constant(np.int32(size))
    return TensorList(length, tensor.dtype, tensor.dims[1:], tensor)


def _length(op: Op, tensor: Value) -> Value:
    size = op.add("Shape", tensor, start=0, end=1)
    return size.squeeze(0).cast(np.int32)


def _is_known(shape: Dims) -> bool:
    return shape is not None and None not in shape


def _shape(op: Op, value: Thing) -> Dims:
    """The shape of an element, as a constant tells it."""
    if not isinstance(value, Value) or value.constant is None or value.constant.ndim == 0:
        return None
    return tuple(int(size) if size >= 0 else None for size in value.constant)


@lists("TensorListReserve")
def reserve(op: Op, shape: Thing, length: Thing) -> Any:
    assert isinstance(length, Value)
    return TensorList(length, op.type_of("element_dtype", _FLOAT), _shape(op, shape))


@lists("EmptyTensorList")
def empty(op: Op, shape: Thing, _: Thing) -> Any:
    return TensorList(op.constant(np.int32(0)), op.type_of("element_dtype", _FLOAT), _shape(op, shape))


@lists("TensorListFromTensor")
def from_tensor(op: Op, tensor: Thing, _: Thing) -> Any:
    return of_tensor(op, tensor)


@lists("TensorListSetItem")
def set_item(op: Op, thing: Thing, index: Thing, item: Thing) -> Any:
    return written(op, thing, index, item)


@lists("TensorListGetItem")
def get_item(op: Op, thing: Thing, index: Thing, *_: Thing) -> Any:
    return element(op, thing, index)


@lists("TensorListPushBack")
def push_back(op: Op, thing: Thing, item: Thing) -> Any:
    assert isinstance(thing, TensorList)
    assert isinstance(item, Value)
    if thing.tracker is not None:
        raise Unsupported("it makes a list longer with every round of a loop")
    row = item.unsqueeze(0)
    length = op.known_ints(thing.length, "number of elements")[0]
    whole = row if not length else op.add("Concat", stacked(op, thing), row, axis=0)
    return TensorList(op.constant(np.int32(length + 1)), thing.dtype, item.dims, whole)


@lists("TensorListStack")
def stack(op: Op, thing: Thing, shape: Thing) -> Any:
    assert isinstance(thing, TensorList)
    if thing.tracker is not None:
        thing.tracker.read = True
    known = thing if _is_known(thing.shape) else replace(thing, shape=_shape(op, shape))
    return stacked(op, known)


@lists("TensorListGather")
def gather(op: Op, thing: Thing, indices: Thing, _: Thing) -> Any:
    return element(op, thing, indices)


@lists("TensorListLength")
def length_of(op: Op, thing: Thing) -> Any:
    assert isinstance(thing, TensorList)
    return thing.length


@lists("TensorListElementShape")
def element_shape(op: Op, thing: Thing) -> Any:
    assert isinstance(thing, TensorList)
    if thing.shape is None:
        raise Unsupported("it asks for the shape of elements that nothing tells")
    return op.constant([-1 if size is None else size for size in thing.shape], np.int64)


@lists("TensorArrayV3", "TensorArrayV2")
def tensor_array(op: Op, size: Thing) -> Any:
    assert isinstance(size, Value)
    made = TensorList(size, op.type_of("dtype", _FLOAT), op.shape_of("element_shape"))
    return Resource("TensorArrayV3", op.scope.prefix + op.node.name, made), made


@lists("TensorArrayWriteV3", "TensorArrayWriteV2")
def array_write(op: Op, _: Thing, index: Thing, item: Thing, flow: Thing) -> Any:
    return written(op, flow, index, item)


@lists("TensorArrayReadV3", "TensorArrayReadV2")
def array_read(op: Op, _: Thing, index: Thing, flow: Thing) -> Any:
    return element(op, flow, index)


@lists("TensorArrayScatterV3", "TensorArrayScatterV2")
def array_scatter(op: Op, _: Thing, indices: Thing, tensor: Thing, flow: Thing) -> Any:
    assert isinstance(indices, Value)
    assert isinstance(flow, TensorList)
    assert isinstance(tensor, Value)
    if _is_range(indices):
        return replace(of_tensor(op, tensor), length=flow.length)
    known = replace(flow, shape=(tensor.dims or ())[1:])
    places = indices.cast(np.int64).unsqueeze(1)
    return replace(known, stacked=op.add("ScatterND", stacked(op, known), places, tensor))


@lists("TensorArrayGatherV3", "TensorArrayGatherV2")
def array_gather(op: Op, _: Thing, indices: Thing, flow: Thing) -> Any:
    assert isinstance(indices, Value)
    assert isinstance(flow, TensorList)
    if flow.tracker is not None:
        flow.tracker.read = True
    whole = stacked(op, flow if _is_known(flow.shape) else replace(flow, shape=op.shape_of("element_shape")))
    if _is_range(indices) and whole.dims and indices.dims == whole.dims[:1]:
        return whole
    return op.add("Gather", whole, indices, axis=0)


@lists("TensorArraySizeV3", "TensorArraySizeV2")
def array_size(op: Op, _: Thing, flow: Thing) -> Any:
    assert isinstance(flow, TensorList)
    return flow.length


@lists("TensorArrayConcatV3")
def array_concat(op: Op, _: Thing, flow: Thing) -> Any:
    assert isinstance(flow, TensorList)
    whole = stacked(op, flow)
    sizes = whole.shape
    lengths = op.constant(np.full(sizes[0], sizes[1], np.int64))
    return whole.reshape(sizes[0] * sizes[1], *sizes[2:]), lengths


def _is_range(indices: Value) -> bool:
    return indices.constant is not None and np.array_equal(indices.constant, np.arange(indices.constant.size))
