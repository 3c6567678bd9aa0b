"""Encoders of categories: one-hot, ordinal, target; and polynomial features.

Categories are compared as float32 numbers, which is what the model's input is made of.
"""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn.arrays import Array, vector
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, finite, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.responses import responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat, where
from tinsmith.compiler.frontends.sklearn.texts import number_texts

MAX_FEATURES = 100_000
"""Columns that polynomial features may make."""


def _categories(estimator: Estimator, x: Tensor) -> list[NDArray[np.float32]]:
    """Per column, the categories in float32; NaN stands for a missing value."""
    found = []
    for index, values in enumerate(estimator.get("categories_")):
        array = np.asarray(values)
        if array.dtype.kind == "O":
            array = np.array([np.nan if value is None else value for value in array.tolist()])
        if array.dtype.kind in "US":
            array = number_texts(estimator, x, index, [str(value) for value in np.asarray(values).tolist()])
        if array.dtype.kind not in "biuf" or array.ndim != 1 or not array.size:
            raise malformed(
                estimator.place, f"categories_[{index}]: expected categories, found {describe(values)}"
            )
        narrow = array.astype(np.float32)
        if len(np.unique(narrow)) != len(narrow):
            raise unsupported(estimator, f"categories_[{index}] holds numbers that are the same in float32")
        found.append(narrow)
    return found


def _matches(x: Tensor, index: int, categories: NDArray[np.float32]) -> Tensor:
    """bool [rows, categories]: which one the column's number is."""
    value = x.column(index).cast("float32").unsqueeze(1)
    equal = value.equals(categories)
    missing = np.isnan(categories)
    return equal.op("Or", value.isnan().op("And", missing)) if missing.any() else equal


def _groups(estimator: Estimator, index: int, count: int) -> NDArray[np.int64]:
    """The number that every category of a column has after infrequent ones were joined."""
    mappings = estimator.get("_default_to_infrequent_mappings", default=None)
    if not mappings or mappings[index] is None:
        return np.arange(count)
    mapping = np.asarray(mappings[index], np.int64)
    if mapping.shape != (count,) or not 0 <= mapping.min() <= mapping.max() < count:
        raise malformed(
            estimator.place, f"_default_to_infrequent_mappings[{index}] does not fit its categories"
        )
    return mapping


@responds("transform", "OneHotEncoder")
def one_hot(estimator: Estimator, x: Tensor) -> Tensor:
    """A column per category, all zeros for one that training did not know."""
    columns = []
    drops = estimator.get("_drop_idx_after_grouping", "drop_idx_", default=None)
    for index, categories in enumerate(_categories(estimator, x)):
        groups = _groups(estimator, index, len(categories))
        matches = _matches(x, index, categories).double()
        joined = len(np.unique(groups)) < len(groups)
        drop = None if drops is None else drops[index]
        if joined or drop is not None:
            kept = [group for group in range(groups.max() + 1) if drop is None or group != int(drop)]
            if not kept:
                continue
            matches = matches @ (groups[:, None] == np.array(kept)).astype(np.float64)
        if joined and estimator.get("handle_unknown") in ("infrequent_if_exist", "warn"):
            matches = matches + _unknown(x, index, categories) @ _infrequent(estimator, index, kept, groups)
        columns.append(matches)
    return concat(columns)


def _unknown(x: Tensor, index: int, categories: NDArray[np.float32]) -> Tensor:
    """[rows, 1]: 1 where the number is none of the categories."""
    return 1.0 - _matches(x, index, categories).double().max(keep=True)


def _infrequent(estimator: Estimator, index: int, kept: list[int], groups: NDArray[np.int64]) -> Array:
    """[1, kept]: 1 for the group of the infrequent categories."""
    group = groups[np.asarray(estimator.get("_infrequent_indices")[index], np.int64)[0]]
    return np.array([[float(own == group) for own in kept]])


@responds("transform", "OrdinalEncoder")
def ordinal(estimator: Estimator, x: Tensor) -> Tensor:
    """The number of the category; NaN for one that training did not know, where scikit-learn would refuse."""
    unknown = np.nan
    if estimator.get("handle_unknown", default="error") == "use_encoded_value":
        unknown = float(estimator.get("unknown_value"))
    missing = float(estimator.get("encoded_missing_value", default=np.nan))
    columns = []
    for index, categories in enumerate(_categories(estimator, x)):
        matches = _matches(x, index, categories).double()
        codes = _groups(estimator, index, len(categories)).astype(np.float64)
        special = np.isnan(categories)
        found = matches @ np.where(special, 0.0, codes)[:, None]
        if special.any():
            found = where(matches.columns(np.flatnonzero(special)).greater(0.0), missing, found)
        columns.append(where(matches.max(keep=True).greater(0.0), found, unknown))
    return concat(columns)


@responds("transform", "TargetEncoder")
def target(estimator: Estimator, x: Tensor) -> Tensor:
    """The mean of the target in the category, shrunk; the overall mean for a category that is not known."""
    encodings = estimator.get("encodings_")
    means = vector(estimator, "target_mean_")
    categories = _categories(estimator, x)
    classes = len(means) if estimator.get("target_type_", default="") == "multiclass" else 1
    if len(encodings) != len(categories) * classes:
        raise malformed(estimator.place, "encodings_ does not fit categories_")
    columns = []
    for number, encoding in enumerate(encodings):
        index = number // classes
        mean = float(means[number % classes])
        values = finite(encoding, f"{estimator.place}.encodings_[{number}]").reshape(-1, 1)
        matches = _matches(x, index, categories[index]).double()
        columns.append(matches @ (values - mean) + mean)
    return concat(columns)


@responds("transform", "PolynomialFeatures")
def polynomials(estimator: Estimator, x: Tensor) -> Tensor:
    """All products of columns up to the degree; a product is one node per factor for all columns at once."""
    powers = _products(estimator)
    longest = max(len(factors) for factors in powers)
    width = estimator.num_features
    # The column after the last holds ones.
    padded = concat([x, x.columns([0]).filled(1.0)]) if any(len(f) < max(longest, 1) for f in powers) else x
    factors = [[*f, *[width] * (max(longest, 1) - len(f))] for f in powers]
    found = padded.columns([f[0] for f in factors])
    for place in range(1, longest):
        found = found * padded.columns([f[place] for f in factors])
    return found


def _products(estimator: Estimator) -> list[tuple[int, ...]]:
    """The columns to multiply, per feature made."""
    degree: Any = estimator.get("degree")
    low, high = degree if isinstance(degree, tuple) else (0, degree)
    if not all(type(n) is int and 0 <= n <= 64 for n in (low, high)):
        raise malformed(estimator.place, f"degree: expected whole numbers, found {describe(degree)}")
    choose = combinations if estimator.get("interaction_only") else combinations_with_replacement
    found: list[tuple[int, ...]] = [()] if estimator.get("include_bias") else []
    for size in range(max(1, low), high + 1):
        for factors in choose(range(estimator.num_features), size):
            found.append(factors)
            if len(found) > MAX_FEATURES:
                raise unsupported(estimator, f"it makes more than {MAX_FEATURES} columns")
    if not found:
        raise malformed(estimator.place, "it makes no columns")
    return found
