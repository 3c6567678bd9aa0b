"""What stands for missing values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn.arrays import Array
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.responses import respond, responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat, where
from tinsmith.compiler.frontends.sklearn.texts import number_texts

IMPUTERS = ("SimpleImputer", "KNNImputer", "IterativeImputer")


def missing(estimator: Estimator, x: Tensor) -> Tensor:
    """bool: where `x` holds the value that stands for a missing one."""
    marker: Any = estimator.get("missing_values", default=np.nan)
    if marker is None or (isinstance(marker, float | np.floating) and np.isnan(marker)):
        return x.isnan()
    if not isinstance(marker, int | float | np.integer | np.floating):
        raise unsupported(estimator, f"missing_values={describe(marker)}; a number is needed")
    return x.equals(float(marker))


def _with_indicator(estimator: Estimator, x: Tensor, imputed: Tensor) -> Tensor:
    """`imputed`, with the columns of the indicator where the imputer adds them."""
    if not estimator.get("add_indicator", default=False):
        return imputed
    return concat([imputed, respond(estimator.child("indicator_"), "transform", x)])


def _kept(estimator: Estimator, empty: Any) -> list[int]:
    """The columns that are not left out for having had no value in training."""
    if estimator.get("keep_empty_features", default=False):
        return list(range(len(empty)))
    return [int(index) for index in np.flatnonzero(~np.asarray(empty, bool))]


@responds("transform", "MissingIndicator")
def indicator(estimator: Estimator, x: Tensor) -> Tensor:
    """1 where a value is missing, else 0."""
    found = missing(estimator, x).double()
    if estimator.get("features") == "all":
        return found
    return found.columns(np.asarray(estimator.get("features_"), np.int64))


@responds("transform", "SimpleImputer")
def simple(estimator: Estimator, x: Tensor) -> Tensor:
    """A constant per column; columns without one are left out."""
    statistics = _statistics(estimator, x)
    empty = np.isnan(statistics)
    kept = _kept(estimator, empty)
    filled = where(missing(estimator, x), np.where(empty, 0.0, statistics), x)
    filled = replace(filled, sources=x.sources)
    return _with_indicator(estimator, x, filled if len(kept) == len(statistics) else filled.columns(kept))


def _statistics(estimator: Estimator, x: Tensor) -> Array:
    """What is filled in per column; NaN in columns without a value. For text, its number."""
    values = np.asarray(estimator.get("statistics_")).reshape(-1).tolist()
    found = []
    for index, value in enumerate(values):
        if isinstance(value, str):
            found.append(float(number_texts(estimator, x, index, [value])[0]))
        else:
            found.append(np.nan if value is None else float(value))
    return np.array(found)


@responds("transform", "KNNImputer")
def nearest(estimator: Estimator, x: Tensor) -> Tensor:
    """The mean of the nearest training rows that have the value, by a distance over what both rows have."""
    fitted = np.asarray(estimator.get("_fit_X"), np.float64)
    absent: NDArray[np.bool_] = np.array(estimator.get("_mask_fit_X"), bool, ndmin=2)
    weights = estimator.get("weights")
    if estimator.get("metric") != "nan_euclidean" or weights not in ("uniform", "distance"):
        raise unsupported(estimator, "only the metric nan_euclidean with weights 'uniform' or 'distance'")
    if fitted.ndim != 2 or absent.shape != fitted.shape:
        raise malformed(estimator.place, "_mask_fit_X does not fit _fit_X")
    gone = missing(estimator, x)
    distance = _nan_distances(
        where(gone, 0.0, x), 1.0 - gone.double(), np.where(absent, 0.0, fitted), ~absent
    )
    count = int(estimator.number("n_neighbors"))
    empty = np.atleast_1d(absent.all(axis=0))
    columns = []
    for index in range(fitted.shape[1]):
        if empty[index]:
            columns.append(x.columns([index]).filled(0.0))
            continue
        donors = np.flatnonzero(~absent[:, index])
        value = _donated(
            distance.columns(donors), fitted[donors, index], min(count, len(donors)), weights == "distance"
        )
        columns.append(where(gone.columns([index]), value.unsqueeze(1), x.columns([index])))
    kept = _kept(estimator, empty)
    result = concat(columns)
    return _with_indicator(estimator, x, result if len(kept) == len(empty) else result.columns(kept))


def _nan_distances(x: Tensor, present: Tensor, fitted: Array, known: Any) -> Tensor:
    """[rows, fitted rows]: Euclidean over the columns that both have, scaled to all of them; infinite
    where there are none."""
    both = present.unsqueeze(1) * known[None].astype(np.float64)
    squares = ((x.unsqueeze(1) - fitted[None]).square() * both).sum(2)
    number = both.sum(2)
    scaled = (squares * float(fitted.shape[1]) / number.op("Max", 1.0)).sqrt()
    return where(number.equals(0.0), np.inf, scaled)


def _donated(distances: Tensor, values: Array, count: int, by_distance: bool) -> Tensor:
    """[rows]: the (weighted) mean of the `values` at the smallest `distances`; of all if none is finite."""
    near, which = distances.smallest(count)
    weight = near.less(np.inf).double()
    if by_distance:
        exact = near.equals(0.0).double()
        any_exact = exact.max(keep=True).greater(0.0)
        weight = where(any_exact, exact, weight / near)
    total = weight.sum()
    none = total.equals(0.0)
    mean = (weight * which.of(values)).sum() / (total + none.double())
    return where(none, float(values.mean()), mean)


@responds("transform", "IterativeImputer")
def iterative(estimator: Estimator, x: Tensor) -> Tensor:
    """Every round's regressions, in their order, on what the rounds before filled in."""
    if estimator.get("sample_posterior", default=False):
        raise unsupported(estimator, "sample_posterior=True draws random numbers")
    start = estimator.child("initial_imputer_")
    statistics = np.asarray(start.get("statistics_"), np.float64)
    if np.isnan(statistics).any():
        raise unsupported(estimator, "columns without any value in training")
    gone = missing(estimator, x)
    columns = where(gone, statistics, x)
    width = len(statistics)
    low, high = (
        np.broadcast_to(np.asarray(estimator.get(n), np.float64), width) for n in ("_min_value", "_max_value")
    )
    for number, triplet in enumerate(estimator.get("imputation_sequence_")):
        feature, neighbours, regressor = triplet.args if isinstance(triplet, Record) else triplet
        member = estimator.inside(f"imputation_sequence_[{number}]", regressor)
        value = respond(member, "predict", columns.columns(neighbours))
        value = value.clip(float(low[feature]), float(high[feature])).unsqueeze(1)
        mask = gone.op("And", np.arange(width) == int(feature))
        columns = where(mask, value, columns)
    return _with_indicator(estimator, x, columns)
