from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

SHAPES: list[tuple[int, ...]] = [(7,), (3, 5), (2, 3, 4), (0,), (3, 0), (1, 1)]
TYPES: list[Any] = [np.float32, np.float16, ml_dtypes.bfloat16, np.int8, np.uint64, np.bool_]


def test_where_elements_are_not_zero(nodes: Nodes) -> None:
    random = np.random.default_rng(0)
    for dtype in TYPES:
        for shape in SHAPES:
            x = random.integers(0, 2, shape).astype(dtype)
            nodes.add("NonZero", x, expected=np.array(np.nonzero(x), np.int64))
    edges = np.array([0.0, -0.0, np.nan, np.inf, 1e-45, -1.0], np.float32)
    nodes.add("NonZero", edges, expected=np.array([[2, 3, 4, 5]]))
    nodes.add("NonZero", np.zeros((4, 4), np.float32), expected=np.zeros((2, 0), np.int64))
    nodes.run()


def test_elements_and_slices_where_a_condition_holds(nodes: Nodes) -> None:
    random = np.random.default_rng(1)
    for shape in SHAPES:
        x = random.normal(size=shape).astype(np.float32)
        flat = random.random(x.size) > 0.5
        nodes.add("Compress", x, flat, expected=np.compress(flat, x), folds=False)
        for axis in range(-len(shape), len(shape)):
            for length in {shape[axis], max(shape[axis] - 1, 0)}:
                condition = random.random(length) > 0.5
                for constant in ([], [1]):
                    wanted = np.compress(condition, x, axis)
                    nodes.add(
                        "Compress", x, condition, expected=wanted, constant=constant, folds=False, axis=axis
                    )
    longer = np.array([True, False, True, True, True])
    nodes.add("Compress", np.arange(3.0), longer, expected=np.array([0.0, 2.0]), folds=False, axis=0)
    nodes.run()


def test_an_axis_that_is_not_there_is_refused(nodes: Nodes) -> None:
    nodes.add("Compress", np.zeros(3, np.float32), np.ones(3, bool), expected=np.zeros(3, np.float32), axis=1)
    with pytest.raises(ClientError, match="axis 1 of 1 dimensions"):
        nodes.run()
