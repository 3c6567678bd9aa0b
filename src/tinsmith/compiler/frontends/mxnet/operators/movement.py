"""Operators that move elements: slices, transposes, padding, repetition."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.shaping.builder import Value


@operator("transpose")
def transpose(node: Node) -> Value:
    """`axes`, or all turned round."""
    rank = len(node.shape())
    axes = node.integers("axes", ()) or tuple(range(rank))[::-1]
    if sorted(node.normal(axis, rank) for axis in axes) != list(range(rank)):
        raise AttributeProblem(f"axes are {axes}, expected each of {rank} once")
    return node.x.transpose(*[node.normal(axis, rank) for axis in axes])


@operator("SwapAxis", "swapaxes")
def swap_axis(node: Node) -> Value:
    """Two axes change places."""
    rank = len(node.shape())
    order = list(range(rank))
    first, second = node.axis(rank, "dim1", 0), node.axis(rank, "dim2", 0)
    order[first], order[second] = second, first
    return node.x.transpose(*order)


@operator("slice", "crop")
def slice_(node: Node) -> Value:
    """From begin to end by step, each of which may be None."""
    shape = node.shape()
    begin, end = node.optional_integers("begin"), node.optional_integers("end")
    step = node.optional_integers("step") or (None,) * len(begin)
    if not len(begin) == len(end) == len(step) <= len(shape):
        raise AttributeProblem(f"begin, end and step have {len(begin)}, {len(end)} and {len(step)} numbers")
    starts, ends, steps = [], [], []
    for first, last, each in zip(begin, end, step, strict=True):
        stride = 1 if each is None else each
        if stride == 0:
            raise AttributeProblem("step is 0")
        forward = stride > 0
        starts.append((0 if forward else 2**31) if first is None else first)
        ends.append((2**31 if forward else -(2**31)) if last is None else last)
        steps.append(stride)
    axes = list(range(len(begin)))
    return node.add("Slice", node.x, *(node.constant(row) for row in (starts, ends, axes, steps)))


@operator("slice_axis")
def slice_axis(node: Node) -> Value:
    """From begin to end of one axis."""
    shape = node.shape()
    axis = node.axis(len(shape))
    end = node.integer("end") if node.has("end") else shape[axis]
    return node.x.slice(axis, node.integer("begin"), end)


@operator("slice_like")
def slice_like(node: Node) -> Value:
    """As long as another value along some axes, or all."""
    shape, other = node.shape(), node.shape(1)
    axes = [node.normal(axis, len(shape)) for axis in node.integers("axes", ())] or list(range(len(shape)))
    if any(axis >= len(other) or other[axis] > shape[axis] for axis in axes):
        raise AttributeProblem(f"slices {list(shape)} like {list(other)} along {axes}")
    rows = [0] * len(axes), [other[axis] for axis in axes], axes
    return node.add("Slice", node.x, *(node.constant(row) for row in rows))


@operator("Crop")
def crop(node: Node) -> Value:
    """The size of a second input or h_w, at `offset` or in the centre."""
    height, width = node.shape()[2:4]
    rows, columns = node.shape(1)[2:4] if len(node.inputs) > 1 else node.integers("h_w", (0, 0))
    top, left = node.integers("offset", (0, 0))
    if node.flag("center_crop"):
        top, left = (height - rows) // 2, (width - columns) // 2
    if not (0 <= top <= height - rows and 0 <= left <= width - columns and rows > 0 and columns > 0):
        raise AttributeProblem(f"{rows} x {columns} at ({top}, {left}) of {height} x {width}")
    return node.x.slice(2, top, top + rows).slice(3, left, left + columns)


@operator("Pad", "pad")
def pad(node: Node) -> Value:
    """constant, edge or reflect; pad_width has begin and end of each axis in turn."""
    mode = node.choice("mode", "constant", "constant", "edge", "reflect")
    widths = node.integers("pad_width")
    rank = len(node.shape())
    if len(widths) != 2 * rank or min(widths, default=0) < 0 or max(widths, default=0) > 2**24:
        raise AttributeProblem(f"pad_width is {widths}, expected {2 * rank} numbers from 0 on")
    pads = node.constant([*widths[::2], *widths[1::2]])
    value = (np.array(node.real("constant_value", 0.0), node.dtype),) if mode == "constant" else ()
    return node.add("Pad", node.x, pads, *value, mode=mode)


@operator("tile")
def tile(node: Node) -> Value:
    """Everything repeated."""
    shape, reps = list(node.shape()), list(node.integers("reps"))
    rank = max(len(shape), len(reps))
    shape, reps = [1] * (rank - len(shape)) + shape, [1] * (rank - len(reps)) + reps
    if min(reps, default=1) < 1 or max(reps, default=1) > 2**24:
        raise AttributeProblem(f"reps is {reps}, expected numbers from 1 on")
    return node.add("Tile", node.x.reshape(*shape), node.constant(reps))


@operator("repeat")
def repeat(node: Node) -> Value:
    """Each element repeated, along an axis or of the flat array."""
    times = node.integer("repeats")
    shape = node.shape()
    if not 1 <= times <= 2**24:
        raise AttributeProblem(f"repeats is {times}, expected a number from 1 on")
    axis = node.axis(len(shape)) if node.has("axis") else 0
    if not node.has("axis"):
        shape = (int(np.prod(shape)),)
    wide = [*shape[: axis + 1], 1, *shape[axis + 1 :]]
    found = node.add(
        "Expand", node.x.reshape(*wide), node.constant([*shape[: axis + 1], times, *shape[axis + 1 :]])
    )
    return found.reshape(*shape[:axis], shape[axis] * times, *shape[axis + 1 :])


@operator("reverse", "flip")
def reverse(node: Node) -> Value:
    """Along some axes."""
    rank = len(node.shape())
    axes = [node.normal(axis, rank) for axis in node.integers("axis")]
    rows = [-1] * len(axes), [-(2**31)] * len(axes), axes, [-1] * len(axes)
    return node.add("Slice", node.x, *(node.constant(row) for row in rows))


@operator("depth_to_space")
def depth_to_space(node: Node) -> Value:
    """Channels become pixels."""
    return node.add("DepthToSpace", node.x, blocksize=node.integer("block_size"), mode="DCR")


@operator("space_to_depth")
def space_to_depth(node: Node) -> Value:
    """Pixels become channels."""
    return node.add("SpaceToDepth", node.x, blocksize=node.integer("block_size"))


@operator("where")
def where(node: Node) -> Value:
    """Of two values by a condition of numbers, of their shape or of their rows."""
    condition = node.x
    rank = len(node.shape(1))
    if len(node.shape()) == 1 < rank:
        condition = condition.reshape(node.shape()[0], *[1] * (rank - 1))
    true = node.add("Not", node.add("Equal", condition, 0.0))
    return node.add("Where", true, node.input(1), node.input(2))
