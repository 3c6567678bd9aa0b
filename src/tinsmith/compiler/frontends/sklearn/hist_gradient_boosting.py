"""HistGradientBoostingClassifier and HistGradientBoostingRegressor.

raw[k] = baseline[k], then + value, iteration by iteration and class by class, in float64.
"""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.sklearn.category_splits import read_category_splits
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.prediction import classifier, regressor
from tinsmith.compiler.frontends.sklearn.trees import assemble, build_forest, column
from tinsmith.compiler.ir.model import Forest, Model, Transform

REGRESSION_LOSSES = {
    "squared_error": Transform.IDENTITY,
    "least_squares": Transform.IDENTITY,
    "absolute_error": Transform.IDENTITY,
    "least_absolute_deviation": Transform.IDENTITY,
    "quantile": Transform.IDENTITY,
    "poisson": Transform.EXP,
    "gamma": Transform.EXP,
}
CLASSIFICATION_LOSSES = {"log_loss", "auto", "binary_crossentropy", "categorical_crossentropy"}


def read_classifier(estimator: Estimator) -> Model:
    """predict_proba: a sigmoid of the raw prediction for two classes, softmax for more."""
    _loss(estimator, CLASSIFICATION_LOSSES)
    classes = len(estimator.class_labels)
    if classes < 2:
        raise malformed(estimator.place, f"classes_: expected two or more, found {classes}")
    forest = _read(estimator, width=1 if classes == 2 else classes)
    return classifier(estimator, forest, Transform.SIGMOID_PAIR if classes == 2 else Transform.SOFTMAX)


def read_regressor(estimator: Estimator) -> Model:
    """predict: the raw prediction through the inverse link of the loss."""
    loss = _loss(estimator, set(REGRESSION_LOSSES))
    return regressor(estimator, _read(estimator, width=1), REGRESSION_LOSSES[loss])


def _loss(estimator: Estimator, known: set[str]) -> str:
    loss = estimator.get("loss")
    if not isinstance(loss, str) or loss not in known:
        raise unsupported(estimator, f"loss={describe(loss)}; expected one of {', '.join(sorted(known))}")
    return loss


def _read(estimator: Estimator, width: int) -> Forest:
    predictors = _predictors(estimator, width)
    nodes = [predictor.get("nodes") for predictor in predictors]
    fields = getattr(nodes[0], "dtype", np.dtype(np.float64)).names or ()
    names = {
        "feature": "feature_idx",
        "threshold": "num_threshold" if "num_threshold" in fields else "threshold",
        "left": "left",
        "right": "right",
        "missing": "missing_go_to_left",
        "leaf": "is_leaf",
    }
    if "is_categorical" in fields:
        names["categorical"] = "is_categorical"
    place = f"{estimator.place}._predictors"
    trees = assemble(nodes, names, estimator.num_features, place)
    values = column(nodes, "value", place).astype(np.float64)
    base = estimator.numbers("_baseline_prediction")
    if base.shape != (width,):
        raise malformed(estimator.place, f"_baseline_prediction: expected {width} numbers, found {base.size}")
    trees, splits = read_category_splits(estimator, predictors, trees)
    return build_forest(
        trees,
        values[:, None],
        num_features=estimator.num_features,
        base=base,
        tree_output=np.tile(np.arange(width), len(nodes) // width),
        splits=splits,
    )


def _predictors(estimator: Estimator, width: int) -> list[Estimator]:
    """The trees, iteration by iteration, `width` in each."""
    iterations = estimator.get("_predictors")
    if not isinstance(iterations, list) or not iterations:
        raise malformed(
            estimator.place, f"_predictors: expected a list of trees, found {describe(iterations)}"
        )
    for i, row in enumerate(iterations):
        if not isinstance(row, list) or len(row) != width:
            raise malformed(
                f"{estimator.place}._predictors[{i}]", f"expected {width} trees, found {describe(row)}"
            )
    return [
        estimator.inside(f"_predictors[{i}][{k}]", tree)
        for i, row in enumerate(iterations)
        for k, tree in enumerate(row)
    ]
