"""Nearest neighbours: weights, metrics, radii, outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    NearestCentroid,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.semi_supervised import LabelSpreading

from tests.compiler.frontends.sklearn.answers import answers, assert_agrees, read_saved
from tests.compiler.frontends.sklearn.estimators import PAIR, ROWS, SCORE, THREE
from tinsmith.errors import ClientError

MANY = ROWS[40:]
"""Rows for queries; the others are trained on."""


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (KNeighborsClassifier(3, metric="manhattan"), THREE),
        (KNeighborsClassifier(weights="distance", metric="minkowski", p=3), THREE),
        (KNeighborsClassifier(metric="chebyshev", algorithm="brute"), THREE),
        (KNeighborsClassifier(metric="cosine"), THREE),
        (KNeighborsRegressor(weights="distance"), SCORE),
        (KNeighborsRegressor(weights="distance"), PAIR),
        (KNeighborsRegressor(), PAIR),
        (RadiusNeighborsClassifier(2.0, weights="distance", outlier_label=1), THREE),
        (RadiusNeighborsRegressor(1.5, weights="distance"), SCORE),
        (RadiusNeighborsRegressor(2.5), PAIR),
        (NearestCentroid(metric="manhattan"), THREE),
        (NearestCentroid(shrink_threshold=0.2, priors="empirical"), THREE),
        (LabelSpreading(kernel="knn"), THREE),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_agrees(estimator: Any, target: Any) -> None:
    assert_agrees(estimator.fit(ROWS[:40], target[:40]), MANY)


@pytest.mark.parametrize("weights", ["distance", "uniform"])
def test_a_training_row_itself(weights: str) -> None:
    assert_agrees(KNeighborsClassifier(weights=weights).fit(ROWS[:40], THREE[:40]), ROWS[:40])


def test_no_neighbour_and_no_outlier_label_gives_nan() -> None:
    estimator = RadiusNeighborsClassifier(0.001).fit(ROWS, THREE)
    (found,) = answers(read_saved(estimator, (1, 5)), np.full((1, 5), 90, np.float32))
    assert np.isnan(found).all()


def test_other_metrics_are_refused() -> None:
    with pytest.raises(ClientError, match=r"metric=.*canberra.*compiled are euclidean"):
        read_saved(KNeighborsClassifier(metric="canberra").fit(ROWS, THREE))
