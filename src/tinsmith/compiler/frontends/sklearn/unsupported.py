"""Clear refusals: every estimator inside an object that is not compiled, with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from tinsmith.compiler.formats.pickle_objects import Global, Record
from tinsmith.compiler.frontends.sklearn.estimator import describe
from tinsmith.errors import ClientError

MAX_ESTIMATORS = 1000
MAX_PLACES = 3
TEXT_TRANSFORMERS = {"CountVectorizer", "TfidfVectorizer", "HashingVectorizer"}
XGBOOST_HINT = "this is an XGBoost model; compile it with Framework XGBOOST"


def is_supported(record: Record, supported: Collection[str]) -> bool:
    """Whether the class is one of scikit-learn's own whose short name is in `supported`."""
    return record.name.startswith("sklearn.") and record.short_name in supported


def refuse(value: Any, file: str, supported: Collection[str]) -> ClientError:
    """The error for the object `value` in `file`, which is not a supported estimator."""
    if not isinstance(value, Record) or not _is_estimator(value):
        found = f"a {type(value).__name__}"
        if isinstance(value, Record):
            found = f"an object of {value.name}, which was not run or imported"
        elif isinstance(value, Global):
            found = f"the class or function {value.name}"
        elif isinstance(value, np.ndarray):
            found = describe(value)
        return ClientError(
            "InputConfiguration", f"{file}: expected a trained scikit-learn estimator, found {found}"
        )
    places: dict[str, list[str]] = {}
    for place, record in _unsupported(value, supported):
        places.setdefault(_text(record), []).append(place)
    problems = [f"{_listed(where)}: {text}" for text, where in places.items()]
    if not problems:
        problems = [f"{value.name}: its parts are compiled only one by one; save one of them alone"]
    return ClientError("OperatorNotImplemented", problems)


def _text(record: Record) -> str:
    *modules, cls = record.name.split(".")
    name = ".".join([part for part in modules if not part.startswith("_")] + [cls])
    if record.short_name in TEXT_TRANSFORMERS:
        return f"{name} takes text; only numeric inputs are compiled"
    if record.name.startswith("xgboost."):
        return f"{name}: {XGBOOST_HINT}"
    return name


def _listed(places: list[str]) -> str:
    if len(places) <= MAX_PLACES:
        return ", ".join(places)
    return f"{', '.join(places[:MAX_PLACES])} and {len(places) - MAX_PLACES} more"


def _is_estimator(record: Record) -> bool:
    return (
        "_sklearn_version" in record.fields
        or record.name.startswith(("xgboost.", "lightgbm.", "catboost."))
        or any(name.endswith("_") and not name.startswith("_") for name in record.fields)
    )


CONTAINERS = {"Pipeline", "FeatureUnion", "ColumnTransformer", "GridSearchCV", "RandomizedSearchCV"}
"""Estimators that are only a way to write down others."""


def _unsupported(root: Record, supported: Collection[str]) -> Iterator[tuple[str, Record]]:
    """Place and record of every estimator under `root` that is not supported, each once."""
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [("", root)]
    count = 0
    while todo and count < MAX_ESTIMATORS:
        place, value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Record):
            if is_supported(value, supported):
                continue
            private = value.short_name.startswith("_")
            if _is_estimator(value) and not private and value.short_name not in CONTAINERS:
                count += 1
                yield place or "model", value
            if value.short_name in TEXT_TRANSFORMERS:
                continue
            todo.extend(reversed(_fields(place, value)))
        else:
            todo.extend(reversed(list(_elements(place, value))))


def _fields(place: str, record: Record) -> list[tuple[str, Any]]:
    """The attributes to look into: those set by training where they hold estimators, else the parameters."""
    trained = {
        name: value for name, value in record.fields.items() if name.endswith("_") and _holds_records(value)
    }
    chosen = trained or record.fields
    return [(f"{place}.{name}" if place else name, value) for name, value in chosen.items()]


def _holds_records(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, np.ndarray):
        value = value.reshape(-1).tolist() if value.dtype.hasobject else []
    if isinstance(value, list | tuple):
        return any(
            isinstance(part, Record) or (isinstance(part, list | tuple) and _holds_records(part))
            for part in value
        )
    return isinstance(value, Record) and value.name.startswith("sklearn.")


def _elements(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        value = value.reshape(-1).tolist()
    if isinstance(value, dict):
        yield from ((f"{place}[{key!r:.40}]", part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            named = isinstance(part, tuple) and len(part) >= 2 and isinstance(part[0], str)
            if named:
                yield f"{place}[{i}] ({part[0]})", part[1]
            else:
                yield f"{place}[{i}]", part
