from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def convolved(x: Array, w: Array, **how: Any) -> Array:
    """By the definition, in float64."""
    rank = x.ndim - 2
    strides, dilations = how.get("strides", (1,) * rank), how.get("dilations", (1,) * rank)
    pads, groups = how.get("pads", (0,) * (2 * rank)), how.get("group", 1)
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)])
    kernel = w.shape[2:]
    out = [
        (size - (k - 1) * d - 1) // s + 1
        for size, k, d, s in zip(padded.shape[2:], kernel, dilations, strides, strict=True)
    ]
    result = np.zeros((x.shape[0], w.shape[0], *out))
    inputs, outputs = w.shape[1], w.shape[0] // groups
    for offset in np.ndindex(*kernel):
        steps = (
            slice(k * d, k * d + s * (places - 1) + 1, s)
            for k, d, s, places in zip(offset, dilations, strides, out, strict=True)
        )
        part = padded[(slice(None), slice(None), *steps)]
        for g in range(groups):
            rows = slice(g * outputs, (g + 1) * outputs)
            taps = w[(rows, slice(None), *offset)].astype(np.float64)
            result[:, rows] += np.einsum("nc...,oc->no...", part[:, g * inputs : (g + 1) * inputs], taps)
    return result


def spread(x: Array, w: Array, out: tuple[int, ...], begins: tuple[int, ...], **how: Any) -> Array:
    """The transposed convolution: every element of x adds the kernel at its place."""
    rank = x.ndim - 2
    strides, dilations = how.get("strides", (1,) * rank), how.get("dilations", (1,) * rank)
    groups = how.get("group", 1)
    per_group = x.shape[1] // groups
    result = np.zeros((x.shape[0], w.shape[1] * groups, *out))
    for place in np.ndindex(*x.shape[2:]):
        for offset in np.ndindex(*w.shape[2:]):
            at = tuple(
                z * s + k * d - b
                for z, k, s, d, b in zip(place, offset, strides, dilations, begins, strict=True)
            )
            if all(0 <= a < size for a, size in zip(at, out, strict=True)):
                for channel in range(x.shape[1]):
                    rows = channel // per_group * w.shape[1]
                    values = np.outer(x[(slice(None), channel, *place)], w[(channel, slice(None), *offset)])
                    result[(slice(None), slice(rows, rows + w.shape[1]), *at)] += values
    return result


CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 9), (4, 3, 3), {"pads": [1, 1]}),
    ((1, 4, 8, 9), (6, 4, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((1, 4, 8, 9), (6, 2, 3, 2), {"group": 2, "strides": [2, 1], "pads": [0, 1, 2, 0]}),
    ((2, 5, 7, 7), (10, 1, 3, 3), {"group": 5, "pads": [1, 1, 1, 1]}),
    ((1, 2, 12, 11), (3, 2, 3, 3), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
    ((1, 2, 5, 6, 7), (3, 2, 2, 3, 2), {"strides": [1, 2, 2], "pads": [1, 0, 1, 0, 1, 1]}),
    ((1, 40, 6, 40), (3, 40, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((1, 3, 20, 20), (2, 3, 7, 7), {"strides": [2, 2], "pads": [3, 3, 3, 3]}),
    ((1, 8, 1, 1), (4, 8, 1, 1), {}),
]


def test_convolutions(nodes: Nodes) -> None:
    for shape, kernel, how in CASES:
        x, w = numbers(*shape), numbers(*kernel, seed=1)
        bias = numbers(kernel[0], seed=2)
        wanted = convolved(x, w, **how)
        added = wanted + bias.reshape(-1, *[1] * (len(shape) - 2))
        nodes.add("Conv", x, w, expected=wanted.astype(np.float32), tolerance=3e-5, **how)
        single = added.astype(np.float32)
        nodes.add("Conv", x, w, bias, expected=single, constant=[1, 2], tolerance=3e-5, **how)
    nodes.run()


def test_automatic_padding(nodes: Nodes) -> None:
    x, w = numbers(1, 2, 7, 8), numbers(3, 2, 3, 3, seed=1)
    for auto, pads in (("SAME_UPPER", [1, 0, 1, 1]), ("SAME_LOWER", [1, 1, 1, 0]), ("VALID", [0, 0, 0, 0])):
        wanted = convolved(x, w, strides=[2, 2], pads=pads).astype(np.float32)
        nodes.add("Conv", x, w, expected=wanted, strides=[2, 2], auto_pad=auto, tolerance=1e-5)
    nodes.run()


def test_sums_of_quantized_numbers_are_exact(nodes: Nodes) -> None:
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (1, 6, 9, 10)).astype(np.uint8)
    w = draw.integers(-128, 128, (4, 3, 3, 3)).astype(np.int8)
    zero, per_channel = np.array(130, np.uint8), np.array([1, -2, 3, 0], np.int8)
    how: dict[str, Any] = {"group": 2, "pads": [1, 1, 1, 1], "strides": [1, 2]}
    shifted = x.astype(np.int64) - 130
    wanted = convolved(shifted, w.astype(np.int64) - per_channel.reshape(-1, 1, 1, 1), **how)
    nodes.add("ConvInteger", x, w, zero, per_channel, expected=wanted.astype(np.int32), **how)
    plain = convolved(x.astype(np.int64), w.astype(np.int64), **how).astype(np.int32)
    nodes.add("ConvInteger", x, w, expected=plain, **how)
    nodes.run()


TRANSPOSED: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((1, 2, 5), (2, 3, 3), {}),
    ((2, 4, 4, 5), (4, 3, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    ((1, 2, 4, 4), (2, 3, 4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((1, 6, 3, 4), (6, 2, 2, 3), {"group": 3, "strides": [3, 2], "pads": [0, 1, 1, 0]}),
    ((1, 2, 4, 5), (2, 2, 3, 3), {"dilations": [2, 2], "strides": [2, 3]}),
    ((1, 2, 3, 2, 4), (2, 1, 2, 3, 2), {"strides": [1, 2, 3]}),
    ((1, 1, 3, 3), (1, 1, 2, 2), {"strides": [4, 4]}),
]


def test_transposed_convolutions(nodes: Nodes) -> None:
    for shape, kernel, how in TRANSPOSED:
        x, w = numbers(*shape), numbers(*kernel, seed=1)
        rank = len(shape) - 2
        strides, dilations = how.get("strides", [1] * rank), how.get("dilations", [1] * rank)
        pads, more = how.get("pads", [0] * (2 * rank)), how.get("output_padding", [0] * rank)
        out = tuple(
            s * (size - 1) + m + (k - 1) * d + 1 - b - e
            for size, k, s, d, m, b, e in zip(
                shape[2:], kernel[2:], strides, dilations, more, pads[:rank], pads[rank:], strict=True
            )
        )
        wanted = spread(x, w, out, tuple(pads[:rank]), **how)
        bias = numbers(wanted.shape[1], seed=2)
        single = wanted.astype(np.float32)
        nodes.add("ConvTranspose", x, w, expected=single, tolerance=1e-5, **how)
        added = (wanted + bias.reshape(-1, *[1] * rank)).astype(np.float32)
        nodes.add("ConvTranspose", x, w, bias, expected=added, constant=[1, 2], tolerance=1e-5, **how)
    nodes.run()


def test_transposed_convolutions_to_a_given_size(nodes: Nodes) -> None:
    x, w = numbers(1, 1, 3, 3), numbers(1, 2, 3, 3, seed=1)
    for auto, begin in (("NOTSET", 1), ("SAME_UPPER", 0), ("SAME_LOWER", 1)):
        wanted = spread(x, w, (6, 6), (begin, begin), strides=[2, 2]).astype(np.float32)
        how: dict[str, Any] = {"strides": [2, 2], "auto_pad": auto, "tolerance": 1e-5}
        nodes.add("ConvTranspose", x, w, expected=wanted, output_shape=[6, 6], **how)
        if auto != "NOTSET":
            nodes.add("ConvTranspose", x, w, expected=wanted, **how)
    larger = spread(x, w, (10, 8), (0, 0), strides=[3, 2]).astype(np.float32)
    nodes.add("ConvTranspose", x, w, expected=larger, strides=[3, 2], output_shape=[10, 8], tolerance=1e-5)
    nodes.run()


def bilinear(plane: Array, y: float, x: float) -> float:
    """Zero outside."""
    total = 0.0
    for row in (int(np.floor(y)), int(np.floor(y)) + 1):
        for column in (int(np.floor(x)), int(np.floor(x)) + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                total += float(plane[row, column]) * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def test_deformed_convolutions(nodes: Nodes) -> None:
    x, w = numbers(1, 4, 5, 6), numbers(2, 2, 2, 3, seed=1)
    offset, mask = numbers(1, 2 * 2 * 6, 3, 3, seed=2) * 2, np.abs(numbers(1, 2 * 6, 3, 3, seed=3))
    offset[0, 0, 0, 0] = 1e9
    bias = numbers(2, seed=4)
    wanted = np.zeros((1, 2, 3, 3))
    for o, i, j, c, ky, kx in np.ndindex(2, 3, 3, 2, 2, 3):
        channel = o * 2 + c
        part = channel // 2
        tap = part * 6 + ky * 3 + kx
        at = offset[0, 2 * tap : 2 * tap + 2, i, j]
        value = bilinear(x[0, channel], 2 * i - 1 + ky + float(at[0]), 2 * j - 1 + kx + float(at[1]))
        wanted[0, o, i, j] += value * mask[0, tap, i, j] * w[o, c, ky, kx]
    how: dict[str, Any] = {"group": 2, "offset_group": 2, "strides": [2, 2], "pads": [1, 1, 0, 1]}
    added = (wanted + bias.reshape(1, 2, 1, 1)).astype(np.float32)
    nodes.add("DeformConv", x, w, offset, bias, mask, expected=added, tolerance=1e-5, **how)
    nodes.run()


def test_convolution_with_a_state(nodes: Nodes) -> None:
    nodes.opset = 27
    x, w, past = numbers(2, 3, 4), numbers(3, 1, 3, seed=1), numbers(2, 3, 2, seed=2)
    for before in (past, None):
        whole = np.concatenate([np.zeros_like(past) if before is None else before, x], 2)
        y = convolved(whole, w, group=3).astype(np.float32)
        wanted = [y / (1 + np.exp(-y)), whole[:, :, -2:]]
        given = (x, w, None, before) if before is not None else (x, w)
        nodes.add("CausalConvWithState", *given, expected=wanted, activation="silu", tolerance=1e-5)
    nodes.run()


def test_what_does_not_fit_is_refused(nodes: Nodes) -> None:
    x = numbers(1, 4, 5, 5)
    nodes.add("Conv", x, numbers(2, 3, 3, 3), expected=x)
    nodes.add("Conv", x, numbers(3, 2, 3, 3), expected=x, group=2)
    nodes.add("Conv", x, numbers(2, 4, 3, 3), expected=x, kernel_shape=[5, 5])
    nodes.add("Conv", x, numbers(2, 4, 7, 7), expected=x)
    nodes.add("ConvTranspose", x, numbers(3, 2, 3, 3), expected=x)
    nodes.add("DeformConv", x, numbers(2, 4, 3, 3), numbers(1, 4, 3, 3), expected=x)
    with pytest.raises(ClientError) as error:
        nodes.run()
    text = str(error.value)
    for part in (
        "1 groups",
        "2 groups",
        "kernel_shape (5, 5)",
        "a window of 7 in 5",
        "(3, 2, 3, 3)",
        "offset of shape",
    ):
        assert part in text
