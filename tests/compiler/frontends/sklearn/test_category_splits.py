"""Categorical columns of histogram gradient boosting against scikit-learn itself."""

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
from tinsmith.compiler.frontends.sklearn.hist_gradient_boosting import read_regressor
from tinsmith.compiler.ir.model import Forest
from tinsmith.errors import ClientError

if TYPE_CHECKING:
    from tests.compiler.frontends.sklearn.conftest import Frontend

SMALL: dict[str, Any] = {"max_iter": 8, "min_samples_leaf": 2, "random_state": 0}

CATEGORIES: dict[str, list[float]] = {
    "0 to 8": [0, 1, 2, 3, 4, 5, 6, 7, 8],
    "with gaps": [2, 3, 7, 20, 90210, 16777215],
    "negative": [-5, -1, 0, 4],
    "fractions": [-0.5, 0.1, 0.25, 1.75],
    "two": [1, 2],
    "none that float32 holds": [0.1, 0.3, 0.7],
    "more than float32 holds": [0, 2, 2**25 + 1, 2**25 + 2, 1e300],
    "many": [float(n) for n in range(-60, 60)],
}


def drawn(categories: list[float], size: int, seed: int = 0) -> NDArray[np.float64]:
    """A random column."""
    return np.random.default_rng(seed).choice(np.array(categories, np.float64), size)


def asked(categories: list[float], size: int) -> NDArray[np.float32]:
    """Known, unknown and odd numbers for such a column."""
    odd = [np.nan, -1.0, 0.5, 1.5, 255.0, 256.0, 1e9, -0.0, 3.0]  # scikit-learn's encoder refuses infinity
    numbers = [number for number in [*categories, *categories, *odd] if not number > 1e38]
    return drawn(numbers, size, seed=1).astype(np.float32)


@pytest.mark.parametrize("name", CATEGORIES)
@pytest.mark.parametrize("missing", [False, True])
def test_agrees_on_known_unknown_and_missing(name: str, missing: bool, frontend: Frontend) -> None:
    categories = CATEGORIES[name]
    random = np.random.default_rng(3)
    size = 25 * len(categories) + 300
    rows = np.stack([random.normal(size=size), drawn(categories, size), drawn(categories, size, 9)], axis=1)
    effect = dict(zip(categories, random.permutation(len(categories)), strict=True))
    target = rows[:, 0] + np.array([effect[value] for value in rows[:, 1]]) - rows[:, 2].clip(-9, 9)
    if missing:
        rows[random.random(rows.shape) < 0.1] = np.nan
    estimator = HistGradientBoostingRegressor(categorical_features=[1, 2], **SMALL).fit(rows, target)
    model = frontend.model(estimator)
    assert isinstance(model.body, Forest)
    assert (model.body.category >= 0).any()
    columns = [
        random.normal(size=400).astype(np.float32),
        asked(categories, 400),
        asked(categories, 400)[::-1],
    ]
    matrix = np.stack(columns, axis=1)
    frontend.assert_agrees(model, matrix, frontend.ask(estimator.predict, matrix))
    assert {encoding.feature for encoding in model.body.encodings} <= {1, 2}


def test_columns_are_the_users_own(frontend: Frontend) -> None:
    """scikit-learn moves categorical columns to the front; the model's input keeps the user's order."""
    random = np.random.default_rng(0)
    rows = random.integers(0, 6, (300, 5)).astype(np.float64)
    target = random.permutation(6)[rows[:, 3].astype(int)] + rows[:, 0] * 2 + rows[:, 4]
    mask = np.array([False, True, False, True, False])
    estimator = HistGradientBoostingClassifier(categorical_features=mask, **SMALL).fit(
        rows, target > target.mean()
    )
    matrix = random.integers(-1, 8, (200, 5)).astype(np.float32)
    frontend.assert_agrees(
        frontend.model(estimator), matrix, frontend.ask(estimator.predict_proba, matrix), ulps=4
    )


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_small_training_set(frontend: Frontend, data: st.DataObject) -> None:
    number = st.sampled_from([np.nan, -2.5, 0.0, 1.0, 2.0, 3.0, 255.0])
    rows = data.draw(arrays(np.float64, (30, 2), elements=number))
    assume(not np.isnan(rows).all(axis=0).any())  # scikit-learn cannot bin a column without numbers
    target = data.draw(arrays(np.float64, 30, elements=st.integers(0, 5).map(float)))
    settings_ = {"max_iter": 3, "min_samples_leaf": 1, "max_bins": 8, "categorical_features": [0]}
    estimator = HistGradientBoostingRegressor(**settings_).fit(rows, target)
    asked = st.one_of(number, st.floats(width=32, allow_infinity=False))
    matrix = data.draw(arrays(np.float32, (12, 2), elements=asked))
    frontend.assert_agrees(frontend.model(estimator), matrix, frontend.ask(estimator.predict, matrix))


def test_text_categories_are_refused(frontend: Frontend) -> None:
    rows = np.array([["a", 1.0], ["b", 2.0]] * 30, object)
    estimator = HistGradientBoostingRegressor(categorical_features=[0], **SMALL)
    estimator.fit(rows, np.tile([1.0, 5.0], 30))
    with pytest.raises(
        ClientError, match=r"categorical column 0 holds an array of object.*only numbers are compiled"
    ):
        frontend.model(estimator)


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        (("_bin_mapper", "is_categorical_"), np.array([True]), "expected 2 features, found 1"),
        (("_bin_mapper", "bin_thresholds_"), [np.array([-1.0]), np.array([])], "expected codes 0 to 255"),
        (("_bin_mapper", "bin_thresholds_"), [np.array([256.0]), np.array([])], "expected codes 0 to 255"),
        (("is_categorical_",), np.array([True]), "is_categorical_: expected 2 values, found 1"),
        (("is_categorical_",), np.array([True, True]), "1 encoded columns of 2 categorical ones"),
        (("_preprocessor", "transformers_"), [], "transformers_ has no encoder"),
    ],
)
def test_damaged_fields(place: tuple[str, ...], value: Any, text: str) -> None:
    rows = np.random.default_rng(0).integers(0, 4, (100, 2)).astype(float)
    estimator = HistGradientBoostingRegressor(categorical_features=[0], **SMALL).fit(rows, rows[:, 0] % 2)
    record = load(pickle.dumps(estimator))
    inner = record
    for name in place[:-1]:
        inner = inner.fields[name]
    inner.fields[place[-1]] = value
    with pytest.raises(ClientError, match=text):
        read_regressor(Estimator.of(record, "model"))


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (np.zeros((0, 8), np.uint32), "refers to a set that is not there"),
        (np.zeros((9, 4), np.uint32), "raw_left_cat_bitsets: expected"),
        (np.zeros((9, 8)), "raw_left_cat_bitsets: expected"),
        (None, "raw_left_cat_bitsets: expected"),
    ],
)
def test_damaged_sets(table: Any, text: str) -> None:
    rows = np.random.default_rng(0).integers(0, 4, (100, 2)).astype(float)
    estimator = HistGradientBoostingRegressor(categorical_features=[0], **SMALL).fit(rows, rows[:, 0] % 2)
    record = load(pickle.dumps(estimator))
    for (predictor,) in record.fields["_predictors"]:
        predictor.fields["raw_left_cat_bitsets"] = table
    with pytest.raises(ClientError, match=text):
        read_regressor(Estimator.of(record, "model"))
