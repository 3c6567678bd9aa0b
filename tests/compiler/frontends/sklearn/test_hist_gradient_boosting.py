"""Histogram gradient boosting with numeric columns against scikit-learn itself."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.frontends.sklearn.estimator import Estimator
from tinsmith.compiler.frontends.sklearn.hist_gradient_boosting import read_classifier, read_regressor
from tinsmith.compiler.ir.model import Transform
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.errors import ClientError

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

Training = dict[str, NDArray[Any]]
SMALL: dict[str, Any] = {"max_iter": 10, "min_samples_leaf": 5, "random_state": 0}

REGRESSORS: dict[str, tuple[Any, str]] = {
    "squared error": (HistGradientBoostingRegressor(**SMALL), "number"),
    "absolute error": (HistGradientBoostingRegressor(loss="absolute_error", **SMALL), "number"),
    "quantile": (HistGradientBoostingRegressor(loss="quantile", quantile=0.2, **SMALL), "number"),
    "poisson": (HistGradientBoostingRegressor(loss="poisson", **SMALL), "count"),
    "gamma": (HistGradientBoostingRegressor(loss="gamma", **SMALL), "positive"),
    "monotonic": (HistGradientBoostingRegressor(monotonic_cst=[1, 0, 0, 0, 0, -1], **SMALL), "number"),
    "few bins": (HistGradientBoostingRegressor(max_bins=3, learning_rate=0.5, **SMALL), "number"),
}


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("rows", ["rows", "missing"])
def test_regressor_agrees(name: str, rows: str, frontend: Frontend, training: Training) -> None:
    estimator, target = REGRESSORS[name]
    estimator.fit(training[rows], training[target])
    model = frontend.model(estimator)
    logarithmic = name in ("poisson", "gamma")
    assert model.transform is (Transform.EXP if logarithmic else Transform.IDENTITY)
    for matrix in (training[rows], frontend.edge_rows(model, missing=True, infinite=True)):
        frontend.assert_agrees(model, matrix, frontend.ask(estimator.predict, matrix), ulps=2 * logarithmic)
        raw = frontend.ask(estimator._raw_predict, matrix)
        np.testing.assert_array_equal(evaluate(model, matrix).margin, raw)


@pytest.mark.parametrize("target", ["two", "four", "flag"])
@pytest.mark.parametrize("rows", ["rows", "missing"])
def test_classifier_agrees(target: str, rows: str, frontend: Frontend, training: Training) -> None:
    estimator = HistGradientBoostingClassifier(**SMALL).fit(training[rows], training[target])
    model = frontend.model(estimator, "zlib")
    for matrix in (training[rows], frontend.edge_rows(model, missing=True, infinite=True)):
        np.testing.assert_array_equal(
            evaluate(model, matrix).margin, frontend.ask(estimator._raw_predict, matrix)
        )
        frontend.assert_agrees(model, matrix, frontend.ask(estimator.predict_proba, matrix), ulps=4)
    assert model.class_labels == tuple(str(label) for label in estimator.classes_.tolist())


def test_split_between_numbers_and_missing_values(frontend: Frontend) -> None:
    """Such a split has an infinite threshold: all numbers left, NaN right."""
    rows = np.tile(np.array([[1], [2], [np.nan]], np.float32), (30, 1))
    estimator = HistGradientBoostingRegressor(**SMALL).fit(rows, np.isnan(rows[:, 0]).astype(float))
    model = frontend.model(estimator)
    asked = np.array([[-np.inf], [0], [3e38], [np.inf], [np.nan]], np.float32)
    frontend.assert_agrees(model, asked, frontend.ask(estimator.predict, asked))
    assert len(np.unique(frontend.ask(estimator.predict, asked))) == 2


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # scikit-learn averages -inf and inf
def test_infinite_training_values(frontend: Frontend) -> None:
    """Thresholds become infinite, and NaN between -inf and inf, where no number goes left."""
    numbers = np.array([-np.inf, np.inf, np.inf, 1.0, -2.0, np.nan], np.float32)
    rows = np.random.default_rng(0).choice(numbers, (200, 3))
    rows[:, 2] = np.where(rows[:, 0] > 0, np.inf, -np.inf)
    target = np.nan_to_num(rows[:, 0] + rows[:, 2] * 2, nan=5, posinf=9, neginf=-9)
    estimator = HistGradientBoostingRegressor(**SMALL).fit(rows, target)
    model = frontend.model(estimator)
    frontend.assert_agrees(model, rows, frontend.ask(estimator.predict, rows))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_small_training_set(frontend: Frontend, data: st.DataObject) -> None:
    number = st.sampled_from([np.float32(n) for n in (-4, -1, -0.0, 0, 0.5, 1, 2, np.nan)])
    rows = data.draw(arrays(np.float32, (20, 2), elements=number))
    assume(not np.isnan(rows).all(axis=0).any())  # scikit-learn cannot bin a column without numbers
    target = data.draw(arrays(np.float64, 20, elements=st.integers(0, 5).map(float)))
    estimator = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=1, max_bins=6)
    frontend.ask(lambda matrix: estimator.fit(matrix, target), rows)
    model = frontend.model(estimator)
    asked = data.draw(arrays(np.float32, (9, 2), elements=st.floats(width=32)))
    for matrix in (rows, asked):
        frontend.assert_agrees(model, matrix, frontend.ask(estimator.predict, matrix))


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("loss", "cosine", "loss=str 'cosine'; expected one of absolute_error"),
        ("_predictors", [], "_predictors: expected a list of trees"),
        ("_predictors", [[]], r"_predictors\[0\]: expected 1 trees"),
        ("_predictors", [[3]], r"_predictors\[0\]\[0\]: expected a scikit-learn object, found int 3"),
        ("_baseline_prediction", np.zeros(2), "_baseline_prediction: expected 1 numbers, found 2"),
        ("n_features_in_", 1, "feature 5 of an input of 1|feature . of an input of 1"),
        ("n_features_in_", 1.5, "n_features_in_: expected a count"),
    ],
)
def test_damaged_fields(field: str, value: Any, text: str, training: Training) -> None:
    estimator = HistGradientBoostingRegressor(**SMALL).fit(training["rows"], training["number"])
    record = load(pickle.dumps(estimator))
    record.fields[field] = value
    with pytest.raises(ClientError, match=text):
        read_regressor(Estimator.of(record, "model"))


def test_classifier_without_classes(training: Training) -> None:
    estimator = HistGradientBoostingClassifier(**SMALL).fit(training["rows"], training["two"])
    record = load(pickle.dumps(estimator))
    record.fields["classes_"] = np.array(["only"])
    with pytest.raises(ClientError, match="classes_: expected two or more, found 1"):
        read_classifier(Estimator.of(record, "model"))
