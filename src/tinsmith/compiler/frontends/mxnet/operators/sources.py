"""Operators without operands, or that take only the shape of one."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.shaping.builder import Value
from tinsmith.compiler.shaping.inputs import MAX_ELEMENTS


def _full(node: Node, value: float) -> Value:
    """A size of 0 is one to be found out, such as that of the batch: 1, which broadcasts."""
    shape = [max(size, 1) for size in node.integers("shape", ())]
    if np.prod(shape, dtype=np.float64) > MAX_ELEMENTS:
        raise AttributeProblem(f"shape is {shape}, expected at most {MAX_ELEMENTS} elements")
    return node.constant(np.full(shape, value, node.type("dtype", "float32")))


@operator("_zeros", "_zeros_without_dtype")
def zeros(node: Node) -> Value:
    """Zeros of `shape`."""
    return _full(node, 0.0)


@operator("_ones")
def ones(node: Node) -> Value:
    """Ones of `shape`."""
    return _full(node, 1.0)


@operator("_full")
def full(node: Node) -> Value:
    """`value` all over `shape`."""
    return _full(node, node.real("value"))


@operator("zeros_like")
def zeros_like(node: Node) -> Value:
    """Zeros."""
    return node.constant(np.zeros(node.shape(), node.dtype))


@operator("ones_like")
def ones_like(node: Node) -> Value:
    """Ones."""
    return node.constant(np.ones(node.shape(), node.dtype))


def _range(
    start: float, stop: float, step: float, repeat: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    count = np.ceil((stop - start) / step) if step else -1
    if not 0 <= count <= MAX_ELEMENTS or not 1 <= repeat <= MAX_ELEMENTS // max(count, 1):
        raise AttributeProblem(f"a range from {start} to {stop} by {step}, each {repeat} times")
    return np.repeat(start + step * np.arange(int(count)), repeat)


@operator("_arange")
def arange(node: Node) -> Value:
    """From start to stop, or from 0 to start."""
    start, step = node.real("start", 0.0), node.real("step", 1.0)
    if not node.has("stop"):
        start, stop = (0.0, start)
    else:
        stop = node.real("stop")
    values = _range(start, stop, step, node.integer("repeat", 1))
    return node.constant(values.astype(node.type("dtype", "float32")))


@operator("_contrib_arange_like")
def arange_like(node: Node) -> Value:
    """As many numbers as an axis is long, or as there are elements."""
    start, step, repeat = node.real("start", 0.0), node.real("step", 1.0), node.integer("repeat", 1)
    shape = node.shape()
    if node.has("axis"):
        shape = (shape[node.axis(len(shape))],)
    count = int(np.prod(shape))
    places = np.arange(count) // max(repeat, 1)
    return node.constant((start + step * places).astype(node.dtype).reshape(shape))


@operator("_contrib_MultiBoxPrior")
def multi_box_prior(node: Node) -> Value:
    """Anchors as corners, [1, places * kinds, 4]: all sizes by the first ratio, then the others."""
    height, width = node.shape()[2:4]
    sizes, ratios = node.reals("sizes", (1.0,)), node.reals("ratios", (1.0,))
    steps, offsets = node.reals("steps", (-1.0, -1.0)), node.reals("offsets", (0.5, 0.5))
    if len(steps) != 2 or len(offsets) != 2 or not sizes or not ratios or min(ratios) <= 0:
        raise AttributeProblem("expected two steps, two offsets, and some sizes and ratios above 0")
    down, across = (step if step > 0 else 1 / size for step, size in zip(steps, (height, width), strict=True))
    centre = np.stack(
        np.meshgrid(
            (np.arange(height) + offsets[0]) * down, (np.arange(width) + offsets[1]) * across, indexing="ij"
        ),
        axis=-1,
    )
    kinds = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    half = np.array(
        [(size / np.sqrt(ratio) / 2, size * height / width * np.sqrt(ratio) / 2) for size, ratio in kinds]
    )
    low, high = centre[:, :, None, :] - half, centre[:, :, None, :] + half
    boxes = np.concatenate([low[..., ::-1], high[..., ::-1]], axis=-1).reshape(1, -1, 4)
    if node.flag("clip"):
        boxes = np.clip(boxes, 0, 1)
    return node.constant(boxes.astype(node.dtype))
