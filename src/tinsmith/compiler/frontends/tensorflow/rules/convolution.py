"""Convolutions in two and three dimensions, plain, depthwise and transposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.things import Unsupported
from tinsmith.compiler.shaping.builder import Value


def is_channels_first(op: Op, rank: int) -> bool:
    """Whether the images of `op` are NCHW or NCDHW."""
    layout = op.text("data_format", "NHWC" if rank == 4 else "NDHWC")
    if layout not in ("NHWC", "NDHWC", "NCHW", "NCDHW"):
        raise Unsupported(f"its data_format is {layout}, expected NHWC or NCHW")
    return layout.startswith("NC")


def channels_first(op: Op, x: Value) -> Value:
    """The images `x` with their channels behind the batch."""
    rank = x.rank
    return x if is_channels_first(op, rank) else x.transpose(0, rank - 1, *range(1, rank - 1))


def back(op: Op, x: Value) -> Value:
    """What was computed with channels first, in the layout of `op`."""
    rank = x.rank
    return x if is_channels_first(op, rank) else x.transpose(0, *range(2, rank), 1)


def spatial(op: Op, name: str, rank: int, numbers: Sequence[int] | None = None) -> list[int]:
    """Those of the numbers per dimension that are of the spatial ones."""
    found = list(numbers) if numbers is not None else op.integers(name, [1] * rank)
    if len(found) != rank:
        raise ValueError(f"its {name} is {found}, expected {rank} numbers")
    others = (found[0], found[1] if is_channels_first(op, rank) else found[-1])
    if others != (1, 1):
        raise Unsupported(f"its {name} is {found}, expected 1 for the batch and the channels")
    found = found[2:] if is_channels_first(op, rank) else found[1:-1]
    if any(number < 1 for number in found):
        raise ValueError(f"its {name} is {found}, expected numbers above 0")
    return found


def pads(
    op: Op,
    sizes: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> dict[str, Any]:
    """The attributes of ONNX for the padding of TensorFlow; `sizes` are those of the images."""
    padding = op.text("padding", "VALID")
    if padding == "VALID":
        return {}
    if padding == "EXPLICIT":
        pairs = np.reshape(op.integers("explicit_paddings"), (-1, 2))
        pairs = pairs[2:] if is_channels_first(op, len(sizes) + 2) else pairs[1:-1]
        return {"pads": [int(n) for n in (*pairs[:, 0], *pairs[:, 1])]}
    if padding != "SAME":
        raise ValueError(f"its padding is {padding!r}, expected SAME, VALID or EXPLICIT")
    if None in sizes:
        return {"auto_pad": "SAME_UPPER"}
    totals = [
        max((-(-(size or 0) // stride) - 1) * stride + (k - 1) * dilation + 1 - (size or 0), 0)
        for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    if not any(totals):
        return {}
    return {"pads": [total // 2 for total in totals] + [total - total // 2 for total in totals]}


def _convolved(op: Op, x: Value, weights: Value, kernel: Sequence[int], group: int) -> Value:
    """`weights` are as ONNX wants them."""
    rank = x.rank
    strides = spatial(op, "strides", rank)
    dilations = spatial(op, "dilations", rank) if op.integers("dilations") else [1] * (rank - 2)
    images = channels_first(op, x)
    result = op.add(
        "Conv",
        images,
        weights,
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        group=group,
        **pads(op, (images.dims or ())[2:], kernel, strides, dilations),
    )
    return back(op, result)


@converts("Conv2D", "Conv3D")
def conv(op: Op, x: Value, weights: Value) -> Any:
    rank = x.rank
    *kernel, channels, _ = weights.shape
    given = (x.dims or ())[1 if is_channels_first(op, rank) else -1]
    group = 1 if given is None else given // max(channels, 1)
    turned = weights.transpose(rank - 1, rank - 2, *range(rank - 2))
    return _convolved(op, x, turned, kernel, group)


@converts("DepthwiseConv2dNative")
def depthwise(op: Op, x: Value, weights: Value) -> Any:
    height, width, channels, multiplier = weights.shape
    turned = weights.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    return _convolved(op, x, turned, [height, width], channels)


@converts("Conv2DBackpropInput", "Conv3DBackpropInputV2")
def conv_transposed(op: Op, sizes: Value, weights: Value, x: Value) -> Any:
    rank = x.rank
    *kernel, _, _ = weights.shape
    strides = spatial(op, "strides", rank)
    dilations = spatial(op, "dilations", rank) if op.integers("dilations") else [1] * (rank - 2)
    images = channels_first(op, x)
    whole = [
        (size - 1) * stride + (k - 1) * dilation + 1
        for size, stride, k, dilation in zip(images.shape[2:], strides, kernel, dilations, strict=True)
    ]
    wanted = _output_sizes(op, sizes, images, whole, strides)
    begins, ends = _cut(op, whole, wanted)
    grown = [max(-end, 0) for end in ends]
    result = op.add(
        "ConvTranspose",
        images,
        weights.transpose(rank - 1, rank - 2, *range(rank - 2)),
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        pads=[*begins, *(max(end, 0) for end in ends)],
    )
    if any(grown):  # the last rows of images are not reached by any window
        result = op.add("Pad", result, op.ints(*[0] * rank, 0, 0, *grown))
    return back(op, result)


def _output_sizes(
    op: Op, sizes: Value, images: Value, whole: Sequence[int], strides: Sequence[int]
) -> list[int]:
    if sizes.constant is not None and sizes.constant.size == images.rank:
        found = op.known_ints(sizes, "input_sizes")
        return found[2:] if is_channels_first(op, images.rank) else found[1:-1]
    if sizes.constant is not None and sizes.constant.size == images.rank - 2:
        return op.known_ints(sizes, "input_sizes")
    if op.text("padding") == "SAME":
        return [size * stride for size, stride in zip(images.shape[2:], strides, strict=True)]
    return list(whole)


def _cut(op: Op, whole: Sequence[int], wanted: Sequence[int]) -> tuple[list[int], list[int]]:
    """What is cut off in front of and behind the `whole` result; below zero: what is added."""
    if op.text("padding") == "EXPLICIT":
        pairs = np.reshape(op.integers("explicit_paddings"), (-1, 2))
        pairs = pairs[2:] if is_channels_first(op, len(whole) + 2) else pairs[1:-1]
        begins = [int(begin) for begin in pairs[:, 0]]
    else:
        begins = [max(size - want, 0) // 2 for size, want in zip(whole, wanted, strict=True)]
        if op.text("padding") == "VALID":
            begins = [0] * len(whole)
    ends = [size - begin - want for size, begin, want in zip(whole, begins, wanted, strict=True)]
    return begins, ends


@converts("BiasAdd", "BiasAddV1")
def bias_add(op: Op, x: Value, bias: Value) -> Any:
    if op.text("data_format", "NHWC").startswith("NC") and x.rank > 2:
        bias = bias.reshape(-1, *[1] * (x.rank - 2))
    return op.add("Add", x, bias)
