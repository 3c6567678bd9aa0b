"""Scalers, powers, quantiles and bins, at and beside their thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)

from tests.compiler.frontends.sklearn.answers import assert_agrees
from tests.compiler.frontends.sklearn.estimators import POSITIVE, ROWS, SCORE

OUTSIDE = np.concatenate([ROWS, ROWS * 3])


@pytest.mark.parametrize(
    "estimator",
    [
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        RobustScaler(with_centering=False),
        MinMaxScaler((-1, 2), clip=True),
        MaxAbsScaler(),
        Normalizer("l1"),
        Normalizer("max"),
        PowerTransformer(standardize=False),
        QuantileTransformer(n_quantiles=20),
        QuantileTransformer(n_quantiles=20, output_distribution="normal"),
        KBinsDiscretizer(4, encode="ordinal", strategy="uniform"),
        KBinsDiscretizer([2, 3, 4, 5, 6], strategy="kmeans"),
        *(SplineTransformer(extrapolation=e) for e in ("constant", "linear", "continue", "periodic")),
        SplineTransformer(degree=2, n_knots=4, extrapolation="linear", include_bias=False),
        SplineTransformer(degree=1, extrapolation="continue"),
        SplineTransformer(degree=2, knots="quantile"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_agrees(estimator: Any) -> None:
    assert_agrees(estimator.fit(ROWS), OUTSIDE)


def test_box_cox() -> None:
    assert_agrees(PowerTransformer("box-cox").fit(POSITIVE + 0.1), POSITIVE + 0.1)


def test_numbers_at_the_edges_of_bins_and_quantiles() -> None:
    grid = np.arange(40.0).reshape(-1, 1)
    rows = np.concatenate(
        [
            grid,
            np.nextafter(grid.astype(np.float32), np.float32(-9)),
            np.nextafter(grid.astype(np.float32), np.float32(99)),
        ]
    )
    assert_agrees(KBinsDiscretizer(4, encode="ordinal", strategy="uniform").fit(grid), rows)
    assert_agrees(QuantileTransformer(n_quantiles=8).fit(np.repeat(grid, 3, axis=0)), rows)


@pytest.mark.parametrize(
    "options",
    [
        {"func": np.log1p, "inverse_func": np.expm1},
        *({"transformer": t} for t in (StandardScaler(), MinMaxScaler(), RobustScaler(), PowerTransformer())),
        {"transformer": PowerTransformer("box-cox")},
        *(
            {"transformer": QuantileTransformer(n_quantiles=30, output_distribution=d)}
            for d in ("uniform", "normal")
        ),
    ],
    ids=str,
)
def test_transformed_targets(options: dict[str, Any]) -> None:
    assert_agrees(TransformedTargetRegressor(LinearRegression(), **options).fit(ROWS, np.exp(SCORE)), ROWS)
