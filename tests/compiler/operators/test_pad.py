from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]
X = np.arange(1, 61, dtype=np.float32).reshape(3, 4, 5)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def padded(x: Array, pads: list[int], mode: str, **options: Any) -> Array:
    """By numpy; negative pads cut."""
    half = len(pads) // 2
    pairs = [(pads[axis], pads[axis + half]) for axis in range(half)]
    grown = np.pad(x, [(max(a, 0), max(b, 0)) for a, b in pairs], mode=mode, **options)  # type: ignore[call-overload]
    cut = [slice(max(-a, 0), size - max(-b, 0)) for (a, b), size in zip(pairs, grown.shape, strict=True)]
    return np.asarray(grown[tuple(cut)])


PADS = [
    [0, 0, 0, 0, 0, 0],
    [0, 1, 2, 0, 2, 1],
    [1, 0, 0, 2, 0, 3],
    [-1, 0, -2, 0, -1, 0],
    [0, -1, 3, 0, 2, -2],
]


def test_every_mode(nodes: Nodes) -> None:
    for pads in PADS:
        nodes.add("Pad", X, ints(*pads), constant=[1], expected=padded(X, pads, "constant"))
        for mode in ("edge", "reflect", "wrap"):
            nodes.add("Pad", X, ints(*pads), constant=[1], expected=padded(X, pads, mode), mode=mode)
    nodes.run()


def test_pads_of_the_run(nodes: Nodes) -> None:
    for pads in PADS:
        nodes.add("Pad", X, ints(*pads), declared=True, expected=padded(X, pads, "constant"))
        for mode in ("edge", "reflect", "wrap"):
            nodes.add("Pad", X, ints(*pads), declared=True, expected=padded(X, pads, mode), mode=mode)
    nodes.run()


def test_further_than_the_image(nodes: Nodes) -> None:
    row = X[0, 0]
    for mode in ("edge", "reflect", "wrap"):
        for pads in ([9, 14], [0, 23]):
            expected = padded(row, pads, mode)
            nodes.add("Pad", row, ints(*pads), constant=[1], expected=expected, mode=mode)
    one = np.array([np.nan], np.float32)
    nodes.add("Pad", one, ints(2, 1), constant=[1], expected=np.full(4, np.nan, "f"), mode="reflect")
    nodes.run()


def test_fill_values_and_axes(nodes: Nodes) -> None:
    for fill in (np.array(np.nan, "f"), np.array(-np.inf, "f"), np.array(2, "f")):
        expected = padded(X, [0, 0, 1, 0, 0, 1], "constant", constant_values=fill)
        nodes.add("Pad", X, ints(1, 1), fill, ints(-1), constant=[1, 3], expected=expected)
        nodes.add("Pad", X, ints(1, 1), fill, ints(2), declared=True, expected=expected)
    axes = padded(X, [2, 0, 1, 0, 0, 3], "constant")
    nodes.add("Pad", X, ints(1, 2, 3, 0), None, ints(2, 0), constant=[1, 3], expected=axes)
    nodes.add("Pad", X.astype("i1"), ints(0, 0, 1, 0, 0, 1), constant=[1])
    empty = np.zeros((0, 2), np.float32)
    nodes.add("Pad", empty, ints(1, 0, 1, 0), constant=[1], expected=np.zeros((2, 2), "f"))
    nodes.run()


def test_pads_by_attributes(nodes: Nodes) -> None:
    nodes.opset = 10
    expected = padded(X, [0, 0, 1, 0, 0, 1], "constant", constant_values=3)
    nodes.add("Pad", X, expected=expected, pads=[0, 0, 1, 0, 0, 1], value=3.0)
    nodes.run()


def test_center_crop_pad(nodes: Nodes) -> None:
    for shape in ([3, 4, 5], [2, 7, 5], [1, 1, 1], [6, 3, 8], [7, 2, 2]):
        nodes.add("CenterCropPad", X, ints(*shape), constant=[1])
        nodes.add("CenterCropPad", X, ints(*shape), declared=True)
    nodes.add("CenterCropPad", X, ints(2, 7), constant=[1], axes=[-1, 0])
    nodes.run()


@pytest.mark.parametrize(
    ("x", "pads", "mode", "message"),
    [
        (X, [0, 0, 1], "constant", "3 pads"),
        (X, [-4, 0, 0, 0, 0, 0], "constant", "pads"),
        (X, [0, 0, 0, 0, 0, 0], "mirror", "mode mirror"),
        (np.zeros((0,), "f"), [1, 1], "edge", "mode edge of an empty tensor"),
    ],
)
def test_impossible_pads(nodes: Nodes, x: Array, pads: list[int], mode: str, message: str) -> None:
    nodes.add("Pad", x, ints(*pads), constant=[1], expected=X, mode=mode)
    with pytest.raises(ClientError, match=message):
        nodes.run()
