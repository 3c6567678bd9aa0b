"""Single trees and forests that average their trees.

DecisionTree, ExtraTree, RandomForest, ExtraTrees: classifiers give `predict_proba`, regressors `predict`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn.estimator import Estimator, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.prediction import classifier, regressor
from tinsmith.compiler.frontends.sklearn.trees import build_forest, read_trees
from tinsmith.compiler.ir.model import Model

FRACTIONS_SINCE = (1, 4)
"""Leaves of classifiers hold class counts before this version and fractions from it on."""


def read_tree(estimator: Estimator) -> Model:
    """DecisionTree* and ExtraTree*."""
    return _read(estimator, [estimator])


def read_forest(estimator: Estimator) -> Model:
    """RandomForest* and ExtraTrees*: the trees' predictions, added in order, divided by their number."""
    return _read(estimator, estimator.children("estimators_"))


def _read(estimator: Estimator, members: list[Estimator]) -> Model:
    is_classifier = estimator.kind.endswith("Classifier")
    trees, values = read_trees(members, estimator.num_features)
    warnings: tuple[str, ...] = ()
    if is_classifier:
        values, warnings = _probabilities(estimator, values, trees.is_leaf)
    else:
        values = values[:, :, 0]
    forest = build_forest(
        trees,
        values,
        num_features=estimator.num_features,
        base=np.zeros(values.shape[1]),
        divisor=float(len(members)),
    )
    return classifier(estimator, forest, warnings=warnings) if is_classifier else regressor(estimator, forest)


def _probabilities(
    estimator: Estimator, values: NDArray[np.float64], is_leaf: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """(nodes, classes): the fraction of each class at each leaf, and warnings."""
    if values.shape[1] != 1:
        raise unsupported(
            estimator, f"a classifier of {values.shape[1]} outputs; save one classifier per output"
        )
    width = len(estimator.class_labels)
    if values.shape[2] < width:
        raise malformed(estimator.place, f"{width} classes, but leaves of {values.shape[2]}")
    values = np.ascontiguousarray(values[:, 0, :width])
    total = values.sum(axis=1, keepdims=True)
    total[total == 0.0] = 1.0
    version = estimator.version
    if version is not None and version < FRACTIONS_SINCE:
        return values / total, ()
    if np.abs(total[is_leaf] - 1.0).max() < 1e-6:
        return values, ()
    warning = (
        f"{estimator.place}: leaves hold class counts although scikit-learn {estimator.saved_by} saved it "
        "(trained by a version before 1.4, loaded and saved again): they were turned into fractions"
    )
    return values / total, (warning,) if version else ()
