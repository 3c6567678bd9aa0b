"""What arranges other estimators: pipelines, unions, columns, searches, transformed targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.responses import (
    CLASS_INDEX,
    INVERSE,
    METHODS,
    follows,
    has,
    respond,
    responds,
)
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat
from tinsmith.compiler.frontends.sklearn.wrappers import SEARCHES


@follows(*SEARCHES)
def best(estimator: Estimator) -> Estimator:
    """The estimator that a search refitted."""
    return estimator.child("best_estimator_")


@follows(
    "FrozenEstimator", "SelfTrainingClassifier", "FixedThresholdClassifier", "TunedThresholdClassifierCV"
)
def inner(estimator: Estimator) -> Estimator:
    """The one estimator inside."""
    return estimator.child("estimator_", "base_estimator_", "estimator")


def _steps(estimator: Estimator) -> list[Estimator]:
    """The steps that do something."""
    steps = estimator.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, tuple) and len(step) == 2 for step in steps):
        raise malformed(f"{estimator.place}.steps", f"expected a list of pairs, found {describe(steps)}")
    return [
        estimator.inside(f"steps[{i}] ({name})", step)
        for i, (name, step) in enumerate(steps)
        if step is not None and step != "passthrough"
    ]


@follows("Pipeline")
def last(estimator: Estimator) -> Estimator:
    """The last step, or, when it only passes on, the one before."""
    steps = _steps(estimator)
    if not steps:
        raise malformed(estimator.place, "a pipeline without any step that does something")
    return steps[-1]


@follows("RFE", "RFECV")
def selected(estimator: Estimator) -> Estimator:
    """What was trained on the columns that were kept."""
    return estimator.child("estimator_")


def _run(estimator: Estimator, method: str, x: Tensor) -> Tensor:
    if estimator.kind != "Pipeline":
        return respond(selected(estimator), method, respond(estimator, "transform", x))
    *before, final = _steps(estimator)
    for step in before:
        x = respond(step, "transform", x)
    return respond(final, method, x)


def _register(method: str) -> None:
    """Both answer `method` by what their last estimator makes of what comes before."""
    responds(method, "Pipeline", when=lambda e: has(last(e), method))(lambda e, x: _run(e, method, x))
    if method != "transform":
        responds(method, "RFE", "RFECV", when=lambda e: has(selected(e), method))(
            lambda e, x: _run(e, method, x)
        )


for _method in (*METHODS, CLASS_INDEX):
    _register(_method)


@responds(INVERSE, "Pipeline")
def backwards(estimator: Estimator, x: Tensor) -> Tensor:
    """The inverses of the steps, from the last one on."""
    for step in reversed(_steps(estimator)):
        x = respond(step, INVERSE, x)
    return x


def _branches(estimator: Estimator, name: str, entries: Any) -> list[tuple[str, Any, str]]:
    """Key, transformer and place of what is not dropped."""
    if not isinstance(entries, list | tuple):
        raise malformed(f"{estimator.place}.{name}", f"expected a list, found {describe(entries)}")
    return [
        (str(entry[0]), entry[1], f"{name}[{i}] ({entry[0]})")
        for i, entry in enumerate(entries)
        if entry[1] is not None and entry[1] != "drop"
    ]


def _weights(estimator: Estimator) -> dict[str, float]:
    return {str(k): float(v) for k, v in (estimator.get("transformer_weights", default=None) or {}).items()}


def _transformed(estimator: Estimator, place: str, transformer: Any, x: Tensor) -> Tensor:
    return (
        x if transformer == "passthrough" else respond(estimator.inside(place, transformer), "transform", x)
    )


@responds("transform", "FeatureUnion")
def union(estimator: Estimator, x: Tensor) -> Tensor:
    """Side by side what the transformers give."""
    weights, found = _weights(estimator), []
    for key, transformer, place in _branches(
        estimator, "transformer_list", estimator.get("transformer_list")
    ):
        columns = _transformed(estimator, place, transformer, x)
        found.append(columns * weights[key] if key in weights else columns)
    if not found:
        raise malformed(estimator.place, "every transformer is dropped")
    return concat(found)


@responds("transform", "ColumnTransformer")
def columns(estimator: Estimator, x: Tensor) -> Tensor:
    """Side by side what each transformer makes of its columns."""
    entries = estimator.get("transformers_")
    weights, found = _weights(estimator), []
    chosen = {str(entry[0]): entry[2] for entry in entries}
    for key, transformer, place in _branches(estimator, "transformers_", entries):
        numbers = column_numbers(estimator, key, chosen[key])
        if numbers:
            part = _transformed(estimator, place, transformer, x.columns(numbers))
            found.append(part * weights[key] if key in weights else part)
    if not found:
        raise malformed(estimator.place, "every transformer is dropped")
    return concat(found)


def column_numbers(estimator: Estimator, key: str, chosen: Any) -> list[int]:
    """Which columns a transformer of a ColumnTransformer takes, in order."""
    place = f"{estimator.place}.transformers_ ({key})"
    known = estimator.get("_transformer_to_input_indices", default={})
    width = _width(estimator)
    if isinstance(chosen, Record) and isinstance(chosen.fields.get("data"), list):
        chosen = chosen.fields["data"]
    if key in known:
        chosen = known[key]
    numbers = _numbers(estimator, place, chosen, width)
    if any(not -width <= number < width for number in numbers):
        raise malformed(place, f"columns {numbers[:20]} of a table of {width}")
    return [number % width for number in numbers]


def _width(estimator: Estimator) -> int:
    return int(estimator.number("n_features_in_", "_n_features"))


def _numbers(estimator: Estimator, place: str, chosen: Any, width: int) -> list[int]:
    if isinstance(chosen, Record) and chosen.name.endswith("slice"):
        chosen = slice(*chosen.args)
    if isinstance(chosen, slice):
        parts = (chosen.start, chosen.stop, chosen.step)
        if all(part is None or isinstance(part, int) for part in parts):
            return list(range(width))[chosen]
        raise malformed(place, "a slice of names: name the columns one by one")
    values = np.asarray(chosen).reshape(-1) if isinstance(chosen, np.ndarray) else chosen
    values = values.tolist() if isinstance(values, np.ndarray) else values
    values = list(values) if isinstance(values, list | tuple) else [values]
    if values and all(isinstance(value, bool | np.bool_) for value in values):
        return [index for index, value in enumerate(values) if value]
    names = [str(name) for name in estimator.get("feature_names_in_", default=())]
    found = []
    for value in values:
        if isinstance(value, str) and value in names:
            found.append(names.index(value))
        elif isinstance(value, int | np.integer):
            found.append(int(value))
        else:
            raise unsupported(
                estimator,
                f"columns {describe(chosen)} of {key_of(place)}: the file does not tell their numbers",
            )
    return found


def key_of(place: str) -> str:
    """The name of the transformer that a place ends with."""
    return place.rpartition("(")[2].rstrip(")")


@responds("predict", "TransformedTargetRegressor")
def transformed_target(estimator: Estimator, x: Tensor) -> Tensor:
    """What the regressor predicts, through the inverse of the transformer."""
    found = respond(estimator.child("regressor_"), "predict", x)
    dimensions = int(estimator.number("_training_dim"))
    table = found.as_table()
    table = respond(estimator.child("transformer_"), INVERSE, table)
    return table.column(0) if dimensions == 1 else table
