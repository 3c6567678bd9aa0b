"""Nodes in memory: each once, children side by side, few lines on each way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.backends.native.trees.cache_lines import NODES, UNUSED, order_nodes
from tinsmith.compiler.backends.native.trees.lower import Graph, lower, numeric
from tinsmith.compiler.ir.model import Model

SHAPES: dict[str, dict[str, Any]] = {
    "one leaf": {"trees": 3, "depth": 0},
    "one split": {"trees": 2, "depth": 1, "stop": 0.0},
    "complete": {"trees": 3, "depth": 9, "stop": 0.0, "cuts": 3000},
    "unbalanced": {"trees": 9, "depth": 25, "stop": 0.42, "cuts": 100},
    "deep": {"trees": 4, "depth": 14, "stop": 0.08, "cuts": 500},
    "categories": {"trees": 5, "depth": 8, "stop": 0.05, "categories": 0.5},
}


@pytest.fixture(params=SHAPES)
def graph(request: pytest.FixtureRequest, random_model: Callable[..., Model], shape_of: Any) -> Graph:
    model = random_model(shape_of(seed=5, **SHAPES[request.param]))
    return numeric(lower(model.body))  # type: ignore[arg-type]  # a forest


def nodes_of(graph: Graph, tree: int) -> list[int]:
    """By a plain walk from the root; what forwards stand for is met elsewhere."""
    found, waiting = [], [int(graph.roots[tree])]
    while waiting:
        node = waiting.pop()
        found.append(node)
        if graph.feature[node] >= 0:
            waiting += [int(graph.left[node]), int(graph.right[node])]
    return found


def test_every_node_stands_once_in_its_tree(graph: Graph) -> None:
    order, first = order_nodes(graph)
    assert len(first) == len(graph.roots) + 1
    assert first[0] == 0
    assert first[-1] == len(order)
    for tree in range(len(graph.roots)):
        here = order[first[tree] : first[tree + 1]]
        assert here[0] == graph.roots[tree]
        assert sorted(here[here != UNUSED].tolist()) == sorted(nodes_of(graph, tree))


def test_children_are_neighbours(graph: Graph) -> None:
    order, _ = order_nodes(graph)
    place = {int(node): at for at, node in enumerate(order) if node != UNUSED}
    for node, at in place.items():
        if graph.feature[node] >= 0:
            left = place[int(graph.left[node])]
            assert left % 2 == 0
            assert left > at
            assert place[int(graph.right[node])] == left + 1


def test_a_walk_changes_lines_at_every_second_step_at_most(graph: Graph) -> None:
    """But for its last line: a cluster of three pairs may lie on two lines, and nothing follows it."""
    order, first = order_nodes(graph)
    assert (first % NODES == 0).all()
    place = {int(node): at for at, node in enumerate(order) if node != UNUSED}
    waiting = [(int(root), 0, 0) for root in graph.roots]
    while waiting:
        node, steps, changes = waiting.pop()
        assert changes <= steps // 2 + 1, node
        if graph.feature[node] >= 0:
            for child in (int(graph.left[node]), int(graph.right[node])):
                change = place[node] // NODES != place[child] // NODES
                waiting.append((child, steps + 1, changes + change))


def test_few_places_are_unused(random_model: Callable[..., Model], shape_of: Any) -> None:
    graph = lower(random_model(shape_of(trees=20, depth=16, stop=0.05, cuts=3000)).body)  # type: ignore[arg-type]
    order, _ = order_nodes(graph)
    assert (order == UNUSED).mean() < 0.02


def test_no_trees() -> None:
    nothing = np.empty(0, np.int32)
    empty = Graph(
        nothing, nothing, nothing > 0, nothing, nothing, nothing, nothing, nothing, nothing,
        np.zeros(1, np.int64), nothing > 0,
    )  # fmt: skip
    order, first = order_nodes(empty)
    assert len(order) == 0
    assert first.tolist() == [0]
