"""SplineTransformer: the B-splines of every column, as a polynomial per interval between knots."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import Array, table, vector
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.responses import responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat, where

EXTRAPOLATIONS = ("constant", "linear", "continue", "periodic", "error")
MAX_DEGREE = 32


@responds("transform", "SplineTransformer")
def splines(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows, columns * splines]; with extrapolation "error", which refuses what lies outside, NaN there."""
    extrapolation = estimator.get("extrapolation", default="error")
    if extrapolation not in EXTRAPOLATIONS:
        raise unsupported(estimator, f"extrapolation={describe(extrapolation)}")
    members, found = estimator.children("bsplines_"), []
    if extrapolation == "linear" and estimator.number("degree") <= 1 and len(members) > 1:
        raise unsupported(estimator, "linear extrapolation at degree 1, where scikit-learn's columns differ")
    for index, spline in enumerate(members):
        pieces, knots = _pieces(spline)
        if not estimator.get("include_bias", default=True):
            pieces = pieces[:, :, :-1]
        found.append(_evaluate(x.column(index), pieces, knots, str(extrapolation)))
    return concat(found)


def _evaluate(x: Tensor, pieces: Array, knots: Array, extrapolation: str) -> Tensor:
    """[rows, splines] of the vector `x`."""
    first, last = knots[0], knots[-1]
    inside = x
    if extrapolation == "periodic":
        inside = first + (x - first) - ((x - first) / (last - first)).op("Floor") * (last - first)
    elif extrapolation in ("constant", "linear"):
        inside = x.clip(first, last)
    interval = inside.unsqueeze(1).op("GreaterOrEqual", knots[1:-1]).double().sum().cast("int64")
    step = (inside - interval.of(knots[:-1])).unsqueeze(1)
    degree = pieces.shape[1] - 1
    value, slope = interval.of(pieces[:, degree]), None
    for power in range(degree - 1, -1, -1):
        slope = value if slope is None else slope * step + value
        value = value * step + interval.of(pieces[:, power])
    if extrapolation == "linear" and slope is not None:
        value = value + slope * (x - inside).unsqueeze(1)
    if extrapolation == "error":
        outside = x.less(first).op("Or", x.greater(last)).unsqueeze(1)
        value = where(outside, np.nan, value)
    return value


def _pieces(spline: Estimator) -> tuple[Array, Array]:
    """(intervals, degree + 1, splines): coefficients of the powers of the distance to the interval's first
    knot; and the knots."""
    t = vector(spline, "t", "_t")
    degree = int(spline.number("k"))
    weights = table(spline, "c", "_c")
    count = len(t) - degree - 1
    if not 0 <= degree <= MAX_DEGREE or count <= degree or len(weights) < count or (np.diff(t) < 0).any():
        raise malformed(spline.place, f"{len(t)} knots and {weights.shape} weights make no spline")
    intervals = [j for j in range(degree, count) if t[j + 1] > t[j]]
    pieces = np.stack([_basis(t, degree, j) @ weights[:count] for j in intervals])
    return pieces, np.append(t[intervals], t[intervals[-1] + 1])


def _basis(t: Array, degree: int, j: int) -> Array:
    """(degree + 1, functions): every B-spline on [t[j], t[j + 1]], by the recurrence of Cox and de Boor."""
    basis = np.zeros((len(t) - 1, degree + 1))
    basis[j, 0] = 1.0
    for d in range(1, degree + 1):
        higher = np.zeros((len(basis) - 1, degree + 1))
        for i in range(len(higher)):
            rising, falling = t[i + d] - t[i], t[i + d + 1] - t[i + 1]
            if rising > 0:
                higher[i] += _times_line(basis[i], t[j] - t[i], 1.0) / rising
            if falling > 0:
                higher[i] += _times_line(basis[i + 1], t[i + d + 1] - t[j], -1.0) / falling
        basis = higher
    found: Array = basis.T
    return found


def _times_line(polynomial: Array, constant: float, slope: float) -> Array:
    found = polynomial * constant
    found[1:] += slope * polynomial[:-1]
    return found
