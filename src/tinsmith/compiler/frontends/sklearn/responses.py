"""What estimators answer: a function per class and method, which writes the answer as nodes.

A function gets the fitted estimator and its input, and gives what scikit-learn's method gives: tables
[rows, columns] of float64, vectors where scikit-learn has vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn.estimator import Estimator, labels_of, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, where
from tinsmith.errors import ClientError

Function = Callable[[Estimator, Tensor], Tensor]
Condition = Callable[[Estimator], bool]
Inner = Callable[[Estimator], Estimator]

PREDICTIONS = ("predict_proba", "decision_function", "predict")
METHODS = (*PREDICTIONS, "transform")
"""In the order of preference where an estimator stands alone."""
CLASS_INDEX = "class_index"
"""Of classifiers whose `predict` is not the largest score: the int64 number of the class."""
INVERSE = "inverse_transform"
MAX_DEPTH = 64
"""Of estimators inside each other."""


@dataclass(frozen=True)
class _Entry:
    function: Function
    condition: Condition | None


_TABLE: dict[str, dict[str, _Entry]] = {method: {} for method in (*METHODS, CLASS_INDEX, INVERSE)}
_INNER: dict[str, Inner] = {}
_REFUSALS: ContextVar[list[str] | None] = ContextVar("refusals", default=None)
"""Where what is not compiled is collected; None: the first is raised."""


def responds(method: str, *names: str, when: Condition | None = None) -> Callable[[Function], Function]:
    """Registers a function as what `method` of the classes `names` gives; `when`: instances that have it."""

    def register(function: Function) -> Function:
        for name in names:
            _TABLE[method][name] = _Entry(function, when)
        return function

    return register


def follows(*names: str) -> Callable[[Inner], Inner]:
    """Registers where classes `names` keep the estimator whose classes are theirs. What they have no function
    for, it answers in their stead."""

    def register(inner: Inner) -> Inner:
        for name in names:
            _INNER[name] = inner
        return inner

    return register


def known() -> frozenset[str]:
    """Every class that answers anything."""
    return frozenset((*(name for entries in _TABLE.values() for name in entries), *_INNER))


def has(estimator: Estimator, method: str) -> bool:
    """Whether the fitted estimator answers `method`."""
    entry = _TABLE[method].get(estimator.kind)
    if entry is not None:
        return entry.condition is None or entry.condition(estimator)
    if estimator.kind in _INNER:
        return has(_INNER[estimator.kind](estimator), method)
    return method == "predict" and is_classifier(estimator)


def is_classifier(estimator: Estimator) -> bool:
    """Whether it predicts classes."""
    if classes(estimator) is None:
        return False
    return any(has(estimator, method) for method in ("predict_proba", "decision_function", CLASS_INDEX))


def classes(estimator: Estimator) -> list[object] | None:
    """The labels in the order of the columns of predict_proba; None for what is no classifier."""
    for _ in range(MAX_DEPTH):
        if estimator.has("classes_"):
            return list(labels_of(estimator.get("classes_")))
        if estimator.record.name.startswith("xgboost.") and estimator.has("n_classes_"):
            return list(range(int(estimator.number("n_classes_"))))
        if estimator.kind not in _INNER:
            return None
        estimator = _INNER[estimator.kind](estimator)
    raise malformed(estimator.place, "estimators are nested too deeply")


def class_count(estimator: Estimator) -> int:
    """How many classes a classifier has."""
    found = classes(estimator)
    if not found:
        raise malformed(estimator.place, f"{estimator.record.name} has no classes_")
    return len(found)


def numeric_classes(estimator: Estimator) -> NDArray[np.float64] | None:
    """The labels, where they are numbers."""
    labels = np.asarray(classes(estimator))
    return labels.astype(np.float64) if labels.dtype.kind in "biuf" and labels.ndim == 1 else None


def respond(estimator: Estimator, method: str, x: Tensor) -> Tensor:
    """The answer of `method` to `x`. Raises ClientError when the estimator has none."""
    if estimator.place.count(".") > MAX_DEPTH:
        raise malformed("model", "estimators are nested too deeply")
    entry = _TABLE[method].get(estimator.kind)
    if entry is not None and has(estimator, method):
        with x.builder.layer(estimator.place):
            return _answer(entry.function, estimator, x)
    if entry is None and estimator.kind in _INNER:
        return respond(_INNER[estimator.kind](estimator), method, x)
    if method == "predict" and is_classifier(estimator):
        return _labels(estimator, x)
    raise unsupported(estimator, f"its {method} is not compiled")


def _answer(function: Function, estimator: Estimator, x: Tensor) -> Tensor:
    """What `function` gives, or, while refusals are collected, `x` in the stead of what it refuses."""
    try:
        return function(estimator, x)
    except ClientError as error:
        refusals = _REFUSALS.get()
        if refusals is None or error.area != "OperatorNotImplemented":
            raise
        refusals += error.problems
        return x


@contextmanager
def all_refusals() -> Iterator[None]:
    """Raises, at the end of the block, one ClientError with all that was refused in it; what else goes wrong
    after a refusal is no news."""
    refusals: list[str] = []
    token = _REFUSALS.set(refusals)
    try:
        yield
    except ClientError as error:
        if not refusals:
            raise
        refusals += error.problems if error.area == "OperatorNotImplemented" else ()
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, AssertionError):
        if not refusals:
            raise
    finally:
        _REFUSALS.reset(token)
    if refusals:
        raise ClientError("OperatorNotImplemented", list(dict.fromkeys(refusals)))


def class_index(estimator: Estimator, x: Tensor) -> Tensor:
    """int64 [rows]: which class a classifier predicts."""
    if has(estimator, CLASS_INDEX):
        return respond(estimator, CLASS_INDEX, x)
    if not has(estimator, "decision_function"):
        return respond(estimator, "predict_proba", x).argmax()
    scores = respond(estimator, "decision_function", x)
    if class_count(estimator) == 2:
        return scores.greater(0.0).cast("int64")
    return scores.argmax()


def _labels(estimator: Estimator, x: Tensor) -> Tensor:
    labels = numeric_classes(estimator)
    if labels is None:
        raise unsupported(estimator, "it predicts text, and what follows it takes numbers")
    with x.builder.layer(estimator.place):
        index = class_index(estimator, x)
        return index.double() if (labels == np.arange(len(labels))).all() else index.of(labels)


def two_columns(positive: Tensor) -> Tensor:
    """[rows, 2]: 1 - p and p, of a vector p."""
    column = positive.unsqueeze(1)
    return (1.0 - column).op("Concat", column, axis=1)


def normalised(scores: Tensor) -> Tensor:
    """Rows that add up to 1."""
    return scores / scores.sum(keep=True)


def or_one(total: Tensor) -> Tensor:
    """`total` with 1 for 0."""
    return where(total.equals(0.0), 1.0, total)
