"""The law of the IR: forests that keep it pass, each breach is named, hostile ones in bounded time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinsmith.compiler.ir.check import MAX_DEPTH, check, check_size, depths
from tinsmith.compiler.ir.model import Encoding, Forest, Linear, Model, TensorSpec, Transform
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.errors import ClientError, InternalError


def forest(**changes: Any) -> Forest:
    """Two trees of three and one nodes, one of whose splits is categorical in the variants."""
    values: dict[str, Any] = {
        "num_features": 2,
        "num_outputs": 1,
        "feature": [1, -1, -1, -1],
        "cut": [0.5, 0, 0, 0],
        "left": [1, -1, -1, -1],
        "right": [2, -1, -1, -1],
        "default_left": [True, False, False, False],
        "category": [-1, -1, -1, -1],
        "outside_right": [False] * 4,
        "leaf": [-1, 0, 1, 2],
        "leaf_values": [[1], [2], [4]],
        "roots": [0, 3],
        "tree_output": [0, 0],
        "base": [0.25],
    }
    kinds = {"cut": np.float32, "default_left": np.bool_, "outside_right": np.bool_}
    kinds |= {"leaf_values": np.float32, "base": np.float32}
    for name, value in (values | changes).items():
        given = isinstance(value, list)
        values[name] = np.array(value, kinds.get(name, np.int32)) if given else value
    return Forest(**values)


def model(body: Forest | Linear, **changes: Any) -> Model:
    """A model around `body`."""
    features = body.num_features if isinstance(body, Forest) else len(body.weights)
    outputs = body.num_outputs if isinstance(body, Forest) else body.base.size
    values: dict[str, Any] = {
        "framework": "XGBOOST",
        "producer": "made up",
        "kind": "made up",
        "input": TensorSpec("data", "float32", (-1, features)),
        "output": TensorSpec("prediction", "float32", (-1, outputs)),
        "body": body,
    }
    return Model(**(values | changes))


def test_lawful_forests_pass() -> None:
    check(model(forest()))
    check(model(forest(), output=TensorSpec("prediction", "float32", (-1,))))
    check(model(forest(cut=[np.nan, 0, 0, 0], leaf_values=[[np.inf], [-np.inf], [1e-45]])))
    check(model(forest(category=[0, -1, -1, -1], categories=(np.array([0, 2**24 - 1], np.int32),))))
    check(model(forest(base=[np.inf])))
    check(model(forest(num_outputs=2, base=[0, 0], leaf_values=[[1, 2]] * 3)))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"left": [0, -1, -1, -1]}, "Tree 0, node 0: 1 nodes lead to it, expected 0"),
        ({"left": [2, -1, -1, -1]}, "Tree 0, node 1: 0 nodes lead to it, expected 1"),
        ({"left": [3, -1, -1, -1]}, "Tree 0, node 1: 0 nodes lead to it"),
        ({"left": [4, -1, -1, -1]}, "Tree 0, node 0: left child 4, expected 0 to 3"),
        ({"right": [-2, -1, -1, -1]}, "Tree 0, node 0: right child -2, expected 0 to 3"),
        ({"right": [2, -1, -1, 1]}, "Tree 1, node 0: right child of a leaf 1, expected none"),
        ({"feature": [2, -1, -1, -1]}, "Tree 0, node 0: feature 2, expected 0 to 1"),
        ({"feature": [1, -2, -1, -1]}, "Tree 0, node 1: feature -2"),
        ({"leaf": [-1, 0, 3, 2]}, "Tree 0, node 2: row of the leaf values 3, expected 0 to 2"),
        ({"leaf": [-1, -1, 1, 2]}, "Tree 0, node 1: row of the leaf values -1"),
        ({"leaf": [0, 0, 1, 2]}, "Tree 0, node 0: row of the leaf values 0, expected none"),
        ({"leaf_values": [[1], [np.nan], [3]]}, "Tree 0, node 2: the value of the leaf is NaN"),
        ({"category": [0, -1, -1, -1]}, "Tree 0, node 0: set of categories 0, expected none"),
        ({"roots": [0, 4]}, "A tree starts at node 4"),
        ({"roots": [0, -1]}, "expected 0 to 3"),
        ({"roots": [3, 3]}, "Two trees start at the same node"),
        ({"roots": [], "tree_output": []}, "The model has no trees"),
        ({"tree_output": [0, 1]}, "Tree 1: it adds to output 1, expected 0 to 0"),
        ({"tree_output": [0, -1]}, "Tree 1: it adds to output -1"),
        ({"base": [np.nan]}, "The base score of output 0 is NaN"),
        ({"divisor": 0.0}, r"divided by 0\.0"),
        ({"divisor": np.nan}, "divided by nan"),
        ({"categories": (np.array([3, 3], np.int32),)}, "categories of split 0"),
        ({"categories": (np.array([-1], np.int32),)}, "categories of split 0"),
        ({"categories": (np.array([2**24], np.int32),)}, "categories of split 0"),
        ({"encodings": (Encoding(2, np.ones(1, np.float32)),)}, "Feature 2 is encoded, expected 0 to 1"),
        ({"encodings": (Encoding(1, np.ones(2, np.float32)),)}, "encoded values of feature 1"),
        ({"encodings": (Encoding(1, np.array([np.nan], np.float32)),)}, "encoded values of feature 1"),
        ({"encodings": (Encoding(1, np.empty(0, np.float32)),)}, "encoded values of feature 1"),
        ({"encodings": (Encoding(1, np.ones(1, np.float32)),) * 2}, "A feature is encoded twice"),
    ],
)
def test_breaches_of_a_file_are_the_clients(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError, match=text) as caught:
        check(model(forest(**changes)))
    assert caught.value.area == "InputConfiguration"


def test_all_breaches_are_told_at_once() -> None:
    with pytest.raises(ClientError) as caught:
        check(model(forest(feature=[5, -1, -1, -1], base=[np.nan], leaf=[-1, 9, 1, 2])))
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (forest(cut=np.zeros(4)), {}),
        (forest(left=[1, -1, -1]), {}),
        (forest(leaf_values=[[1, 2, 3]] * 3), {}),
        (forest(leaf_values=np.ones((3, 1), np.float16)), {}),
        (forest(base=np.zeros(1)), {}),
        (forest(base=[0, 0]), {}),
        (forest(tree_output=[0]), {}),
        (forest(), {"input": TensorSpec("data", "float32", (-1, 3))}),
        (forest(), {"output": TensorSpec("prediction", "float32", (-1, 2))}),
        (forest(num_outputs=2, base=[0, 0]), {"transform": Transform.SIGMOID_PAIR}),
        (forest(), {"transform": Transform.ISOLATION}),
        (Linear(np.ones((2, 1)), np.ones(1, np.float32)), {}),
        (Linear(np.ones((2, 1), np.float32), np.ones(2, np.float32)), {}),
    ],
)
def test_breaches_of_a_frontend_are_ours(body: Forest | Linear, changes: dict[str, Any]) -> None:
    with pytest.raises(InternalError):
        check(model(body, **changes))


def test_linear_models() -> None:
    lawful = Linear(np.ones((2, 1), np.float32), np.ones(1, np.float32))
    check(model(lawful))
    check(model(replace(lawful, weights=np.full((2, 1), np.inf, np.float32))))
    with pytest.raises(ClientError, match="weight of feature 0 for output 0 is NaN"):
        check(model(replace(lawful, weights=np.full((2, 1), np.nan, np.float32))))
    with pytest.raises(ClientError, match="base score of output 0 is NaN"):
        check(model(replace(lawful, base=np.full(1, np.nan, np.float32))))


def test_sizes_are_bounded() -> None:
    check_size(1, 1)
    for features, outputs, text in [(2**31 - 1, 1, "2147483647 features"), (0, 1, "0 features")]:
        with pytest.raises(ClientError, match=text):
            check_size(features, outputs)
    with pytest.raises(ClientError, match=r"0 features.* \| .*4294967295 outputs"):
        check_size(0, 2**32 - 1)


def ring(nodes: int) -> Forest:
    """A leaf that is a tree, and beside it inner nodes in a circle, each with a leaf of its own."""
    inner = np.arange(nodes, dtype=np.int32)
    follower = (inner + 1) % nodes
    leaves = np.full(nodes + 1, -1, np.int32)
    size = 2 * nodes + 1
    return forest(
        feature=np.concatenate([np.zeros(nodes, np.int32), leaves]),
        cut=np.zeros(size, np.float32),
        left=np.concatenate([follower, leaves]),
        right=np.concatenate([inner + nodes, leaves]),
        default_left=np.zeros(size, np.bool_),
        category=np.full(size, -1, np.int32),
        outside_right=np.zeros(size, np.bool_),
        leaf=np.concatenate([np.full(nodes, -1, np.int32), np.zeros(nodes + 1, np.int32)]),
        roots=[2 * nodes],
        tree_output=[0],
    )


def chain(edges: int) -> Forest:
    """One tree whose longest path has that many edges."""
    size = 2 * edges + 1
    number = np.arange(size, dtype=np.int32)
    inner = (number % 2 == 0) & (number < size - 1)
    return forest(
        feature=np.where(inner, np.int32(0), np.int32(-1)),
        cut=np.zeros(size, np.float32),
        left=np.where(inner, number + 1, np.int32(-1)),
        right=np.where(inner, number + 2, np.int32(-1)),
        default_left=np.zeros(size, np.bool_),
        category=np.full(size, -1, np.int32),
        outside_right=np.zeros(size, np.bool_),
        leaf=np.where(inner, np.int32(-1), np.int32(0)),
        roots=[0],
        tree_output=[0],
    )


@pytest.mark.parametrize("nodes", [1, 2, 3, 7, 300_000])
def test_cycles_are_refused(nodes: int) -> None:
    with pytest.raises(ClientError, match="lies on a cycle"):
        check(model(ring(nodes)))


def test_depth_is_bounded() -> None:
    check(model(chain(MAX_DEPTH)))
    with pytest.raises(ClientError, match=f"{MAX_DEPTH + 1} splits lead to it, at most {MAX_DEPTH}"):
        check(model(chain(MAX_DEPTH + 1)))
    with pytest.raises(ClientError, match="300000 splits"):
        check(model(chain(300_000)))


@pytest.mark.parametrize("edges", [0, 1, 2, 3, 10, 1000])
def test_depths_count_edges(edges: int) -> None:
    found = depths(chain(edges))
    assert found.max() == edges
    assert found[0] == 0
    np.testing.assert_array_equal(found[1::2], np.arange(1, edges + 1))


@settings(max_examples=200, deadline=None)
@given(
    left=st.lists(st.integers(-2, 8), min_size=8, max_size=8),
    right=st.lists(st.integers(-2, 8), min_size=8, max_size=8),
    feature=st.lists(st.integers(-1, 1), min_size=8, max_size=8),
    roots=st.lists(st.integers(-1, 8), min_size=1, max_size=3),
)
def test_whatever_passes_can_be_evaluated(
    left: list[int], right: list[int], feature: list[int], roots: list[int]
) -> None:
    leaf = [-1 if f >= 0 else 0 for f in feature]
    body = forest(
        feature=feature, left=left, right=right, roots=roots, leaf=leaf, cut=[0.0] * 8, category=[-1] * 8,
        default_left=[False] * 8, outside_right=[False] * 8, tree_output=[0] * len(roots),
    )  # fmt: skip
    try:
        check(model(body))
    except ClientError:
        return
    found = evaluate(model(body), np.array([[0, np.nan], [-1, 1]], np.float32))
    assert found.margin.tolist() == [[0.25 + len(roots)]] * 2
