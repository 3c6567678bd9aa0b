"""A saved estimator: a record of the pickle, the place it was found at, and the version that saved it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.errors import ClientError

_MISSING: Any = object()


def malformed(place: str, text: str) -> ClientError:
    """The error for a model whose fields contradict each other or are not there."""
    return ClientError("InputConfiguration", f"{place}: {text}")


def unsupported(estimator: Estimator, text: str) -> ClientError:
    """The error for something that scikit-learn can do and this compiler cannot."""
    return ClientError("OperatorNotImplemented", f"{estimator.place}: {estimator.record.name}: {text}")


@dataclass(frozen=True)
class Estimator:
    """One scikit-learn object inside the model file."""

    record: Record
    place: str
    """How a user would write the way to it: `model`, `model.estimators_[3]`."""
    saved_by: str | None = None
    """Version of scikit-learn that saved the file, as this object or one around it tells."""

    @staticmethod
    def of(value: Any, place: str, saved_by: str | None = None) -> Estimator:
        """`value` as an estimator. Raises ClientError when it is no object at all."""
        if not isinstance(value, Record):
            raise malformed(place, f"expected a scikit-learn object, found {describe(value)}")
        version = value.fields.get("_sklearn_version", saved_by)
        return Estimator(value, place, version if isinstance(version, str) else saved_by)

    @property
    def kind(self) -> str:
        """The class name without its module."""
        return self.record.short_name

    @property
    def version(self) -> tuple[int, int] | None:
        """Major and minor version of scikit-learn, if the file tells."""
        match = re.match(r"(\d+)\.(\d+)", self.saved_by or "")
        return (int(match[1]), int(match[2])) if match else None

    def has(self, name: str) -> bool:
        """Whether the attribute was saved."""
        return name in self.record.fields

    def get(self, *names: str, default: Any = _MISSING) -> Any:
        """The first attribute of `names` that was saved. Without a default, none is a ClientError."""
        for name in names:
            if name in self.record.fields:
                return self.record.fields[name]
        if default is not _MISSING:
            return default
        expected = " or ".join(names)
        raise malformed(
            self.place,
            f"{self.record.name} has no attribute {expected}; was it saved before it was trained (fit)?",
        )

    def inside(self, name: str, value: Any) -> Estimator:
        """`value`, found at attribute path `name`, as an estimator."""
        return Estimator.of(value, f"{self.place}.{name}", self.saved_by)

    def child(self, *names: str) -> Estimator:
        """The first attribute of `names`, as an estimator."""
        return self.inside(next((n for n in names if self.has(n)), names[0]), self.get(*names))

    def children(self, *names: str) -> list[Estimator]:
        """The list in the first attribute of `names`, as estimators."""
        name = next((n for n in names if self.has(n)), names[0])
        values = self.get(*names)
        if not isinstance(values, list | tuple | np.ndarray) or np.ndim(values) == 0:
            raise malformed(f"{self.place}.{name}", f"expected a list, found {describe(values)}")
        return [self.inside(f"{name}[{i}]", value) for i, value in enumerate(values)]

    def members(self) -> list[Estimator]:
        """The trained estimators of an ensemble; there is at least one."""
        members = self.children("estimators_")
        if not members:
            raise malformed(self.place, "it has no estimators_")
        return members

    def number(self, *names: str) -> float:
        """The first attribute of `names`, as a finite float64."""
        values = self.numbers(*names)
        if values.size != 1:
            raise malformed(self.place, f"{names[0]}: expected one number, found {values.size}")
        return float(values[0])

    def numbers(self, *names: str) -> NDArray[np.float64]:
        """The first attribute of `names`, as a flat array of finite float64 numbers."""
        return finite(self.get(*names), f"{self.place}.{names[0]}").reshape(-1)

    @property
    def num_features(self) -> int:
        """Columns of the input."""
        count = self.number("n_features_in_", "n_features_", "_n_features", "n_input_features_")
        if not (1 <= count < 1 << 24 and count == int(count)):
            raise malformed(self.place, f"n_features_in_: expected a count, found {count}")
        return int(count)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Column names of the data frame it was trained on; empty when it was trained on an array."""
        names = self.get("feature_names_in_", default=())
        return tuple(str(name) for name in names) if len(names) == self.num_features else ()

    @property
    def class_labels(self) -> tuple[str, ...]:
        """The classes in the order of the columns of predict_proba, as text."""
        return tuple(str(label) for label in labels_of(self.get("classes_")))


def labels_of(values: Any) -> Sequence[Any]:
    """A saved array or list of labels as plain Python values."""
    if isinstance(values, np.ndarray):
        return list(values.reshape(-1).tolist())
    return list(values) if isinstance(values, list | tuple) else [values]


def finite(value: Any, place: str) -> NDArray[np.float64]:
    """`value` as float64. Raises ClientError when it is not made of finite numbers."""
    array = np.asarray(value) if not isinstance(value, Record) else np.empty(0, np.object_)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise malformed(place, f"expected finite numbers, found {describe(value)}")
    return array.astype(np.float64)


def describe(value: Any) -> str:
    """What a value is, for an error message."""
    if isinstance(value, Record):
        return value.name
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return f"{type(value).__name__} {value!r:.60}"
