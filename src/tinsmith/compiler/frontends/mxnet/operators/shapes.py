"""Operators that change shapes only, or join and cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.shaping.builder import Value


@operator("Reshape", "reshape")
def reshape(node: Node) -> Value:
    """`shape` with the special codes: 0 copies a size, -1 is the rest, -2 copies all others, -3 joins two,
    -4 splits one into the next two.
    """
    shape = node.shape()
    if node.has("shape") and node.integers("shape"):
        wanted = node.integers("shape")
        found = resolved(shape[::-1], wanted[::-1])[::-1] if node.flag("reverse") else resolved(shape, wanted)
    elif any(node.integers("target_shape", ())):
        target = list(node.integers("target_shape"))
        start = 1 if node.flag("keep_highest") else 0
        rest = int(np.prod(shape[start:]))
        known = int(np.prod([size for size in target[start:] if size])) or 1
        found = [shape[0]] * start + [size or rest // known for size in target[start:]]
    else:
        raise AttributeProblem("Required attribute shape not found")
    if np.prod(found, dtype=np.int64) != np.prod(shape, dtype=np.int64):
        raise AttributeProblem(f"shape {node.text('shape', '')} of {list(shape)} would be {list(found)}")
    return node.x.reshape(*found)


def resolved(shape: Sequence[int], codes: Sequence[int]) -> list[int]:
    """The sizes that MXNet's codes stand for. Raises AttributeProblem."""
    found: list[int] = []
    source = position = 0
    while position < len(codes):
        code = codes[position]
        position += 1
        if code > 0 or code == -1:
            found.append(code)
            source += 1
        elif code == 0 and source < len(shape):
            found.append(shape[source])
            source += 1
        elif code == -2:
            found += shape[source:]
            source = len(shape)
        elif code == -3 and source + 1 < len(shape):
            found.append(shape[source] * shape[source + 1])
            source += 2
        elif code == -4 and source < len(shape) and position + 1 < len(codes):
            found += _split(shape[source], *codes[position : position + 2])
            position, source = position + 2, source + 1
        else:
            raise AttributeProblem(
                f"the code {code} at place {position - 1} of shape {list(codes)} on {list(shape)}"
            )
    return _completed(found, shape, codes)


def _split(size: int, first: int, second: int) -> list[int]:
    if first == -1 and second > 0:
        first = size // second
    elif second == -1 and first > 0:
        second = size // first
    if first * second != size:
        raise AttributeProblem(f"-4 splits {size} into {first} and {second}")
    return [first, second]


def _completed(found: list[int], shape: Sequence[int], wanted: Sequence[int]) -> list[int]:
    if found.count(-1) > 1:
        raise AttributeProblem(f"shape is {list(wanted)}, expected -1 once at most")
    if -1 in found:
        known = int(np.prod([size for size in found if size != -1])) or 1
        found[found.index(-1)] = int(np.prod(shape)) // known
    return found


@operator("reshape_like")
def reshape_like(node: Node) -> Value:
    """The axes lhs_begin to lhs_end of one become those of another."""
    left, right = node.shape(0), node.shape(1)
    begin, end = _span(node, "lhs", len(left))
    other_begin, other_end = _span(node, "rhs", len(right))
    return node.x.reshape(*left[:begin], *right[other_begin:other_end], *left[end:])


def _span(node: Node, side: str, rank: int) -> tuple[int, int]:
    begin = node.integer(f"{side}_begin", 0)
    end = node.integer(f"{side}_end", rank) if node.has(f"{side}_end") else rank
    return begin % (rank + 1) if begin < 0 else begin, end + rank if end < 0 else end


@operator("Flatten", "flatten")
def flatten(node: Node) -> Value:
    """[batch, everything]"""
    shape = node.shape()
    return node.x.reshape(shape[0], int(np.prod(shape[1:])))


@operator("expand_dims")
def expand_dims(node: Node) -> Value:
    """A new axis of size 1."""
    shape = list(node.shape())
    axis = node.axis(len(shape) + 1)
    return node.x.reshape(*shape[:axis], 1, *shape[axis:])


