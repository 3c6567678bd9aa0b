"""Node arrays: concatenation, depths, and every way in which they can contradict themselves."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.frontends.sklearn.averaging import read_forest
from tinsmith.compiler.frontends.sklearn.estimator import Estimator
from tinsmith.compiler.frontends.sklearn.trees import assemble, build_forest, depths
from tinsmith.errors import ClientError

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

Training = dict[str, NDArray[Any]]
NAMES = {
    "feature": "feature",
    "threshold": "threshold",
    "left": "left_child",
    "right": "right_child",
    "missing": "missing_go_to_left",
}
FIELDS = [("left_child", "<i8"), ("right_child", "<i8"), ("feature", "<i8"), ("threshold", "<f8")]


def nodes(*rows: tuple[int, int, int, float], fields: Any = FIELDS) -> NDArray[np.void]:
    return np.array(list(rows), dtype=fields)


STUMP = nodes((1, 2, 0, 0.5), (-1, -1, -2, -2.0), (-1, -1, -2, -2.0))
CHAIN = nodes((1, 2, 0, 0.5), (-1, -1, -2, -2), (3, 4, 1, 1.5), (-1, -1, -2, -2), (-1, -1, -2, -2))


def test_trees_are_concatenated() -> None:
    trees = assemble([STUMP, CHAIN], NAMES, 2, "model")
    assert trees.roots.tolist() == [0, 3]
    assert trees.left.tolist() == [1, -1, -1, 4, -1, 6, -1, -1]
    assert trees.right.tolist() == [2, -1, -1, 5, -1, 7, -1, -1]
    assert trees.feature.tolist() == [0, -1, -1, 0, -1, 1, -1, -1]
    assert trees.sizes.tolist() == [3, 5]
    assert not trees.missing_left.any()
    assert depths(trees).tolist() == [0, 1, 1, 0, 1, 1, 2, 2]


def test_big_endian_nodes() -> None:
    big = CHAIN.astype([(name, code.replace("<", ">")) for name, code in FIELDS])
    trees = assemble([big], NAMES, 2, "model")
    assert trees.left.tolist() == [1, -1, 3, -1, -1]
    assert trees.threshold.tolist()[:3] == [0.5, -2.0, 1.5]


def test_thresholds_become_cuts() -> None:
    thresholds = [0.1, -np.inf, np.inf, np.nan, 1e300, -1e300, 0.0, np.float64(np.float32(0.1))]
    stumps = [nodes((1, 2, 0, t), (-1, -1, -2, -2), (-1, -1, -2, -2)) for t in thresholds]
    trees = assemble(stumps, NAMES, 1, "model")
    forest = build_forest(trees, np.arange(24.0)[:, None], num_features=1, base=np.zeros(1))
    asked = [
        -np.inf,
        -3e38,
        -1.0,
        -1e-45,
        -0.0,
        0.0,
        1e-45,
        0.1,
        np.nextafter(np.float32(0.1), np.float32(1)),
        3e38,
    ]
    rows = np.array([*asked, np.inf], np.float32)
    for tree, threshold in enumerate(thresholds):
        cut = forest.cut[forest.roots[tree]]
        goes_left = np.ones(len(rows), bool) if np.isnan(cut) else rows < cut
        np.testing.assert_array_equal(goes_left, rows.astype(np.float64) <= threshold, str(threshold))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"left_child": 0}, "left child 0 is not a later node"),
        ({"left_child": 9}, "left child 9 is not a later node"),
        ({"right_child": -7}, "right child -7 is not a later node"),
        ({"right_child": 2**40}, "right child 1099511627776 is not a later node"),
        ({"right_child": 1}, "node 1 does not have exactly one parent"),
        ({"feature": 6}, "feature 6 of an input of 6"),
        ({"feature": -1}, "feature -1 of an input of 6"),
        ({"left_child": -1}, "does not have exactly one parent"),
    ],
)
def test_damaged_nodes(changes: dict[str, int], text: str, training: Training) -> None:
    forest = RandomForestRegressor(n_estimators=2, max_depth=1, random_state=0)
    record = load(pickle.dumps(forest.fit(training["rows"], training["number"])))
    tree = record.fields["estimators_"][0].fields["tree_"].fields["nodes"]
    for name, value in changes.items():
        tree[name][0] = value
    with pytest.raises(ClientError, match=text) as caught:
        read_forest(Estimator.of(record, "model"))
    assert caught.value.area == "InputConfiguration"


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("nodes", None, "nodes: expected an array, found NoneType"),
        ("nodes", np.zeros(3), "expected nodes with a field"),
        ("nodes", STUMP[["left_child", "right_child"]], "expected nodes with a field"),
        ("nodes", STUMP[:0], "do not fit 0 nodes"),
        ("values", np.zeros((2, 1, 1)), "do not fit 3 nodes"),
        ("values", np.zeros((3, 2, 1)), "differ from the first tree's"),
        ("values", np.zeros((3, 1)), "do not fit"),
        ("values", np.zeros((3, 1, 1), np.int64), "do not fit"),
    ],
)
def test_damaged_arrays(field: str, value: Any, text: str, training: Training) -> None:
    forest = RandomForestRegressor(n_estimators=2, max_depth=1, random_state=0)
    record = load(pickle.dumps(forest.fit(training["rows"], training["number"])))
    record.fields["estimators_"][1].fields["tree_"].fields[field] = value
    with pytest.raises(ClientError, match=text):
        read_forest(Estimator.of(record, "model"))


def test_no_trees(training: Training) -> None:
    forest = RandomForestRegressor(n_estimators=1, max_depth=1).fit(training["rows"], training["number"])
    record = load(pickle.dumps(forest))
    record.fields["estimators_"] = []
    with pytest.raises(ClientError, match="it has no trees"):
        read_forest(Estimator.of(record, "model"))


def test_untrained(frontend: Frontend) -> None:
    with pytest.raises(ClientError, match=r"RandomForestRegressor has no attribute .*trained \(fit\)"):
        frontend.model(RandomForestRegressor())
