"""Layers that read several layers: route, shortcut, sam, scale_channels; and those without weights."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.darknet.layer import Layer, layer
from tinsmith.compiler.shaping.builder import Value


@layer("route")
def route(node: Layer) -> Value:
    """Some layers, or one of `groups` parts of each, behind one another: along the channels where their
    pictures are of one size, else as a row.
    """
    numbers = node.section.integers("layers")
    if not numbers:
        raise node.error("it has no layers, expected the numbers of some")
    values = [node.reference(number) for number in numbers]
    groups, group = node.size("groups", 1), node.section.integer("group_id", 0)
    if groups > 1:
        values = [_group(node, value, groups, group) for value in values]
    if len(values) == 1:
        return values[0]
    sizes = {value.shape[2:] for value in values}
    if len(sizes) > 1:
        values = [node.row(value) for value in values]
    return node.add("Concat", *values, axis=1)


def _group(node: Layer, value: Value, groups: int, group: int) -> Value:
    channels = value.shape[1]
    if channels % groups or not 0 <= group < groups:
        raise node.error(f"group_id {group} of {groups} groups of {channels} channels")
    each = channels // groups
    return value.slice(1, group * each, (group + 1) * each)


@layer("shortcut")
def shortcut(node: Layer) -> Value:
    """The input plus another layer: where sizes differ, as far as both reach, every so many pixels."""
    found = node.input
    for number in node.section.integers("from") or (0,):
        found = _plus(node, found, node.reference(number))
    return node.activated(found, "linear")


def _plus(node: Layer, x: Value, other: Value) -> Value:
    alpha, beta = node.section.real("alpha", 1), node.section.real("beta", 1)
    to, source = x.shape, other.shape
    if len(to) != len(source):
        raise node.error(f"adds {list(source[1:])} to {list(to[1:])}, expected images")
    if to != source:
        x, other = _aligned(node, x, other, alpha)
    elif alpha != 1:
        x = node.add("Mul", x, alpha)
    return node.add("Add", x, node.add("Mul", other, beta) if beta != 1 else other)


def _aligned(node: Layer, x: Value, other: Value, alpha: float) -> tuple[Value, Value]:
    """Both summands in the shape of `x`, zeros where `other` does not reach; alpha scales where it does."""
    to, source = x.shape, other.shape
    if len(to) != 4:
        raise node.error(f"adds {list(source[1:])} to {list(to[1:])}, expected images or rows of one length")
    (channels, height, width), (_, rows, columns) = to[1:], source[1:]
    if rows // height != columns // width or height // rows != width // columns:
        raise node.error(
            f"adds a picture of {rows} x {columns} to one of {height} x {width}, expected one factor for both"
        )
    stride, sample = max(columns // width, 1), max(width // columns, 1)
    common = (min(channels, source[1]), min(height, rows), min(width, columns))
    if common[1] * sample > height or common[2] * sample > width:
        raise node.error(f"adds a picture of {rows} x {columns} to one of {height} x {width}")
    reach = [number * step for number, step in zip(common, (1, stride, stride), strict=True)]
    bounds = (np.zeros(3, np.int64), np.array(reach), np.arange(1, 4), np.array([1, stride, stride]))
    other = node.add("Slice", other, *map(node.constant, bounds))
    if sample > 1:
        count, high, wide = common
        spread = other.reshape(to[0], count, high, 1, wide, 1)
        spread = node.add("Pad", spread, node.constant(np.array([0] * 9 + [sample - 1, 0, sample - 1])))
        other = spread.reshape(to[0], count, high * sample, wide * sample)
    missing = [size - found for size, found in zip(to, other.shape, strict=True)]
    if any(missing):
        other = node.add("Pad", other, node.constant(np.array([0] * 4 + missing)))
    if alpha != 1:
        factor = np.ones((1, *to[1:]), np.float32)
        factor[:, : common[0], : common[1] * sample : sample, : common[2] * sample : sample] = alpha
        x = node.add("Mul", x, node.constant(factor))
    return x, other


@layer("scale_channels")
def scale_channels(node: Layer) -> Value:
    """Another layer, each channel by its number in the input; with scale_wh, each pixel."""
    other = node.reference(node.section.integer("from", 0))
    x, shape = node.image()
    pixels = node.section.flag("scale_wh")
    expected = (shape[0], 1, *other.shape[2:]) if pixels else (*other.shape[:2], 1, 1)
    if shape != expected:
        raise node.error(f"scales by {list(shape[1:])}, expected {list(expected[1:])}")
    return node.activated(node.add("Mul", other, x), "linear")


@layer("sam")
def sam(node: Layer) -> Value:
    """The input times another layer."""
    other = node.reference(node.section.integer("from", 0))
    if other.shape != node.input.shape:
        raise node.error(
            f"multiplies {list(node.input.shape[1:])} and {list(other.shape[1:])}, expected equals"
        )
    return node.activated(node.add("Mul", node.input, other), "linear")


@layer("activation")
def activation(node: Layer) -> Value:
    """Any shape."""
    return node.activated(node.input, "linear")


@layer("dropout", "cost", "empty")
def nothing(node: Layer) -> Value:
    """Layers that act in training only."""
    return node.input
