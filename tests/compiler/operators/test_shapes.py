from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]
X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
EMPTY = np.zeros((0, 3, 4), np.float32)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def test_shape_and_size(nodes: Nodes) -> None:
    for x in (X, EMPTY, np.array(3, "f"), np.zeros((1, 0), np.int8)):
        nodes.add("Shape", x, expected=ints(*x.shape))
        nodes.add("Size", x, expected=np.array(x.size))
    for start, end in ((0, 3), (1, 2), (-2, 3), (-9, -1), (2, 1), (1, 99)):
        nodes.add("Shape", X, expected=ints(*X.shape[start:end]), start=start, end=end)
    nodes.run()


def test_reshape(nodes: Nodes) -> None:
    for shape in ([24], [4, -1], [0, -1], [2, 0, 2, 2], [-1, 1, 24], [0, 0, 0]):
        nodes.add("Reshape", X, ints(*shape), constant=[1])
    nodes.add("Reshape", EMPTY, ints(0, 12), constant=[1], expected=EMPTY.reshape(0, 12))
    nodes.add("Reshape", EMPTY, ints(7, 0), constant=[1], expected=np.zeros((7, 0), "f"), allowzero=1)
    nodes.add("Reshape", np.array(5, "f"), ints(), constant=[1], expected=np.array(5, "f"))
    nodes.add("Reshape", np.array(5, "f"), ints(1, -1), constant=[1], expected=np.full((1, 1), 5, "f"))
    nodes.add("Reshape", X, ints(3, 8), declared=True)
    for axis in (-3, -1, 0, 1, 2, 3):
        nodes.add("Flatten", X, axis=axis)
    nodes.run()


def test_axes_of_length_one(nodes: Nodes) -> None:
    x = X.reshape(1, 2, 1, 12, 1)
    nodes.add("Squeeze", x)
    nodes.add("Squeeze", x, ints(0, -1), constant=[1])
    nodes.add("Squeeze", x, ints(2), declared=True)
    nodes.add("Unsqueeze", X, ints(0, -1), constant=[1])
    nodes.add("Unsqueeze", X, ints(3, 1), constant=[1])
    nodes.add("Unsqueeze", np.array(1, "f"), ints(0), declared=True)
    nodes.run()


def test_copies(nodes: Nodes) -> None:
    row = np.array([[1.0], [np.nan], [-np.inf]], np.float32)
    nodes.add("Expand", row, ints(2, 3, 4), constant=[1])
    nodes.add("Expand", row, ints(1, 1), constant=[1])
    nodes.add("Expand", row, ints(3, 0), declared=True)
    nodes.add("Expand", np.array(7, "i1"), ints(2, 2), declared=True)
    for repeats in ([1, 1, 1], [2, 1, 3], [0, 1, 1], [1, 2, 1]):
        nodes.add("Tile", X, ints(*repeats), constant=[1], expected=np.tile(X, repeats))
        nodes.add("Tile", X, ints(*repeats), declared=True, expected=np.tile(X, repeats))
    nodes.add("Tile", np.zeros((0, 2), "f"), ints(2, 3), constant=[1], expected=np.zeros((0, 6), "f"))
    nodes.run()


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        ("Reshape", [X, ints(5, -1)], "24 elements do not divide by 5"),
        ("Reshape", [X, ints(-1, -1)], r"shape \(-1, -1\)"),
        ("Reshape", [X, ints(2, 3, 4, 0)], "copies dimension 3 of 3"),
        ("Reshape", [X, ints(23)], "does not become"),
        ("Squeeze", [X, ints(1)], "axis 1 of shape"),
        ("Unsqueeze", [X, ints(0, 0)], "name an axis twice"),
        ("Expand", [X, ints(5)], "do not fit together"),
        ("Tile", [X, ints(2)], "repeats"),
    ],
)
def test_impossible_shapes(nodes: Nodes, op: str, inputs: list[Array], message: str) -> None:
    nodes.add(op, *inputs, constant=[1], expected=X)
    with pytest.raises(ClientError, match=message):
        nodes.run()


def test_a_shape_of_the_run_needs_a_bound(nodes: Nodes) -> None:
    nodes.add("Reshape", X, ints(3, 8), expected=X.reshape(3, 8))
    with pytest.raises(ClientError, match="shape is known only at run time"):
        nodes.run()
