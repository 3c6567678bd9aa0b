"""Imputers: strategies, empty columns, indicators, other markers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, MissingIndicator, SimpleImputer

from tests.compiler.frontends.sklearn.answers import assert_agrees
from tests.compiler.frontends.sklearn.estimators import CODES, MISSING

EMPTY = np.concatenate([MISSING, np.full((len(MISSING), 1), np.nan)], axis=1)
FILLED = np.where(np.isnan(EMPTY), np.where(np.arange(6) == 5, 1.0, np.nan), EMPTY)


@pytest.mark.parametrize(
    "estimator",
    [
        SimpleImputer(strategy="median"),
        SimpleImputer(strategy="constant", fill_value=7),
        SimpleImputer(add_indicator=True),
        SimpleImputer(keep_empty_features=True),
        KNNImputer(n_neighbors=3, weights="distance"),
        KNNImputer(add_indicator=True),
        KNNImputer(keep_empty_features=True),
        MissingIndicator(features="all"),
        MissingIndicator(),
        IterativeImputer(max_iter=3, add_indicator=True, random_state=0),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_agrees(estimator: Any) -> None:
    if not isinstance(estimator, IterativeImputer):
        assert_agrees(estimator.fit(EMPTY), EMPTY)
    assert_agrees(estimator.fit(MISSING), MISSING)


def test_another_marker_of_missing_values() -> None:
    assert_agrees(SimpleImputer(missing_values=1).fit(CODES), CODES)


def test_rows_of_which_nothing_is_known() -> None:
    rows = MISSING.copy()
    rows[3] = np.nan
    assert_agrees(KNNImputer().fit(MISSING), rows)
