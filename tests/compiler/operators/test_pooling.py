from __future__ import annotations

import math
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]


def windows(x: Array, kernel: tuple[int, ...], **how: Any) -> tuple[tuple[int, ...], Any]:
    """The output's spatial shape, and a function from a place there to the indices into x of its window."""
    rank = len(kernel)
    strides, dilations = how.get("strides", (1,) * rank), how.get("dilations", (1,) * rank)
    pads = how.get("pads", (0,) * (2 * rank))
    out = []
    for axis, k in enumerate(kernel):
        room = x.shape[2 + axis] + pads[axis] + pads[rank + axis] - (k - 1) * dilations[axis] - 1
        places = (math.ceil if how.get("ceil_mode") else math.floor)(room / strides[axis]) + 1
        if how.get("ceil_mode") and (places - 1) * strides[axis] >= x.shape[2 + axis] + pads[axis]:
            places -= 1
        out.append(places)

    def at(place: tuple[int, ...]) -> list[tuple[int, ...]]:
        found = []
        for offset in product(*map(range, kernel)):
            index = tuple(
                y * s + k * d - p
                for y, s, k, d, p in zip(place, strides, offset, dilations, pads, strict=False)
            )
            found.append(index)
        return found

    return tuple(out), at


def pooled(x: Array, kernel: tuple[int, ...], reduce: Any, **how: Any) -> Array:
    """reduce(elements of the window, how many indices of it lie in the padding) everywhere."""
    out, at = windows(x, kernel, **how)
    rank = len(kernel)
    pads = how.get("pads", (0,) * (2 * rank))
    result = np.zeros((*x.shape[:2], *out))
    for place in np.ndindex(*result.shape):
        inside = [i for i in at(place[2:]) if all(0 <= p < s for p, s in zip(i, x.shape[2:], strict=True))]
        padded = sum(
            all(-b <= p < s + e for p, s, b, e in zip(i, x.shape[2:], pads[:rank], pads[rank:], strict=True))
            for i in at(place[2:])
        )
        result[place] = reduce(np.array([x[(*place[:2], *i)] for i in inside]), padded)
    return result


CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((1, 2, 9), (3,), {"strides": [2], "pads": [1, 0]}),
    ((2, 1, 7, 6), (3, 2), {"pads": [1, 1, 1, 1]}),
    ((1, 2, 12, 13), (3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((1, 2, 10, 11), (2, 3), {"strides": [3, 2], "ceil_mode": 1}),
    ((1, 1, 9, 9), (3, 3), {"dilations": [2, 2], "pads": [2, 1, 0, 2]}),
    ((1, 1, 5, 6, 7), (2, 2, 3), {"strides": [2, 1, 2], "pads": [1, 0, 1, 0, 1, 1]}),
    ((1, 1, 20, 20), (7, 7), {"pads": [3, 3, 3, 3]}),
]


def numbers(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def norm_of(p: int, elements: Array, _: int) -> Any:
    return (np.abs(elements) ** p).sum() ** (1 / p)


def test_windows_of_every_kind(nodes: Nodes) -> None:
    for shape, kernel, how in CASES:
        x = numbers(shape)
        single = np.float32
        most = pooled(x, kernel, lambda e, _: e.max(), **how).astype(single)
        nodes.add("MaxPool", x, expected=most, kernel_shape=kernel, **how)
        plain = pooled(x, kernel, lambda e, _: e.mean(), **how).astype(single)
        nodes.add("AveragePool", x, expected=plain, kernel_shape=kernel, tolerance=1e-5, **how)
        padded = pooled(x, kernel, lambda e, n: e.sum() / n, **how).astype(single)
        nodes.add(
            "AveragePool", x, expected=padded, kernel_shape=kernel, tolerance=1e-5, count_include_pad=1, **how
        )
        for p in (1, 2, 3):
            norm = pooled(x, kernel, partial(norm_of, p), **how)
            wanted = norm.astype(single)
            nodes.add("LpPool", x, expected=wanted, kernel_shape=kernel, tolerance=1e-5, p=p, **how)
    nodes.run()


def test_automatic_padding(nodes: Nodes) -> None:
    x = numbers((1, 2, 7, 8))
    for auto, pads in (("SAME_UPPER", [1, 0, 1, 1]), ("SAME_LOWER", [1, 1, 1, 0]), ("VALID", [0, 0, 0, 0])):
        wanted = pooled(x, (3, 3), lambda e, _: e.max(), strides=[2, 2], pads=pads).astype(np.float32)
        nodes.add("MaxPool", x, expected=wanted, kernel_shape=[3, 3], strides=[2, 2], auto_pad=auto)
    nodes.run()


def test_places_of_maxima(nodes: Nodes) -> None:
    x = numbers((2, 2, 6, 5))
    how: dict[str, Any] = {"strides": [2, 1], "pads": [1, 0, 0, 1]}
    out, at = windows(x, (3, 2), **how)
    rows, columns = np.zeros((2, 2, *out), np.int64), np.zeros((2, 2, *out), np.int64)
    for place in np.ndindex(*rows.shape):
        inside = [i for i in at(place[2:]) if 0 <= i[0] < 6 and 0 <= i[1] < 5]
        y, z = inside[int(np.argmax([x[(*place[:2], *i)] for i in inside]))]
        plane = (place[0] * 2 + place[1]) * 30
        rows[place], columns[place] = plane + y * 5 + z, plane + z * 6 + y
    best = pooled(x, (3, 2), lambda e, _: e.max(), **how).astype(np.float32)
    nodes.add("MaxPool", x, expected=[best, rows], kernel_shape=[3, 2], **how)
    nodes.add("MaxPool", x, expected=[best, columns], kernel_shape=[3, 2], storage_order=1, **how)
    nodes.run()


def test_integers_and_special_values(nodes: Nodes) -> None:
    for kind in (np.int8, np.uint8):
        x = np.array([[[5, 100, 3, 7], [0, 1, 2, 127]]], kind)
        wanted = np.array([[[5, 100, 100, 7, 7], [0, 1, 2, 127, 127]]], kind)
        nodes.add("MaxPool", x, expected=wanted, kernel_shape=[2], pads=[1, 1])
    x = np.array([[[np.nan, 1, -np.inf, -np.inf, np.inf]]], np.float32)
    wanted = np.array([[[np.nan, 1, -np.inf, np.inf]]], np.float32)
    nodes.add("MaxPool", x, expected=wanted, kernel_shape=[2])
    nodes.run()


def test_whole_planes(nodes: Nodes) -> None:
    for shape in ((2, 3, 5, 7), (1, 2, 9), (1, 1, 2, 3, 4)):
        x = numbers(shape)
        axes = tuple(range(2, len(shape)))
        nodes.add("GlobalAveragePool", x, expected=x.mean(axis=axes, keepdims=True))
        nodes.add("GlobalMaxPool", x, expected=x.max(axis=axes, keepdims=True))
        nodes.add("GlobalLpPool", x, expected=np.sqrt((x * x).sum(axis=axes, keepdims=True)))
    nodes.run()


def test_bad_windows_are_refused(nodes: Nodes) -> None:
    x = np.zeros((1, 1, 4, 4), np.float32)
    nodes.add("MaxPool", x, expected=x, kernel_shape=[3])
    nodes.add("MaxPool", x, expected=x, kernel_shape=[9, 9])
    nodes.add("MaxPool", x, expected=x, kernel_shape=[2, 2], pads=[1, 1])
    nodes.add("MaxPool", x[0, 0], expected=x, kernel_shape=[2, 2])
    nodes.add("MaxPool", x, expected=x, kernel_shape=[2, 2], auto_pad="SAME")
    with pytest.raises(ClientError) as error:
        nodes.run()
    text = str(error.value)
    for part in (
        "kernel (3,)",
        "a window of 9 in 4 elements",
        "pads (1, 1)",
        "no spatial axes",
        "auto_pad SAME",
    ):
        assert part in text
