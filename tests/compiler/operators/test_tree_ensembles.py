from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.onnx_suite.graphs import Side
from tinsmith.errors import ClientError

ML = "ai.onnx.ml"
INT64, FLOAT = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")


def rows() -> np.ndarray[Any, Any]:
    x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    x[0, :3], x[1, 2], x[2, 1], x[3] = np.nan, np.inf, -np.inf, 0
    return x


def trees(kind: str, ids: Sequence[int], positive: bool = False, every: bool = False) -> dict[str, Any]:
    """Seven trees of seven nodes with all kinds of tests; a leaf has a weight for one of `ids` or for
    `every` one."""
    random = np.random.default_rng(3)
    names = (
        "treeids",
        "nodeids",
        "featureids",
        "values",
        "modes",
        "truenodeids",
        "falsenodeids",
        "missing_value_tracks_true",
    )
    found: dict[str, Any] = {f"nodes_{name}": [] for name in names}
    found |= {f"{kind}_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(7):
        for node in range(7):
            leaf = node > 2
            mode = MODES[int(random.integers(6))] if not leaf else "LEAF"
            value = 0.0 if leaf or tree == 3 else float(np.float32(random.normal() / 2))
            children = (0, 0) if leaf else (2 * node + 1, 2 * node + 2)
            entry = (
                tree,
                node,
                0 if leaf else int(random.integers(5)),
                value,
                mode,
                *children,
                int(random.integers(2)),
            )
            for name, item in zip(names, entry, strict=True):
                found[f"nodes_{name}"].append(item)
            for target in (ids if every else [ids[int(random.integers(len(ids)))]]) if leaf else ():
                weight = float(abs(random.normal()) / 7 if positive else random.normal())
                for name, item in zip(
                    ("treeids", "nodeids", "ids", "weights"), (tree, node, target, weight), strict=True
                ):
                    found[f"{kind}_{name}"].append(item)
    return found


def test_classifiers_are_those_of_onnxruntime(tmp_path: Path) -> None:
    side = Side(tmp_path)
    for transform in TRANSFORMS:
        for positive in (False, True):
            for ids, labels in [([0], [4, 9]), ([1], [4, 9]), ([0, 1, 2], [3, 1, 2]), ([0], [0, 1])]:
                attributes = trees("class", ids, positive)
                side.add(
                    "TreeEnsembleClassifier", {"x": rows()}, {"l": INT64, "s": FLOAT}, domain=ML,
                    classlabels_int64s=labels, post_transform=transform, **attributes,
                )  # fmt: skip
    for base in ([0.3], [0.3, 0.1, -0.2]):
        attributes = trees("class", [0, 1, 2] if len(base) > 1 else [0])
        side.add(
            "TreeEnsembleClassifier", {"x": rows()}, {"l": INT64, "s": FLOAT}, domain=ML, base_values=base,
            classlabels_int64s=[4, 9, 2][: max(len(base), 2)], **attributes,
        )  # fmt: skip
    side.check()


def test_regressors_are_those_of_onnxruntime(tmp_path: Path) -> None:
    side = Side(tmp_path)
    for transform in TRANSFORMS:
        side.add(
            "TreeEnsembleRegressor", {"x": rows()}, {"y": FLOAT}, domain=ML, n_targets=2,
            post_transform=transform, **trees("target", [0, 1], every=True),
        )  # fmt: skip
    for total in ("SUM", "AVERAGE", "MIN", "MAX"):
        side.add(
            "TreeEnsembleRegressor", {"x": rows()}, {"y": FLOAT}, domain=ML, n_targets=2,
            aggregate_function=total, base_values=[0.5, 1.0], **trees("target", [0, 1], every=True),
        )  # fmt: skip
    side.check()


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT"])
def test_many_trees_of_one_kind_are_those_of_onnxruntime(mode: str, tmp_path: Path) -> None:
    """More than walk side by side, with rows at their thresholds."""
    side, x = Side(tmp_path), rows()
    numbers = range(19)
    nodes = [(tree, node) for tree in numbers for node in range(3)]
    leaves = [(tree, node) for tree, node in nodes if node]
    side.add(
        "TreeEnsembleRegressor", {"x": x}, {"y": FLOAT}, domain=ML, n_targets=1,
        nodes_treeids=[tree for tree, _ in nodes],
        nodes_nodeids=[node for _, node in nodes],
        nodes_featureids=[0 if node else tree % 5 for tree, node in nodes],
        nodes_values=[0.0 if node else float(x[4 + tree, tree % 5]) for tree, node in nodes],
        nodes_modes=["LEAF" if node else mode for _, node in nodes],
        nodes_truenodeids=[0 if node else 1 for _, node in nodes],
        nodes_falsenodeids=[0 if node else 2 for _, node in nodes],
        target_treeids=[tree for tree, _ in leaves],
        target_nodeids=[node for _, node in leaves],
        target_ids=[0 for _ in leaves],
        target_weights=[float(2**tree if node == 1 else 0) for tree, node in leaves],
    )  # fmt: skip
    side.check()


def _changed(name: str, place: int, value: int) -> dict[str, Any]:
    attributes = trees("target", [0])
    attributes[name][place] = value
    return attributes


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        (_changed("nodes_truenodeids", 0, 99), "tree 0 has no node 99"),
        (_changed("nodes_truenodeids", 1, 0), "not trees: a node cannot be reached from a root"),
        (_changed("nodes_truenodeids", 1, 5), "its nodes are not trees: one has two parents"),
        (_changed("nodes_featureids", 0, 5), "a feature number is not below 5, the number of features"),
        (_changed("nodes_nodeids", 1, 0), "name a node twice"),
        (_changed("target_ids", 0, 1), "a target number is not below 1, the number of targets"),
        (_changed("target_nodeids", 0, 50), r"a weight for the node \(0, 50\), which no tree has"),
    ],
)
def test_trees_that_no_walk_may_enter_are_refused(
    tmp_path: Path, attributes: dict[str, Any], problem: str
) -> None:
    side = Side(tmp_path)
    side.add("TreeEnsembleRegressor", {"x": rows()}, {"y": FLOAT}, domain=ML, **attributes)
    with pytest.raises(ClientError, match=problem):
        side.check()
