"""Clear refusals: every estimator inside an object that is not compiled, with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from tinsmith.compiler.formats.pickle_objects import Global, Record
from tinsmith.compiler.frontends.sklearn.estimator import describe
from tinsmith.compiler.frontends.sklearn.readers import READERS
from tinsmith.errors import ClientError

MAX_VISITED = 200_000  # objects
MAX_PLACE = 400  # characters
MAX_PLACES = 3
TEXT_TRANSFORMERS = {"CountVectorizer", "TfidfVectorizer", "HashingVectorizer"}
UNNAMED = {
    *("Pipeline", "FeatureUnion", "ColumnTransformer", "GridSearchCV", "RandomizedSearchCV"),
    *("LabelEncoder", "LabelBinarizer", "NearestNeighbors"),
}
"""Estimators that only arrange others, which are named in their stead, number classes or hold rows."""
SELECTORS = {"SelectFromModel", "SequentialFeatureSelector"}
"""Which of the estimator inside need to know at most its importances."""
_LEAVES = SELECTORS | READERS.keys()
XGBOOST_HINT = "this is an XGBoost model; compile it with Framework XGBOOST"


def is_supported(record: Record, supported: Collection[str]) -> bool:
    """Whether the class is one of scikit-learn's or XGBoost's own whose short name is in `supported`."""
    return record.name.startswith(("sklearn.", "xgboost.")) and record.short_name in supported


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
    for place, record in find_unsupported(value, supported):
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


def find_unsupported(root: Record, supported: Collection[str]) -> list[tuple[str, Record]]:
    """Place and record of every estimator under `root` that is not supported, each once."""
    return list(_unsupported(root, supported))


def _unsupported(root: Record, supported: Collection[str]) -> Iterator[tuple[str, Record]]:
    seen: set[int] = set()
    todo: list[tuple[str, Any, bool]] = [("", root, False)]
    while todo and len(seen) < MAX_VISITED:
        place, value, is_step = todo.pop()
        if id(value) in seen or len(place) > MAX_PLACE:
            continue
        seen.add(id(value))
        if not isinstance(value, Record):
            todo.extend(reversed(list(_elements(place, value))))
            continue
        if is_supported(value, supported):
            if value.short_name not in _LEAVES and value.name.startswith("sklearn."):
                todo.extend(reversed(_fields(place, value)))
            continue
        hidden = value.short_name.startswith("_") or value.short_name in UNNAMED
        if not hidden and (is_step or _is_estimator(value)):
            yield place or "model", value
        if value.short_name not in TEXT_TRANSFORMERS:
            todo.extend(reversed(_fields(place, value)))


def _fields(place: str, record: Record) -> list[tuple[str, Any, bool]]:
    """The attributes to look into: those set by training where they hold estimators, else the parameters."""
    trained = {
        name: value for name, value in record.fields.items() if name.endswith("_") and _holds_records(value)
    }
    chosen = trained or record.fields
    return [(f"{place}.{name}" if place else name, value, False) for name, value in chosen.items()]


def _holds_records(value: Any, depth: int = 3) -> bool:
    if isinstance(value, Record) or depth == 0:
        return isinstance(value, Record)
    return any(_holds_records(part, depth - 1) for _, part, _ in _elements("", value))


def _elements(place: str, value: Any) -> Iterator[tuple[str, Any, bool]]:
    """Place and value of the parts of a container, and whether each is a named step of a pipeline."""
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        value = value.reshape(-1).tolist()
    if isinstance(value, dict):
        yield from ((f"{place}[{key!r:.40}]", part, False) for key, part in value.items())
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            if isinstance(part, tuple) and len(part) >= 2 and isinstance(part[0], str):
                yield f"{place}[{i}] ({part[0]:.40})", part[1], isinstance(part[1], Record)
            else:
                yield f"{place}[{i}]", part, False
