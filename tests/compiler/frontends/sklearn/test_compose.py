"""Pipelines, unions and tables with columns of their own."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from tests.compiler.frontends.sklearn.answers import assert_agrees, read_saved
from tests.compiler.frontends.sklearn.estimators import MISSING, ROWS, SCORE, THREE
from tests.compiler.frontends.sklearn.functions_of_tests import own_function, third_column
from tinsmith.errors import ClientError


def columns(*chosen: Any, **options: Any) -> ColumnTransformer:
    return ColumnTransformer([(f"t{i}", StandardScaler(), c) for i, c in enumerate(chosen)], **options)


@pytest.mark.parametrize(
    "estimator",
    [
        columns([1, 3], [0]),
        columns(slice(1, 3), remainder="passthrough"),
        columns(np.array([True, False, True, False, False]), [-1], remainder=MinMaxScaler()),
        columns(third_column, [], transformer_weights={"t0": 3.0}),
        columns([0], [0, 1]),
        FeatureUnion([("a", PCA(2)), ("b", "drop"), ("c", "passthrough")], transformer_weights={"a": 2.0}),
        Pipeline([("none", None), ("pass", "passthrough"), ("scale", StandardScaler())]),
        GridSearchCV(make_pipeline(columns([0, 1]), LogisticRegression()), {"logisticregression__C": [1.0]}),
        make_pipeline(GridSearchCV(LogisticRegression(), {"C": [1.0]})),
        make_pipeline(StandardScaler(), RandomForestRegressor(5, max_depth=4, random_state=0)),
        make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=5)),
        make_pipeline(MinMaxScaler(), IsolationForest(n_estimators=10, random_state=0)),
        make_pipeline(SelectFromModel(RandomForestRegressor(5, random_state=0)), StandardScaler()),
        *(FunctionTransformer(f) for f in (None, np.log1p, np.expm1, np.abs, np.square, np.cbrt, np.tanh)),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value))[:60],
)
@pytest.mark.filterwarnings("ignore")
def test_agrees(estimator: Any) -> None:
    assert_agrees(estimator.fit(ROWS, THREE), ROWS)


def test_trees_behind_a_scaler_take_missing_values() -> None:
    estimator = make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=5)).fit(MISSING, SCORE)
    assert_agrees(estimator, MISSING)


def test_boosted_trees_of_several_classes() -> None:
    estimator = make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=5)).fit(ROWS, THREE)
    assert_agrees(estimator, ROWS)


def test_own_functions_are_refused() -> None:
    with pytest.raises(
        ClientError, match=r"steps\[0\].*func is .*own_function; compiled are None and"
    ) as caught:
        read_saved(make_pipeline(FunctionTransformer(own_function), StandardScaler()).fit(ROWS))
    assert caught.value.area == "OperatorNotImplemented"
