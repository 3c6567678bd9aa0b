"""How many columns an estimator takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn import boosters
from tinsmith.compiler.frontends.sklearn.arrays import dense
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, malformed

COUNTS = ("n_features_in_", "n_features_", "_n_features", "n_input_features_")
FIRST = ("x_mean_", "_x_mean", "random_weights_")
TABLES = (
    *("coef_", "components_", "cluster_centers_", "support_vectors_", "_fit_X", "X_fit_", "X_train_", "X_"),
    *("theta_", "means_", "subcluster_centers_", "centroids_", "feature_log_prob_"),
)
"""Attributes with a column per column of the input."""
VECTORS = ("mean_", "scale_", "center_", "statistics_", "variances_", "scores_", "lambdas_")
LISTS = ("categories_", "bin_edges_")
INSIDE = (
    *("best_estimator_", "steps", "transformer_list", "estimator_", "estimators_", "base_estimator_"),
    *("calibrated_classifiers_", "regressor_", "estimator", "base_estimator"),
)
"""Where estimators hold estimators that take the same columns. Versions before 0.24 rarely tell the number
themselves."""
MAX_DEPTH = 32


def width_of(estimator: Estimator, asked: int | None) -> int:
    """Columns of the input: where the file does not tell, those that the customer has `asked` for. Raises
    ClientError where neither does."""
    found = told_width(estimator) or asked
    if found is None or not 1 <= found < 1 << 24:
        raise malformed(
            estimator.place,
            f"{estimator.record.name} does not tell how many columns it takes: "
            'give a DataInputConfig such as {"data": [1, 4]}',
        )
    return found


def told_width(estimator: Estimator) -> int | None:
    """Columns of the input, where the file tells them."""
    return _width(estimator.record, MAX_DEPTH)


def _width(value: Any, depth: int) -> int | None:
    if isinstance(value, tuple) and len(value) >= 2 and isinstance(value[0], str):
        value = value[1]
    if depth == 0 or not isinstance(value, Record):
        return None
    if value.name.startswith("xgboost.") and "_Booster" in value.fields:
        return boosters.width_of(Estimator.of(value, "model"))
    if value.short_name in ("RFE", "RFECV") and isinstance(value.fields.get("support_"), np.ndarray):
        return int(value.fields["support_"].size)  # n_features_ is what is left
    for name in COUNTS:
        count = value.fields.get(name)
        if isinstance(count, int | np.integer) and not isinstance(count, bool):
            return int(count)
    for name in INSIDE:
        held = value.fields.get(name)
        held = held.reshape(-1).tolist() if isinstance(held, np.ndarray) else held
        for part in held if isinstance(held, list | tuple) else [held]:
            found = _width(part, depth - 1)
            if found is not None:
                return found
    return _by_arrays(value)


def _by_arrays(record: Record) -> int | None:
    if record.short_name == "IsotonicRegression":
        return 1
    for names, axis in ((FIRST, 0), (TABLES, -1), (VECTORS, 0)):
        for name in names:
            table = dense(record.fields.get(name), name)
            if isinstance(table, np.ndarray) and table.ndim:
                return int(table.shape[axis])
    for name in LISTS:
        values = record.fields.get(name)
        if isinstance(values, list | np.ndarray):
            return len(values)
    return None


def names_of(estimator: Estimator, width: int) -> tuple[str, ...]:
    """Column names of the data frame it was trained on; empty when it was trained on an array."""
    value: Any = estimator.record
    for _ in range(MAX_DEPTH):
        if not isinstance(value, Record):
            return ()
        names = value.fields.get("feature_names_in_")
        if isinstance(names, np.ndarray | list):
            return tuple(map(str, names)) if len(names) == width else ()
        steps = value.fields.get("steps")
        value = steps[0][1] if isinstance(steps, list) and steps and isinstance(steps[0], tuple) else None
    return ()
