"""Keys keep the order of floats; lowering keeps the meaning of splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.trees.lower import (
    MISSING_LEFT,
    MISSING_RIGHT,
    NEVER,
    Graph,
    keys,
    lower,
    numeric,
)
from tinsmith.compiler.ir.model import Forest, Model
from tinsmith.compiler.ir.reference import evaluate

FLOATS = st.floats(width=32, allow_nan=False)


@given(FLOATS, FLOATS)
def test_keys_order_like_floats(a: float, b: float) -> None:
    key = keys(np.array([a, b], np.float32))
    assert (key[0] < key[1]) == (a < b)
    assert (key[0] == key[1]) == (a == b)
    assert (key > MISSING_LEFT).all()
    assert (key < MISSING_RIGHT).all()


def test_key_of_nan() -> None:
    assert keys(np.array([np.nan, -np.nan], np.float32)).tolist() == [NEVER, NEVER]


@pytest.mark.parametrize("seed", range(8))
def test_numeric_graph_reaches_the_same_leaves(
    seed: int,
    random_model: Callable[..., Model],
    rows_for: Callable[..., NDArray[np.float32]],
    shape_of: Any,
) -> None:
    model = random_model(shape_of(seed=seed, categories=0.6, trees=1, depth=7, stop=0.05, features=3))
    forest = model.body
    assert isinstance(forest, Forest)
    number = np.arange(len(forest.leaf_values), dtype=np.float32)[:, None]
    model = replace(model, body=replace(forest, leaf_values=number, base=np.zeros(1, np.float32)))
    graph = numeric(lower(forest))
    rows = rows_for(model, 200, seed)
    for row, leaf in zip(rows, evaluate(model, rows).margin[:, 0], strict=True):
        node = int(graph.roots[0])
        while graph.leaf[node] < 0:
            node = step(graph, node, row)
        assert graph.leaf[node] == leaf


def step(graph: Graph, node: int, row: NDArray[np.float32]) -> int:
    """The next node on the way of `row`."""
    feature = graph.feature[node]
    if feature < 0:
        return int(graph.left[node])
    right = graph.missing_right[node] if np.isnan(row[feature]) else keys(row)[feature] >= graph.cut[node]
    return int(graph.right[node] if right else graph.left[node])
