"""XGBoost's estimators alone and inside scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.compiler.frontends.sklearn.answers import answers, expected, read_saved
from tests.compiler.frontends.sklearn.estimators import MISSING, PAIR, ROWS, SCORE, THREE, TWO
from tinsmith.errors import ClientError

FEW: dict[str, Any] = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1}


def assert_near(estimator: Any, rows: Any) -> None:
    """In float32: a number that a scaler rounds the other way may take another branch, which these do not."""
    rows = rows.astype(np.float32)
    (found,), (wanted,) = answers(read_saved(estimator, rows.shape), rows), expected(estimator, rows)
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (make_pipeline(StandardScaler(), xgboost.XGBClassifier(**FEW)), TWO),
        (make_pipeline(StandardScaler(), xgboost.XGBClassifier(**FEW)), THREE),
        (make_pipeline(StandardScaler(), xgboost.XGBRegressor(**FEW)), SCORE),
        (
            make_pipeline(
                StandardScaler(), xgboost.XGBRegressor(multi_strategy="one_output_per_tree", **FEW)
            ),
            PAIR,
        ),
        (make_pipeline(StandardScaler(), xgboost.XGBRegressor(booster="dart", **FEW)), SCORE),
        (make_pipeline(StandardScaler(), xgboost.XGBRFClassifier(**FEW)), THREE),
        (make_pipeline(xgboost.XGBRegressor(objective="count:poisson", **FEW)), np.round(np.exp(SCORE))),
        (StackingClassifier([("x", xgboost.XGBClassifier(**FEW)), ("l", LogisticRegression())]), THREE),
        (xgboost.XGBClassifier(**FEW), THREE),
    ],
    ids=lambda value: "" if isinstance(value, np.ndarray) else str(value)[:40],
)
def test_agrees(estimator: Any, target: Any) -> None:
    assert_near(estimator.fit(ROWS, target), ROWS)


def test_missing_values() -> None:
    assert_near(make_pipeline(StandardScaler(), xgboost.XGBRegressor(**FEW)).fit(MISSING, SCORE), MISSING)


def test_early_stopping_leaves_out_the_trees_after_the_best_one() -> None:
    model = xgboost.XGBClassifier(
        n_estimators=60, max_depth=4, learning_rate=0.9, early_stopping_rounds=3, n_jobs=1
    )
    model.fit(ROWS[:40], THREE[:40], eval_set=[(ROWS[40:], THREE[40:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    assert_near(model, ROWS)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"missing": -1.0}, "missing=float -1.0; NaN is compiled"),
        ({"booster": "gblinear"}, "Framework XGBOOST"),
    ],
)
def test_refusals_name_the_step(options: dict[str, Any], text: str) -> None:
    estimator = make_pipeline(StandardScaler(), xgboost.XGBRegressor(n_estimators=1, n_jobs=1, **options))
    with pytest.raises(ClientError, match=r"steps\[1\] \(xgbregressor\)") as caught:
        read_saved(estimator.fit(ROWS, SCORE))
    assert text in str(caught.value)
