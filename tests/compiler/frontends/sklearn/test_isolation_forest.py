"""Isolation forests against scikit-learn itself."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from tinsmith.compiler.formats.pickle import load
from tinsmith.compiler.frontends.sklearn.estimator import Estimator
from tinsmith.compiler.frontends.sklearn.isolation_forest import average_path_length, read
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.errors import ClientError

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

Training = dict[str, NDArray[Any]]

CASES: dict[str, Any] = {
    "default": IsolationForest(n_estimators=20, random_state=0),
    "contamination": IsolationForest(n_estimators=10, contamination=0.1, random_state=0),
    "small samples": IsolationForest(n_estimators=10, max_samples=5, random_state=0),
    "two samples": IsolationForest(n_estimators=10, max_samples=2, random_state=0),
    "one sample": IsolationForest(n_estimators=4, max_samples=1, random_state=0),
    "some columns": IsolationForest(n_estimators=10, max_features=3, max_samples=40, random_state=0),
    "one column": IsolationForest(n_estimators=10, max_features=1, max_samples=40, random_state=0),
    "bootstrap": IsolationForest(n_estimators=10, bootstrap=True, max_samples=0.5, random_state=0),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rows", ["rows", "missing"])
def test_decision_function_agrees(name: str, rows: str, frontend: Frontend, training: Training) -> None:
    estimator = CASES[name].fit(training[rows])
    model = frontend.model(estimator)
    asked = [training[rows], frontend.edge_rows(model, missing=True, infinite=True)]
    for matrix in asked:
        prediction = evaluate(model, matrix).prediction
        expected = frontend.ask(estimator.decision_function, matrix)
        # The score lies in (-1, 0); the offset is subtracted from it.
        np.testing.assert_allclose(prediction[:, 0], expected, rtol=0, atol=2**-52)
        assert ((prediction[:, 0] < 0) == (frontend.ask(estimator.predict, matrix) == -1)).all()
    assert model.output.name == "prediction"
    assert model.output.shape == (-1,)


def test_sums_of_path_lengths_are_identical(frontend: Frontend, training: Training) -> None:
    estimator = CASES["default"].fit(training["rows"])
    model = frontend.model(estimator)
    depths = np.zeros(len(training["rows"]))
    for i, tree in enumerate(estimator.estimators_):
        leaves = tree.apply(training["rows"])
        depths += (
            estimator._decision_path_lengths[i][leaves]
            + estimator._average_path_length_per_tree[i][leaves]
            - 1.0
        )
    np.testing.assert_array_equal(evaluate(model, training["rows"]).margin[:, 0], depths)


def test_average_path_length_of_few() -> None:
    lengths = average_path_length(np.array([0.0, 1.0, 2.0, 3.0, 256.0]))
    np.testing.assert_allclose(lengths, [0, 0, 1, 1.2073923, 10.2447707], rtol=1e-7)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([np.array([0, 1, 99])] * 10, "does not fit"),
        ([np.array([0, 1, 2])] * 9, "does not fit"),
        ([np.array([0, 1, -1])] * 10, "expected 3 column numbers"),
        ([np.array([0.0, 1.0, 2.0])] * 10, "expected 3 column numbers"),
        ([np.array([0, 1])] * 10, "expected 3 column numbers"),
        (7, "expected a list"),
    ],
)
def test_damaged_columns(value: Any, text: str, training: Training) -> None:
    record = load(pickle.dumps(CASES["some columns"].fit(training["rows"])))
    record.fields["estimators_features_"] = value
    with pytest.raises(ClientError, match=text):
        read(Estimator.of(record, "model"))
