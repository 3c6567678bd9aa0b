"""GradientBoostingClassifier and GradientBoostingRegressor.

raw[k] = initial[k], then + learning_rate * value, stage by stage and class by class, in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn.estimator import (
    Estimator,
    describe,
    labels_of,
    malformed,
    unsupported,
)
from tinsmith.compiler.frontends.sklearn.prediction import classifier, regressor
from tinsmith.compiler.frontends.sklearn.trees import build_forest, read_trees
from tinsmith.compiler.ir.model import Forest, Model, Transform

REGRESSION_LOSSES = {"squared_error", "absolute_error", "huber", "quantile", "ls", "lad"}
"""The last two are the names before 1.0."""
CLASSIFICATION_LOSSES = {"log_loss", "deviance", "exponential"}
"""`deviance` is the name before 1.1."""


def read_classifier(estimator: Estimator) -> Model:
    """predict_proba: a sigmoid of the raw prediction for two classes, softmax for more."""
    loss = _loss(estimator, CLASSIFICATION_LOSSES)
    classes = len(estimator.class_labels)
    if classes < 2:
        raise malformed(estimator.place, f"classes_: expected two or more, found {classes}")
    forest = _read(estimator, expected=1 if classes == 2 else classes)
    if classes > 2:
        return classifier(estimator, forest, Transform.SOFTMAX)
    scale = 2.0 if loss == "exponential" else 1.0
    return classifier(estimator, forest, Transform.SIGMOID_PAIR, {"scale": scale})


def read_regressor(estimator: Estimator) -> Model:
    """predict: the raw prediction, whatever the loss."""
    _loss(estimator, REGRESSION_LOSSES)
    return regressor(estimator, _read(estimator, expected=1))


def _loss(estimator: Estimator, known: set[str]) -> str:
    loss = estimator.get("loss")
    if not isinstance(loss, str) or loss not in known:
        raise unsupported(estimator, f"loss={describe(loss)}; expected one of {', '.join(sorted(known))}")
    return loss


def _read(estimator: Estimator, expected: int) -> Forest:
    table = estimator.get("estimators_")
    if not isinstance(table, np.ndarray) or table.ndim != 2 or table.shape[1] != expected or not len(table):
        raise malformed(
            estimator.place, f"estimators_: expected (stages, {expected}) trees, found {describe(table)}"
        )
    members = [estimator.inside(f"estimators_[{i}, {k}]", table[i, k]) for i, k in np.ndindex(table.shape)]
    trees, values = read_trees(members, estimator.num_features)
    return build_forest(
        trees,
        values[:, :1, 0] * estimator.number("learning_rate"),
        num_features=estimator.num_features,
        base=_initial(estimator, expected),
        tree_output=np.tile(np.arange(expected), len(table)),
    )


def _initial(estimator: Estimator, width: int) -> NDArray[np.float64]:
    """The raw prediction before the first tree."""
    init = estimator.get("init_")
    if isinstance(init, str) and init == "zero":
        return np.zeros(width)
    dummy = estimator.inside("init_", init)
    if estimator.kind == "GradientBoostingRegressor":
        if dummy.kind != "DummyRegressor":
            raise _unsupported_init(dummy)
        constant = dummy.numbers("constant_")
    else:
        constant = _link(estimator, class_prior(dummy))
    if constant.shape != (width,):
        raise malformed(dummy.place, f"expected {width} initial values, found {constant.shape}")
    return constant


def _unsupported_init(dummy: Estimator) -> Exception:
    return unsupported(
        dummy, "only a constant start is compiled: init=None, 'zero' or a DummyClassifier or DummyRegressor"
    )


def class_prior(dummy: Estimator) -> NDArray[np.float64]:
    """What DummyClassifier.predict_proba gives for every row."""
    if dummy.kind != "DummyClassifier":
        raise _unsupported_init(dummy)
    prior = dummy.numbers("class_prior_")
    strategy = dummy.get("_strategy", "strategy")
    if strategy == "prior":
        return prior
    if strategy == "uniform":
        return np.ones_like(prior) / len(prior)
    chosen = np.zeros_like(prior)
    if strategy == "most_frequent":
        chosen[prior.argmax()] = 1.0
    elif strategy == "constant":
        wanted = _plain(dummy.get("constant"))
        chosen[[label == wanted for label in labels_of(dummy.get("classes_"))]] = 1.0
    else:
        raise unsupported(dummy, f"strategy={describe(strategy)} is not a constant")
    return chosen


def _plain(value: Any) -> Any:
    return value.reshape(-1).tolist()[0] if isinstance(value, np.ndarray) and value.size == 1 else value


def _link(estimator: Estimator, prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """The link function of the loss at the clipped prior probabilities."""
    version = estimator.version or (1, 9)
    eps = np.finfo(np.float64 if version >= (1, 8) else np.float32).eps
    prior = np.clip(prior, eps, 1 - eps)
    raw: NDArray[np.float64]
    if len(prior) > 2:
        geometric_mean = 1.0 if version < (1, 4) else np.exp(np.mean(np.log(prior)))
        raw = np.log(prior / geometric_mean)
        return raw
    positive = prior[1:]
    raw = np.log(positive / (1 - positive)) if version < (1, 4) else _logit(positive)
    return 0.5 * raw if estimator.get("loss") == "exponential" else raw


def _logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)) as scipy.special.logit rounds it."""
    s = 2.0 * (p - 0.5)
    middle: NDArray[np.float64] = np.log1p(s) - np.log1p(-s)
    return np.where((p < 0.3) | (p > 0.65), np.log(p / (1.0 - p)), middle)
