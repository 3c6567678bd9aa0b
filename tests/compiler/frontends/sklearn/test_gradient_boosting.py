"""Gradient boosting against scikit-learn itself."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.frontends.sklearn.estimator import Estimator
from tinsmith.compiler.frontends.sklearn.gradient_boosting import read_classifier, read_regressor
from tinsmith.compiler.ir.model import Transform
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.errors import ClientError

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

Training = dict[str, NDArray[Any]]
SMALL: dict[str, Any] = {"n_estimators": 12, "max_depth": 3, "random_state": 0}

REGRESSORS: dict[str, Any] = {
    "squared error": GradientBoostingRegressor(**SMALL),
    "absolute error": GradientBoostingRegressor(loss="absolute_error", **SMALL),
    "huber": GradientBoostingRegressor(loss="huber", learning_rate=0.3, **SMALL),
    "quantile": GradientBoostingRegressor(loss="quantile", alpha=0.8, subsample=0.7, **SMALL),
    "from zero": GradientBoostingRegressor(init="zero", **SMALL),
    "from a constant": GradientBoostingRegressor(
        init=DummyRegressor(strategy="constant", constant=3.25), **SMALL
    ),
    "from a quantile": GradientBoostingRegressor(
        init=DummyRegressor(strategy="quantile", quantile=0.3), **SMALL
    ),
}
CLASSIFIERS: dict[str, tuple[Any, str]] = {
    "two classes": (GradientBoostingClassifier(**SMALL), "two"),
    "four classes": (GradientBoostingClassifier(**SMALL), "four"),
    "exponential": (GradientBoostingClassifier(loss="exponential", **SMALL), "two"),
    "from zero": (GradientBoostingClassifier(init="zero", **SMALL), "four"),
    "from uniform": (GradientBoostingClassifier(init=DummyClassifier(strategy="uniform"), **SMALL), "four"),
    "from the most frequent": (
        GradientBoostingClassifier(init=DummyClassifier(strategy="most_frequent"), **SMALL),
        "four",
    ),
    "from a constant class": (
        GradientBoostingClassifier(init=DummyClassifier(strategy="constant", constant=1), **SMALL),
        "flag",
    ),
    "early stopping": (
        GradientBoostingClassifier(
            n_iter_no_change=2, validation_fraction=0.3, n_estimators=60, random_state=0
        ),
        "two",
    ),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressor_is_identical(name: str, frontend: Frontend, training: Training) -> None:
    estimator = REGRESSORS[name].fit(training["rows"], training["number"])
    model = frontend.model(estimator)
    assert model.transform is Transform.IDENTITY
    for rows in (training["rows"], frontend.edge_rows(model)):
        frontend.assert_agrees(model, rows, frontend.ask(estimator.predict, rows))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifier_agrees(name: str, frontend: Frontend, training: Training) -> None:
    estimator, target = CLASSIFIERS[name]
    estimator.fit(training["rows"], training[target])
    model = frontend.model(estimator)
    for rows in (training["rows"], frontend.edge_rows(model)):
        decision = frontend.ask(estimator.decision_function, rows)
        expected = frontend.ask(estimator.predict_proba, rows)
        # gmean and logit of the starting values may be rounded in another place.
        margin = evaluate(model, rows).margin.reshape(decision.shape)
        np.testing.assert_allclose(margin, decision, rtol=1e-15, atol=4e-16)
        np.testing.assert_allclose(evaluate(model, rows).prediction, expected, rtol=2e-15, atol=1e-300)
    assert model.class_labels == tuple(str(label) for label in estimator.classes_.tolist())
    assert model.output.shape == (-1, len(estimator.classes_))


def test_missing_values_go_right_as_in_the_trees(frontend: Frontend, training: Training) -> None:
    """GradientBoosting refuses NaN; its trees alone do not."""
    estimator = REGRESSORS["from zero"].fit(training["rows"], training["number"])
    model = frontend.model(estimator)
    rows = frontend.edge_rows(model, missing=True, infinite=True)
    expected = np.zeros(len(rows))
    for (tree,) in estimator.estimators_:
        expected += estimator.learning_rate * tree.predict(rows, check_input=False)
    frontend.assert_agrees(model, rows, expected)


def test_start_from_another_estimator_is_refused(frontend: Frontend, training: Training) -> None:
    estimator = GradientBoostingRegressor(init=LinearRegression(), **SMALL)
    estimator.fit(training["rows"], training["number"])
    with pytest.raises(
        ClientError, match=r"init_: sklearn.linear_model._base.LinearRegression: only a constant start"
    ):
        frontend.model(estimator)


def test_start_from_random_classes_is_refused(frontend: Frontend, training: Training) -> None:
    estimator = GradientBoostingClassifier(
        init=DummyClassifier(strategy="stratified", random_state=0), **SMALL
    )
    estimator.fit(training["rows"], training["four"])
    with pytest.raises(ClientError, match="strategy=str 'stratified' is not a constant"):
        frontend.model(estimator)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("loss", "cosine", "loss=str 'cosine'; expected one of absolute_error"),
        ("loss", None, "loss=NoneType"),
        ("learning_rate", float("nan"), "expected finite numbers"),
        ("estimators_", np.zeros((3, 1)), "expected a scikit-learn object, found float64"),
        ("estimators_", np.zeros((0, 1)), r"expected \(stages, 1\) trees, found an array of float64"),
        ("estimators_", [], r"expected \(stages, 1\) trees, found list"),
        ("init_", 7, "expected a scikit-learn object, found int 7"),
    ],
)
def test_damaged_fields(field: str, value: Any, text: str, training: Training) -> None:
    estimator = GradientBoostingRegressor(**SMALL).fit(training["rows"], training["number"])
    record = load(pickle.dumps(estimator))
    record.fields[field] = value
    with pytest.raises(ClientError, match=text):
        read_regressor(Estimator.of(record, "model"))


def test_classifier_without_classes(training: Training) -> None:
    estimator = GradientBoostingClassifier(**SMALL).fit(training["rows"], training["two"])
    record = load(pickle.dumps(estimator))
    record.fields["classes_"] = np.array(["only"])
    with pytest.raises(ClientError, match="classes_: expected two or more, found 1"):
        read_classifier(Estimator.of(record, "model"))
