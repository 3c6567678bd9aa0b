"""Layers that move numbers: upsample, reorg, reorg3d, crop."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.darknet.layer import Layer, layer


@layer("upsample")
def upsample(node: Layer) -> str:
    """Every pixel `stride` times down and across; below zero, the sums of as many."""
    x, (_, _, height, width) = node.image()
    stride, scale = node.section.integer("stride", 2), node.section.real("scale", 1)
    if stride == 0 or (stride < 0 and (height % stride or width % stride)):
        raise node.error(f"stride is {stride} for a picture of {height} x {width}")
    if stride > 0:
        factors = node.constant(np.array([1, 1, stride, stride], np.float32))
        modes = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        found = node.make("Resize", x, "", factors, **modes)
    else:
        size = [-stride, -stride]
        found = node.make("AveragePool", x, kernel_shape=size, strides=size)
        scale *= stride**2
    return found if scale == 1 else node.make("Mul", found, scale)


@layer("reorg")
def reorg(node: Layer) -> str:
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
            found = node.reshaped(x, (batch, height * width, channels))
            return node.reshaped(node.make("Transpose", found, perm=[0, 2, 1]), out)
        return node.reshaped(node.make("Transpose", x, perm=[0, 2, 3, 1]), out)
    if channels % stride**2:
        raise node.error(f"stride is {stride}, expected its square to divide {channels} channels")
    few = channels // stride**2
    if reverse:
        return node.make("DepthToSpace", x, blocksize=stride, mode="DCR")
    found = node.reshaped(x, (batch, few, height, stride, width, stride))
    return node.reshaped(node.make("Transpose", found, perm=[0, 3, 5, 1, 2, 4]), out)


def _shape_of(node: Layer, stride: int, reverse: bool) -> tuple[int, ...]:
    batch, channels, height, width = node.image()[1]
    if reverse:
        return batch, channels // stride**2, height * stride, width * stride
    if height % stride or width % stride:
        raise node.error(f"stride is {stride}, expected a divisor of {height} and {width}")
    return batch, channels * stride**2, height // stride, width // stride


def _extra(node: Layer) -> str:
    """A row with zeros behind."""
    extra = node.size("extra", 0)
    return node.make("Pad", node.row(), node.constant(np.array([0, 0, 0, extra])))


@layer("reorg3d")
def reorg3d(node: Layer) -> str:
    """Pixels become channels, without the peculiarity of reorg."""
    x, _ = node.image()
    stride = node.size("stride", 1)
    reverse = node.section.flag("reverse")
    _shape_of(node, stride, reverse)
    if reverse:
        return node.make("DepthToSpace", x, blocksize=stride, mode="DCR")
    return node.make("SpaceToDepth", x, blocksize=stride)


@layer("crop")
def crop(node: Layer) -> str:
    """The centre; numbers between 0 and 1 become -1 to 1, unless with noadjust."""
    x, (_, _, height, width) = node.image()
    rows, columns = node.size("crop_height", 1), node.size("crop_width", 1)
    if rows > height or columns > width:
        raise node.error(f"{rows} x {columns} of a picture of {height} x {width}")
    top, left = (height - rows) // 2, (width - columns) // 2
    x = node.part(node.part(x, 2, top, top + rows), 3, left, left + columns)
    if node.section.flag("noadjust"):
        return x
    return node.make("Sub", node.make("Mul", x, 2.0), 1.0)
