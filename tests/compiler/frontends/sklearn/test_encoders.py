"""Encoders: unknown, dropped, infrequent and missing categories; polynomial features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PolynomialFeatures, TargetEncoder

from tests.compiler.frontends.sklearn.answers import answers, assert_agrees, read_saved
from tests.compiler.frontends.sklearn.estimators import CODES, ROWS, SCORE, THREE, TWO
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError

GAPS = np.where(np.random.default_rng(1).random(CODES.shape) < 0.2, np.nan, CODES)
BEYOND = np.where(CODES == 1, 77.0, CODES)
"""With a category that training does not know, where that is allowed."""
TEXT = np.array(["low", "middle", "high"], object)[THREE].reshape(-1, 1)


@pytest.mark.parametrize(
    "estimator",
    [
        OneHotEncoder(drop="first"),
        OneHotEncoder(drop="if_binary"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=12),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3, drop="first"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-5, min_frequency=12),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_agrees(estimator: Any) -> None:
    assert_agrees(estimator.fit(CODES), CODES)
    if estimator.handle_unknown != "error":
        assert_agrees(estimator, BEYOND)


@pytest.mark.parametrize(
    "estimator",
    [
        OneHotEncoder(),
        OrdinalEncoder(encoded_missing_value=-2),
        OrdinalEncoder(),
        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
    ],
    ids=str,
)
def test_missing_values_are_a_category(estimator: Any) -> None:
    assert_agrees(estimator.fit(GAPS), GAPS)


@pytest.mark.parametrize("target", [SCORE, TWO, THREE])
def test_means_of_targets(target: Any) -> None:
    assert_agrees(TargetEncoder(random_state=0).fit(CODES, target), BEYOND)


@pytest.mark.parametrize(
    "estimator",
    [
        PolynomialFeatures(3),
        PolynomialFeatures(3, interaction_only=True, include_bias=False),
        PolynomialFeatures((2, 3)),
        PolynomialFeatures(1, include_bias=False),
    ],
    ids=str,
)
def test_polynomials(estimator: Any) -> None:
    assert_agrees(estimator.fit(ROWS), ROWS)


def test_text_that_comes_straight_from_the_input_is_numbered() -> None:
    table = np.concatenate([TEXT, ROWS[:, :1].astype(object)], axis=1)
    text = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    estimator = ColumnTransformer([("number", "passthrough", [1]), ("text", text, [0])]).fit(table)
    found = read_saved(estimator, (80, 2))
    assert isinstance(found, Network)
    (numbers,) = found.texts.values()
    rows = np.stack([[numbers[text] for text in TEXT[:, 0]], ROWS[:, 0]], axis=1).astype(np.float32)
    np.testing.assert_allclose(answers(found, rows)[0], estimator.transform(table).astype(float), rtol=1e-6)
    assert "columns [0] hold text" in found.warnings[-1]


def test_text_behind_another_transformer_is_refused() -> None:
    estimator = make_pipeline(OneHotEncoder(sparse_output=False), OneHotEncoder()).fit(TEXT)
    estimator.steps[1][1].categories_[0] = np.array(["a", "b"], object)
    with pytest.raises(ClientError, match=r"steps\[1\].*holds text such as 'a', and another transformer"):
        read_saved(estimator)


def test_categories_that_float32_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(ClientError, match="the same in float32"):
        read_saved(OneHotEncoder().fit(np.array([[16777216.0], [16777217.0]])))
