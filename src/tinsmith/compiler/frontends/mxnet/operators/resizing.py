"""Operators that change the size of pictures."""

from __future__ import annotations

import math

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, operator
from tinsmith.compiler.shaping.builder import Value


def _resized(node: Node, x: Value, height: int, width: int, **modes: str) -> Value:
    shape = x.shape
    return node.add("Resize", x, None, None, node.constant([*shape[:2], height, width]), **modes)


@operator("UpSampling")
def up_sampling(node: Node) -> Value:
    """`scale` times as large: each pixel repeated, or by the weights of a deconvolution (bilinear). More
    inputs than one become as large as the first.
    """
    scale = node.integer("scale")
    if not 1 <= scale <= 4096:
        raise AttributeProblem(f"scale is {scale}, expected a number from 1 on")
    if node.choice("sample_type", "nearest", "nearest", "bilinear") == "bilinear":
        return _bilinear(node, scale)
    height, width = (size * scale for size in node.shape()[2:4])
    found = []
    for position, value in enumerate(node.inputs):
        own = node.shape(position)[2:4]
        if height % own[0] or width % own[1]:
            raise AttributeProblem(
                f"input {position} is {own[0]} x {own[1]}, expected divisors of {height} x {width}"
            )
        found.append(_nearest(node, value, height // own[0], width // own[1]))
    if len(found) == 1:
        return found[0]
    if node.choice("multi_input_mode", "concat", "concat", "sum") == "sum":
        return node.add("Sum", *found)
    return node.add("Concat", *found, axis=1)


def _nearest(node: Node, x: Value, down: int, across: int) -> Value:
    factors = node.constant(np.array([1, 1, down, across], np.float32))
    modes = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    return node.add("Resize", x, None, factors, **modes)


def _bilinear(node: Node, scale: int) -> Value:
    size, pad = 2 * scale - scale % 2, math.ceil((scale - 1) / 2)
    return node.add(
        "ConvTranspose",
        node.x,
        node.input(1),
        kernel_shape=[size, size],
        strides=[scale, scale],
        pads=[pad] * 4,
        group=node.shape()[1],
    )


@operator("_contrib_BilinearResize2D")
def bilinear_resize(node: Node) -> Value:
    """To a size, by factors, or to the size of a second input."""
    height, width = node.shape()[2:4]
    mode = node.choice(
        "mode", "size", "size", "like", "odd_scale", "to_even_down", "to_even_up", "to_odd_down", "to_odd_up"
    )
    if mode == "like":
        rows, columns = node.shape(1)[2:4]
    elif mode == "odd_scale" or (mode == "size" and node.has("scale_height")):
        rows, columns = (
            _scaled(size, node.real(key), mode)
            for size, key in ((height, "scale_height"), (width, "scale_width"))
        )
    elif mode == "size":
        rows, columns = node.integer("height", 1), node.integer("width", 1)
    else:
        rows, columns = (_parity(size, mode) for size in (height, width))
    if not 1 <= rows <= 2**16 or not 1 <= columns <= 2**16:
        raise AttributeProblem(f"a picture of {rows} x {columns}")
    align = node.flag("align_corners", True)
    kind = "align_corners" if align else "half_pixel"
    return _resized(node, node.x, rows, columns, mode="linear", coordinate_transformation_mode=kind)


def _scaled(size: int, scale: float, mode: str) -> int:
    if mode == "odd_scale" and size % 2:
        return int((size - 1) * scale) + 1
    return int(size * scale)


def _parity(size: int, mode: str) -> int:
    wanted = 0 if "even" in mode else 1
    if size % 2 == wanted:
        return size
    return size - 1 if mode.endswith("down") else size + 1


@operator("_contrib_AdaptiveAvgPooling2D")
def adaptive_average_pooling(node: Node) -> Value:
    """Means of windows that cover the picture evenly."""
    height, width = node.shape()[2:4]
    wanted = node.integers("output_size", ()) or (1,)
    rows, columns = wanted if len(wanted) == 2 else (wanted[0], wanted[0])
    if not 1 <= rows <= 4096 or not 1 <= columns <= 4096:
        raise AttributeProblem(f"output_size is {wanted}, expected numbers from 1 on")
    if (rows, columns) == (1, 1):
        return node.add("GlobalAveragePool", node.x)
    if height % rows == 0 and width % columns == 0:
        size = [height // rows, width // columns]
        return node.add("AveragePool", node.x, kernel_shape=size, strides=size)
    down, across = (
        _means(size, count).astype(node.dtype) for size, count in ((height, rows), (width, columns))
    )
    return node.add("MatMul", node.constant(down), node.add("MatMul", node.x, node.constant(across.T)))


def _means(size: int, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """[count, size]: each row takes the mean of its window."""
    matrix = np.zeros((count, size))
    for index in range(count):
        start, end = index * size // count, -(-(index + 1) * size // count)
        matrix[index, start:end] = 1 / (end - start)
    return matrix
