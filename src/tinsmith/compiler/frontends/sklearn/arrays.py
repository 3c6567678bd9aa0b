"""Saved arrays as numpy arrays of known shape: dense or sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.formats.pickle_objects import Record
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, finite, malformed

MAX_DENSE = 1 << 28
"""Numbers of a sparse matrix, zeros included."""

Array = NDArray[np.float64]


def dense(value: Any, place: str) -> Any:
    """A sparse matrix of scipy as an array; anything else as it is."""
    if not (isinstance(value, Record) and value.name.startswith("scipy.sparse.")):
        return value
    kind = value.short_name[:3]
    if kind not in ("csr", "csc"):
        raise malformed(place, f"expected a csr or csc matrix, found {value.name}")
    rows, columns = (int(size) for size in value.fields["_shape"])
    major = rows if kind == "csr" else columns
    if not 0 <= rows * columns <= MAX_DENSE:
        raise malformed(place, f"a sparse matrix of {rows} x {columns} is too large to be spread out")
    data, indices, starts = (np.asarray(value.fields[name]) for name in ("data", "indices", "indptr"))
    table = np.zeros((rows, columns) if kind == "csr" else (columns, rows))
    np.add.at(table, (np.repeat(np.arange(major), np.diff(starts)), indices), data)
    return table if kind == "csr" else table.T


def table(estimator: Estimator, *names: str, width: int | None = None) -> Array:
    """The first attribute of `names` as a matrix; a vector is one row. `width`: the columns it must have."""
    place = f"{estimator.place}.{names[0]}"
    value = finite(dense(estimator.get(*names), place), place)
    if value.ndim > 2:
        raise malformed(place, f"expected a matrix, found {describe(value)}")
    value = np.atleast_2d(value)
    if width is not None and value.shape[1] != width:
        raise malformed(place, f"expected {width} columns, found {value.shape[1]}")
    return value


def vector(estimator: Estimator, *names: str, size: int | None = None) -> Array:
    """The first attribute of `names`, flat; `size`: the numbers it must have."""
    place = f"{estimator.place}.{names[0]}"
    value = finite(dense(estimator.get(*names), place), place).reshape(-1)
    if size is not None and value.size != size:
        raise malformed(place, f"expected {size} numbers, found {value.size}")
    return value


def optional(estimator: Estimator, name: str) -> Array | None:
    """A vector, or None where the attribute is None or was not saved."""
    return None if estimator.get(name, default=None) is None else vector(estimator, name)


def one_hot(indices: Any, size: int, place: str) -> Array:
    """A row per number of `indices`, 1 in the column it names."""
    numbers = np.asarray(indices)
    if numbers.dtype.kind not in "iu" or (numbers.size and not 0 <= numbers.min() <= numbers.max() < size):
        raise malformed(place, f"expected numbers from 0 to {size - 1}, found {describe(indices)}")
    found: Array = np.eye(size)[numbers]
    return found
