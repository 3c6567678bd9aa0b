"""Tensors joined, repeated, turned, padded and cut into blocks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.rules.convolution import back, channels_first
from tinsmith.compiler.frontends.tensorflow.things import Unsupported
from tinsmith.compiler.shaping.builder import Builder, Value


@converts("Concat")
def concat(op: Op, axis: Value, *inputs: Value) -> Any:
    return _concat(op, inputs, axis)


@converts("ConcatV2")
def concat_v2(op: Op, *inputs: Value) -> Any:
    return _concat(op, inputs[:-1], inputs[-1])


def _concat(op: Op, inputs: tuple[Value, ...], axis: Value) -> Any:
    (place,) = op.axes(axis, inputs[0].rank)
    return inputs[0] if len(inputs) == 1 else op.add("Concat", *inputs, axis=place)


@converts("Pack")
def pack(op: Op, *inputs: Value) -> Any:
    axis = op.integer("axis")
    place = axis % (inputs[0].rank + 1)
    rows = [x.unsqueeze(place) for x in inputs]
    return rows[0] if len(rows) == 1 else op.add("Concat", *rows, axis=place)


@converts("Tile")
def tile(op: Op, x: Value, multiples: Value) -> Any:
    return op.add("Tile", x, multiples.cast(np.int64))


@converts("Transpose", "ConjugateTranspose")
def transpose(op: Op, x: Value, perm: Value) -> Any:
    return x.transpose(*op.axes(perm, x.rank, "perm"))


@converts("Pad", "PadV2")
def pad(op: Op, x: Value, amounts: Value, *value: Value) -> Any:
    return _padded(op, x, amounts, *value)


@converts("MirrorPad")
def mirror_pad(op: Op, x: Value, amounts: Value) -> Any:
    if op.text("mode") == "REFLECT":
        return _padded(op, x, amounts, mode="reflect")
    return _symmetric(op, x, op.known(amounts, "paddings"))


def _padded(op: Op, x: Value, amounts: Value, *value: Value, mode: str = "constant") -> Any:
    if amounts.constant is not None and not amounts.constant.any():
        return x
    if mode == "constant" and amounts.constant is None and x.dims is not None:
        return _extended(op, x, amounts, *value)
    ordered = amounts.cast(np.int64).transpose(1, 0).reshape(-1)
    return op.add("Pad", x, ordered, *value, mode=mode)


def _extended(op: Op, x: Value, amounts: Value, *value: Value) -> Value:
    """Rows in front and behind, whose number the run tells."""
    filling = value[0] if value else op.like(0, x)
    for axis in range(x.rank):
        parts = [x]
        for side in (0, 1):
            known = _part(op.builder, amounts, 2 * axis + side)
            if known is not None and known.constant is not None and not known.constant.any():
                continue
            number = op.slice(amounts, [axis, side], [axis + 1, side + 1], [0, 1])
            others = [op.ints(size) if size is not None else None for size in x.dims or ()]
            others[axis] = number.cast(np.int64).reshape(1)
            if None in others:
                raise Unsupported("it pads a tensor of whose sizes the run tells several")
            rows = op.add("Expand", filling, op.add("Concat", *others, axis=0))
            parts.insert(0 if side == 0 else len(parts), rows)
        x = x if len(parts) == 1 else op.add("Concat", *parts, axis=axis)
    return x


def _part(builder: Builder[Value], value: Value, place: int) -> Value | None:
    """The element at `place` of a small vector or matrix, flattened, if it is known by itself."""
    if value.constant is not None:
        return builder.constant(value.constant.ravel()[place])
    node = builder.producers.get(value.name)
    if node is None:
        return None
    sources = [builder.values[name] for name in node.input if name]
    if node.op_type in ("Unsqueeze", "Reshape", "Squeeze", "Cast", "Identity"):
        return _part(builder, sources[0], place)
    if node.op_type != "Concat" or node.attribute[0].i:
        return None
    for source in sources:
        if source.dims is None or None in source.dims:
            return None
        size = math.prod(source.shape)
        if place < size:
            return _part(builder, source, place)
        place -= size
    return None


def _symmetric(op: Op, x: Value, amounts: Any) -> Value:
    """The border itself is repeated too."""
    for axis, (front, behind) in enumerate(np.reshape(amounts, (-1, 2)).tolist()):
        size = x.shape[axis]
        if front or behind:
            op.checked(front + size + behind, "padded size")
            places = np.concatenate([np.arange(front)[::-1], np.arange(size), size - 1 - np.arange(behind)])
            x = op.add("Gather", x, op.constant(places.astype(np.int64)), axis=axis)
    return x


@converts("ReverseV2")
def reverse_v2(op: Op, x: Value, axis: Value) -> Any:
    axes = op.axes(axis, x.rank)
    return _reversed(op, x, axes)


@converts("Reverse")
def reverse(op: Op, x: Value, dims: Value) -> Any:
    return _reversed(op, x, [axis for axis, turn in enumerate(op.known_ints(dims, "dims")) if turn])


def _reversed(op: Op, x: Value, axes: list[int]) -> Any:
    if not axes:
        return x
    count = len(axes)
    ends = op.ints(*[-(2**63)] * count)
    return op.add("Slice", x, op.ints(*[2**63 - 1] * count), ends, op.ints(*axes), op.ints(*[-1] * count))


@converts("ReverseSequence")
def reverse_sequence(op: Op, x: Value, lengths: Value) -> Any:
    batch, time = op.integer("batch_dim") % x.rank, op.integer("seq_dim") % x.rank
    order = [time, batch, *(axis for axis in range(x.rank) if axis not in (time, batch))]
    turned = x.transpose(*order)
    result = op.add("ReverseSequence", turned, lengths.cast(np.int64), batch_axis=1, time_axis=0)
    return result.transpose(*np.argsort(order).tolist())


@converts("Roll")
def roll(op: Op, x: Value, shift: Value, axis: Value) -> Any:
    for amount, place in zip(op.known_ints(shift, "shift"), op.axes(axis, x.rank), strict=True):
        size = x.shape[place]
        cut = (-amount) % size if size else 0
        if cut:
            tail, head = op.slice(x, [cut], [size], [place]), op.slice(x, [0], [cut], [place])
            x = op.add("Concat", tail, head, axis=place)
    return x


@converts("SpaceToDepth")
def space_to_depth(op: Op, x: Value) -> Any:
    block = op.integer("block_size", 2)
    return back(op, op.add("SpaceToDepth", channels_first(op, x), blocksize=block))


@converts("DepthToSpace")
def depth_to_space(op: Op, x: Value) -> Any:
    block = op.integer("block_size", 2)
    return back(op, op.add("DepthToSpace", channels_first(op, x), blocksize=block, mode="DCR"))


@converts("SpaceToBatchND", "SpaceToBatch")
def space_to_batch(op: Op, x: Value, *given: Value) -> Any:
    blocks, amounts = _blocks(op, *given)
    count = len(blocks)
    borders = np.array([[0, 0], *amounts, *[[0, 0]] * (x.rank - 1 - count)], np.int64)
    x = _padded(op, x, op.constant(borders))
    batch, *space = x.shape[: 1 + count]
    rest = x.shape[1 + count :]
    if any(size % block for size, block in zip(space, blocks, strict=True)):
        raise ValueError(f"it cuts {space} into blocks of {blocks}")
    split = [n for size, block in zip(space, blocks, strict=True) for n in (size // block, block)]
    parts = x.reshape(batch, *split, *rest)
    inner = [2 + 2 * index for index in range(count)]
    outer = [1 + 2 * index for index in range(count)]
    turned = parts.transpose(*inner, 0, *outer, *range(1 + 2 * count, parts.rank))
    smaller = [size // block for size, block in zip(space, blocks, strict=True)]
    return turned.reshape(batch * int(np.prod(blocks)), *smaller, *rest)


@converts("BatchToSpaceND", "BatchToSpace")
def batch_to_space(op: Op, x: Value, *given: Value) -> Any:
    blocks, amounts = _blocks(op, *given)
    count = len(blocks)
    batch, *space = x.shape[: 1 + count]
    rest = x.shape[1 + count :]
    original = batch // int(np.prod(blocks))
    parts = x.reshape(*blocks, original, *space, *rest)
    mixed = [axis for index in range(count) for axis in (count + 1 + index, index)]
    turned = parts.transpose(count, *mixed, *range(2 * count + 1, parts.rank))
    larger = [size * block for size, block in zip(space, blocks, strict=True)]
    whole = turned.reshape(original, *larger, *rest)
    starts = [front for front, _ in amounts]
    ends = [size - behind for size, (_, behind) in zip(larger, amounts, strict=True)]
    return op.slice(whole, starts, ends, range(1, count + 1))


def _blocks(op: Op, *given: Value) -> tuple[list[int], list[list[int]]]:
    """Sizes of blocks, and what is padded or cropped, per dimension."""
    blocks = op.known_ints(given[0], "block_shape") if len(given) == 2 else [op.integer("block_size", 2)] * 2
    amounts = op.known(given[-1], "paddings")
    if any(block < 1 for block in blocks) or np.shape(amounts) != (len(blocks), 2):
        raise ValueError(f"its blocks are {blocks} with paddings {np.asarray(amounts).tolist()}")
    return blocks, np.asarray(amounts).tolist()


@converts("ExtractImagePatches")
def extract_image_patches(op: Op, x: Value) -> Any:
    raise Unsupported("patches of images are not compiled")
