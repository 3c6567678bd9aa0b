"""Layers of weights: convolutional, deconvolutional, local, connected, batchnorm."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.darknet.layer import Layer, folded, layer
from tinsmith.compiler.frontends.darknet.weights import Array
from tinsmith.compiler.shaping.builder import Value


def padding(node: Layer, size: int, default: int = 0) -> int:
    """`pad=1` stands for half the window, whatever `padding` says."""
    found = size // 2 if node.section.flag("pad") else node.section.integer("padding", default)
    if found < 0:
        raise node.error(f"padding is {found}, expected 0 or more")
    return found


def strides(node: Layer) -> tuple[int, int]:
    """Down and across."""
    stride = node.size("stride", 1)
    return node.size("stride_y", stride), node.size("stride_x", stride)


@layer("convolutional")
def convolutional(node: Layer) -> Value:
    """[batch, filters, height, width]"""
    x, (_, channels, _, _) = node.image()
    size, groups, filters = node.size("size", 1), node.size("groups", 1), node.size("filters", 1)
    if channels % groups or filters % groups:
        raise node.error(
            f"groups is {groups}, expected a divisor of {channels} channels and {filters} filters"
        )
    biases, weights = filter_weights(node, filters, channels // groups, size)
    dilation = node.size("dilation", 1) if size > 1 else 1
    found = node.add(
        "Conv",
        x,
        node.constant(weights),
        node.constant(biases),
        kernel_shape=[size, size],
        strides=strides(node),
        dilations=[dilation] * 2,
        pads=[padding(node, size) * dilation if node.section.flag("pad") else padding(node, size)] * 4,
        group=groups,
    )
    return node.activated(found, "logistic")


def filter_weights(node: Layer, filters: int, channels: int, size: int) -> tuple[Array, Array]:
    """Biases and [filters, channels, size, size] of a convolution, its normalisation folded in."""
    name, take = node.section.name, node.weights.take
    if node.section.flag("dontload"):
        return np.zeros(filters, np.float32), np.zeros((filters, channels, size, size), np.float32)
    biases = take(name, "the biases", filters)
    normalisation = None
    if node.section.flag("batch_normalize") and not node.section.flag("dontloadscales"):
        scales, mean, variance = (
            take(name, what, filters) for what in ("the scales", "the means", "the variances")
        )
        normalisation = folded(scales, mean, variance)
    elif node.section.flag("batch_normalize"):
        one = np.ones(filters, np.float32)
        normalisation = folded(one, 0 * one, 0 * one)
    if node.section.flag("flipped"):
        weights = take(name, "the weights", channels * size * size, filters).T
        weights = weights.reshape(filters, channels, size, size)
    else:
        weights = take(name, "the weights", filters, channels, size, size)
    if normalisation is None:
        return biases, weights
    factor, summand = normalisation
    return biases + summand, weights * factor[:, None, None, None]


@layer("deconvolutional")
def deconvolutional(node: Layer) -> Value:
    """[batch, filters, height, width]"""
    x, (_, channels, _, _) = node.image()
    size, filters = node.size("size", 1), node.size("filters", 1)
    name, take = node.section.name, node.weights.take
    biases = take(name, "the biases", filters)
    factor, summand = np.ones(filters, np.float32), np.zeros(filters, np.float32)
    if node.section.flag("batch_normalize"):
        scales, mean, variance = (
            take(name, what, filters) for what in ("the scales", "the means", "the variances")
        )
        factor, summand = folded(scales, mean, variance)
    weights = take(name, "the weights", channels, filters, size, size)
    found = node.add(
        "ConvTranspose",
        x,
        node.constant(weights * factor[:, None, None]),
        node.constant(biases + summand),
        kernel_shape=[size, size],
        strides=strides(node),
        pads=[padding(node, size)] * 4,
    )
    return node.activated(found, "logistic")


@layer("local")
def local(node: Layer) -> Value:
    """A convolution whose weights differ from place to place: [batch, filters, height, width]"""
    x, (batch, channels, height, width) = node.image()
    size, stride, filters = node.size("size", 1), node.size("stride", 1), node.size("filters", 1)
    pad = int(node.section.flag("pad"))
    rows, columns = ((length + 2 * pad - size) // stride + 1 for length in (height, width))
    expected = tuple((length - (1 if pad else size)) // stride + 1 for length in (height, width))
    if (rows, columns) != expected or min(expected) < 1:
        raise node.error(
            f"size {size} with pad {pad} on {height} x {width} gives {rows} x {columns} windows, but Darknet "
            f"takes {expected[0]} x {expected[1]}"
        )
    places, window = rows * columns, channels * size * size
    name, take = node.section.name, node.weights.take
    biases = take(name, "the biases", 1, filters, rows, columns)
    weights = take(name, "the weights", places, filters, window)
    patches = _patches(node, x, channels, size, stride, pad)  # batch, window, rows, columns
    patches = patches.reshape(batch, window, places)
    patches = node.add("Transpose", patches, perm=[2, 1, 0])  # places, window, batch
    products = node.add("MatMul", node.constant(weights), patches)  # places, filters, batch
    found = node.add("Transpose", products, perm=[2, 1, 0]).reshape(batch, filters, rows, columns)
    return node.activated(node.add("Add", found, node.constant(biases)), "logistic")


def _patches(node: Layer, x: Value, channels: int, size: int, stride: int, pad: int) -> Value:
    """Every window as a column, by a convolution with unit filters."""
    if channels * size**2 > 4096:
        raise node.error(f"a window of {channels} x {size} x {size}, expected at most 4096 numbers")
    picks = np.zeros((channels, size * size, 1, size, size), np.float32)
    for place in range(size * size):
        picks[:, place, 0, place // size, place % size] = 1
    return node.add(
        "Conv",
        x,
        node.constant(picks.reshape(channels * size * size, 1, size, size)),
        group=channels,
        strides=[stride] * 2,
        pads=[pad] * 4,
    )


@layer("connected")
def connected(node: Layer) -> Value:
    """[batch, output]"""
    x = node.row()
    return node.activated(Dense(node, x.shape[1], node.size("output", 1))(x), "logistic")


class Dense:
    """The product of a connected layer, which layers within recurrent layers have too."""

    def __init__(self, node: Layer, inputs: int, outputs: int) -> None:
        """Takes the weights: of [outputs, inputs] behind their biases, normalisation behind both."""
        name, take = node.section.name, node.weights.take
        biases = take(name, "the biases", outputs)
        if node.weights.transposed:
            weights = take(name, "the weights", inputs, outputs).T
        else:
            weights = take(name, "the weights", outputs, inputs)
        if node.section.flag("batch_normalize"):
            factor, summand = np.ones(outputs, np.float32), np.zeros(outputs, np.float32)
            if not node.section.flag("dontloadscales"):
                scales, mean, variance = (
                    take(name, what, outputs) for what in ("the scales", "the means", "the variances")
                )
                factor, summand = folded(scales, mean, variance)
            biases, weights = biases + summand, weights * factor[:, None]
        self._biases, self._weights = node.constant(biases), node.constant(weights)

    def __call__(self, x: Value) -> Value:
        """The product with a row."""
        return x.op("Gemm", self._weights, self._biases, transB=1)


@layer("batchnorm")
def batchnorm(node: Layer) -> Value:
    """[batch, channels, height, width]"""
    x, (_, channels, _, _) = node.image()
    scales, mean, variance = (
        node.weights.take(node.section.name, what, channels)
        for what in ("the scales", "the means", "the variances")
    )
    factor, summand = (node.constant(row.reshape(-1, 1, 1)) for row in folded(scales, mean, variance))
    return node.add("Add", node.add("Mul", x, factor), summand)
