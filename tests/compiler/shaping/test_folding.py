"""Nodes whose inputs are all known."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tinsmith.compiler.shaping.folding import MOVES, evaluate


@pytest.mark.parametrize("operator", ["Add", "Div"])
def test_by_numpy_or_by_the_evaluator(operator: str) -> None:
    node = helper.make_node(operator, ["a", "b"], ["c"])
    feeds = {"a": np.array([7, -7], np.int64), "b": np.array([2, 2], np.int64)}
    (found,) = evaluate(node, feeds, 22)
    assert found.tolist() == {"Add": [9, -5], "Div": [3, -3]}[operator]  # Div of ONNX goes towards zero
    assert found.dtype == np.int64


def test_moves_are_those_of_onnx() -> None:
    x = np.arange(6).reshape(2, 3)
    assert MOVES["Reshape"](x, np.array([0, -1])).shape == (2, 3)
    assert MOVES["Unsqueeze"](x, np.array([0, 3])).shape == (1, 2, 3, 1)
    assert MOVES["Squeeze"](x[None], np.array([0])).shape == (2, 3)
    assert MOVES["Transpose"](x, perm=[1, 0]).tolist() == x.T.tolist()
