"""Layers that move numbers: upsample, reorg, reorg3d, crop."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.darknet.layer import Layer, layer
from tinsmith.compiler.shaping.builder import Value


@layer("upsample")
def upsample(node: Layer) -> Value:
    """Every pixel `stride` times down and across; below zero, the sums of as many."""
    x, (_, _, height, width) = node.image()
    stride, scale = node.section.integer("stride", 2), node.section.real("scale", 1)
    if stride == 0 or (stride < 0 and (height % stride or width % stride)):
        raise node.error(f"stride is {stride} for a picture of {height} x {width}")
    if stride > 0:
        factors = node.constant(np.array([1, 1, stride, stride], np.float32))
        modes = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        found = node.add("Resize", x, None, factors, **modes)
    else:
        size = [-stride, -stride]
        found = node.add("AveragePool", x, kernel_shape=size, strides=size)
        scale *= stride**2
    return found if scale == 1 else node.add("Mul", found, scale)


@layer("reorg")
def reorg(node: Layer) -> Value:
    """Pixels become channels, of a picture that Darknet takes to be `stride` times higher and wider and to
    have that much fewer channels than the one it gets.
    """
    if node.section.integer("extra", 0):
        return _extra(node)
    x, (batch, channels, height, width) = node.image()
    stride = node.size("stride", 1)
    reverse = node.section.flag("reverse")
    out = _shape_of(node, stride, reverse)
    if node.section.flag("flatten"):
        if reverse:
            found = x.reshape(batch, height * width, channels)
            return node.add("Transpose", found, perm=[0, 2, 1]).reshape(*out)
        return node.add("Transpose", x, perm=[0, 2, 3, 1]).reshape(*out)
    if channels % stride**2:
        raise node.error(f"stride is {stride}, expected its square to divide {channels} channels")
    few = channels // stride**2
    if reverse:
        return node.add("DepthToSpace", x, blocksize=stride, mode="DCR")
    found = x.reshape(batch, few, height, stride, width, stride)
    return node.add("Transpose", found, perm=[0, 3, 5, 1, 2, 4]).reshape(*out)


def _shape_of(node: Layer, stride: int, reverse: bool) -> tuple[int, ...]:
    batch, channels, height, width = node.image()[1]
    if reverse:
        return batch, channels // stride**2, height * stride, width * stride
    if height % stride or width % stride:
        raise node.error(f"stride is {stride}, expected a divisor of {height} and {width}")
    return batch, channels * stride**2, height // stride, width // stride


def _extra(node: Layer) -> Value:
    """A row with zeros behind."""
    extra = node.size("extra", 0)
    return node.add("Pad", node.row(), node.constant(np.array([0, 0, 0, extra])))


@layer("reorg3d")
def reorg3d(node: Layer) -> Value:
    """Pixels become channels, without the peculiarity of reorg."""
    x, _ = node.image()
    stride = node.size("stride", 1)
    reverse = node.section.flag("reverse")
    _shape_of(node, stride, reverse)
    if reverse:
        return node.add("DepthToSpace", x, blocksize=stride, mode="DCR")
    return node.add("SpaceToDepth", x, blocksize=stride)


@layer("crop")
def crop(node: Layer) -> Value:
    """The centre; numbers between 0 and 1 become -1 to 1, unless with noadjust."""
    x, (_, _, height, width) = node.image()
    rows, columns = node.size("crop_height", 1), node.size("crop_width", 1)
    if rows > height or columns > width:
        raise node.error(f"{rows} x {columns} of a picture of {height} x {width}")
    top, left = (height - rows) // 2, (width - columns) // 2
    x = x.slice(2, top, top + rows).slice(3, left, left + columns)
    if node.section.flag("noadjust"):
        return x
    return node.add("Sub", node.add("Mul", x, 2.0), 1.0)
