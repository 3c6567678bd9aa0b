"""IsolationForest: `decision_function`, of which `predict` is the sign (negative: -1, an outlier; else 1).

decision = -(2 ** (-sum of path lengths / (trees * c(samples per tree)))) - offset_, in float64.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, malformed
from tinsmith.compiler.frontends.sklearn.prediction import regressor
from tinsmith.compiler.frontends.sklearn.trees import Trees, build_forest, column, depths, read_trees
from tinsmith.compiler.ir.model import Model, Transform


def read(estimator: Estimator) -> Model:
    """The model of a fitted IsolationForest.

    With one training sample per tree sklearn 1.0 and later scores every row 0.5, and so does the model
    (earlier versions gave NaN).
    """
    members = estimator.children("estimators_")
    num_features = estimator.num_features
    width = int(estimator.number("_max_features")) if estimator.has("_max_features") else num_features
    trees, _ = read_trees(members, width)
    if width != num_features:
        trees = _on_all_columns(estimator, trees, width, num_features)
    samples = np.concatenate([_node_samples(member) for member in members])
    lengths = (depths(trees) + 1 + average_path_length(samples)) - 1.0
    per_tree = average_path_length(np.array([estimator.number("_max_samples", "max_samples_")]))[0]
    normaliser = len(members) * per_tree
    forest = build_forest(
        trees,
        lengths[:, None],
        num_features=num_features,
        base=np.zeros(1) if normaliser else np.ones(1),
    )
    parameters = {"normaliser": float(normaliser) or 1.0, "offset": estimator.number("offset_")}
    return regressor(estimator, forest, Transform.ISOLATION, parameters)


def average_path_length(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """c(n): the average path length of an unsuccessful search in a binary search tree of n samples."""
    many = np.maximum(samples, 3.0)
    formula = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.where(samples <= 1, 0.0, np.where(samples == 2, 1.0, formula))


def _node_samples(member: Estimator) -> NDArray[np.float64]:
    nodes = member.child("tree_").get("nodes")
    return column([nodes], "n_node_samples", member.place).astype(np.float64)


def _on_all_columns(estimator: Estimator, trees: Trees, width: int, num_features: int) -> Trees:
    """`trees`, each of which saw only some columns, on the whole input."""
    columns = estimator.get("estimators_features_")
    if not isinstance(columns, list | np.ndarray):
        raise malformed(estimator.place, f"estimators_features_: expected a list, found {describe(columns)}")
    columns = [np.asarray(chosen) for chosen in columns]
    for i, chosen in enumerate(columns):
        if chosen.dtype.kind not in "iu" or chosen.shape != (width,) or not (chosen >= 0).all():
            raise malformed(
                f"{estimator.place}.estimators_features_[{i}]", f"expected {width} column numbers"
            )
    if len(columns) != len(trees.roots) or np.max(columns) >= num_features:
        raise malformed(estimator.place, "estimators_features_ does not fit estimators_ and the input")
    tree = np.repeat(np.arange(len(trees.roots)), trees.sizes)
    feature = np.where(trees.is_leaf, -1, np.stack(columns)[tree, trees.feature])
    return replace(trees, feature=feature)