@operator("squeeze")
def squeeze(node: Node) -> Value:
    """Without axes of size 1: those of `axis`, or all."""
    shape = node.shape()
    axes = (
        [node.normal(axis, len(shape)) for axis in node.integers("axis", ())]
        if node.has("axis")
        else [index for index, size in enumerate(shape) if size == 1]
    )
    if any(shape[axis] != 1 for axis in axes):
        raise AttributeProblem(f"axis is {axes} of {list(shape)}, expected axes of size 1")
    kept = [size for index, size in enumerate(shape) if index not in axes]
    return node.x.reshape(*(kept or [1]))


@operator("Concat", "concat", "_rnn_param_concat")
def concat(node: Node) -> Value:
    """Along `dim`."""
    return node.add("Concat", *node.inputs, axis=node.axis(len(node.shape()), "dim", 1))


@operator("stack")
def stack(node: Node) -> Value:
    """Along a new axis."""
    shape = list(node.shape())
    axis = node.axis(len(shape) + 1, "axis", 0)
    parts = [value.reshape(*shape[:axis], 1, *shape[axis:]) for value in node.inputs]
    return node.add("Concat", *parts, axis=axis)


@operator("SliceChannel", "split")
def slice_channel(node: Node) -> list[Value]:
    """Equal parts; with squeeze_axis, of size 1 and without that axis."""
    shape, count = node.shape(), node.integer("num_outputs")
    axis = node.axis(len(shape), "axis", 1)
    if count < 1 or shape[axis] % count:
        raise AttributeProblem(f"num_outputs is {count}, expected a divisor of {shape[axis]}")
    return _cut(node, axis, [shape[axis] // count] * count)


@operator("_split_v2")
def split_v2(node: Node) -> list[Value]:
    """In front of `indices`, or into `sections` equal parts."""
    shape = node.shape()
    axis, sections = node.axis(len(shape), "axis", 1), node.integer("sections", 0)
    if sections:
        if sections < 0 or shape[axis] % sections:
            raise AttributeProblem(f"sections is {sections}, expected a divisor of {shape[axis]}")
        return _cut(node, axis, [shape[axis] // sections] * sections)
    bounds = [min(index, shape[axis]) for index in node.integers("indices", ())]
    bounds = bounds[1:] if bounds[:1] == [0] else bounds
    sizes = [end - start for start, end in zip([0, *bounds], [*bounds, shape[axis]], strict=True)]
    if min(sizes) < 1:
        raise AttributeProblem(f"indices are {bounds} of {shape[axis]}, expected growing ones inside")
    return _cut(node, axis, sizes)


def _cut(node: Node, axis: int, sizes: list[int]) -> list[Value]:
    if len(sizes) == 1:
        parts = [node.x]
    else:
        parts = node.several("Split", len(sizes), node.x, node.constant(sizes), axis=axis)
    if not node.flag("squeeze_axis"):
        return parts
    return [
        part.reshape(*([size for index, size in enumerate(part.shape) if index != axis] or [1]))
        for part in parts
    ]


@operator("broadcast_to")
def broadcast_to(node: Node) -> Value:
    """`shape`, in which 0 keeps a size."""
    shape, wanted = node.shape(), node.integers("shape")
    if len(shape) != len(wanted):
        raise AttributeProblem(f"shape is {list(wanted)}, expected {len(shape)} sizes")
    return _expanded(node, [size or own for own, size in zip(shape, wanted, strict=True)])


@operator("broadcast_axis", "broadcast_axes")
def broadcast_axis(node: Node) -> Value:
    """Axes of size 1 become larger."""
    shape = list(node.shape())
    for axis, size in zip(node.integers("axis", ()), node.integers("size", ()), strict=True):
        shape[node.normal(axis, len(shape))] = size
    return _expanded(node, shape)


@operator("broadcast_like")
def broadcast_like(node: Node) -> Value:
    """The shape of another value, or some of its sizes."""
    shape, other = list(node.shape()), node.shape(1)
    if not node.has("lhs_axes"):
        return _expanded(node, other)
    for own, source in zip(node.integers("lhs_axes"), node.integers("rhs_axes"), strict=True):
        shape[node.normal(own, len(shape))] = other[node.normal(source, len(other))]
    return _expanded(node, shape)


def _expanded(node: Node, shape: Sequence[int]) -> Value:
    return node.add("Expand", node.x, node.constant(list(shape)))


@operator("shape_array")
def shape_array(node: Node) -> Value:
    """A constant here: shapes are fixed."""
    return node.constant(list(node.shape()))


@operator("size_array")
def size_array(node: Node) -> Value:
    """As shape_array."""
    return node.constant([int(np.prod(node.shape()))])
