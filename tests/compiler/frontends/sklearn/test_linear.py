"""Linear models with options beyond the defaults that estimators.py goes over."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    RANSACRegressor,
    RidgeClassifier,
    SGDClassifier,
    SGDOneClassSVM,
    TweedieRegressor,
)

from tests.compiler.frontends.sklearn.answers import assert_agrees, expected
from tests.compiler.frontends.sklearn.estimators import PAIR, ROWS, SCORE, THREE, TWO
from tests.compiler.frontends.sklearn.records import answer, resaved


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (LogisticRegression(), TWO),
        (LinearRegression(fit_intercept=False), SCORE),
        (LinearRegression(), PAIR),
        (RidgeClassifier(), TWO),
        (SGDClassifier(loss="log_loss", random_state=0), TWO),
        (SGDClassifier(loss="log_loss", random_state=0), THREE),
        (SGDClassifier(loss="modified_huber", random_state=0), TWO),
        (SGDClassifier(loss="modified_huber", random_state=0), THREE),
        (SGDClassifier(random_state=0), TWO),
        (SGDOneClassSVM(random_state=0), SCORE),
        (TweedieRegressor(power=0), SCORE),
        (TweedieRegressor(power=1.5, link="log"), np.exp(SCORE)),
        (RANSACRegressor(random_state=0), SCORE),
    ],
    ids=lambda value: "" if isinstance(value, np.ndarray) else str(value),
)
def test_agrees(estimator: Any, target: Any) -> None:
    assert_agrees(estimator.fit(ROWS, target), ROWS)


def test_sparse_coefficients() -> None:
    assert_agrees(SGDClassifier(penalty="l1", random_state=0).fit(ROWS, THREE).sparsify(), ROWS)


@pytest.mark.parametrize(
    ("fields", "formula"),
    [
        ({"multi_class": "ovr"}, lambda z: (p := 1 / (1 + np.exp(-z))) / p.sum(axis=1, keepdims=True)),
        (
            {"multi_class": "auto", "solver": "liblinear"},
            lambda z: (p := 1 / (1 + np.exp(-z))) / p.sum(axis=1, keepdims=True),
        ),
        ({"multi_class": "multinomial"}, lambda z: (p := np.exp(z)) / p.sum(axis=1, keepdims=True)),
    ],
)
def test_kinds_of_several_classes_of_versions_before_1_8(fields: dict[str, Any], formula: Any) -> None:
    model = LogisticRegression().fit(ROWS, THREE)
    found = answer(resaved(pickle.dumps(model), "1.2.2", fields), ROWS)
    np.testing.assert_allclose(found, formula(model.decision_function(ROWS)), rtol=1e-12)


def test_two_classes_by_softmax() -> None:
    model = LogisticRegression().fit(ROWS, TWO)
    found = answer(resaved(pickle.dumps(model), "1.2.2", {"multi_class": "multinomial"}), ROWS)
    score = model.decision_function(ROWS)
    np.testing.assert_allclose(found[:, 1], 1 / (1 + np.exp(-2 * score)), rtol=1e-12)


def test_versions_without_a_number_of_columns() -> None:
    model = LogisticRegression().fit(ROWS, TWO)
    saved = resaved(pickle.dumps(model), "0.22.2", {}, without=("n_features_in_",))
    np.testing.assert_allclose(answer(saved, ROWS), expected(model, ROWS)[0], rtol=1e-12)
