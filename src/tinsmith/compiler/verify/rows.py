"""The rows that an artifact is executed on: the same for the same model, on any machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Forest, Linear, Model
from tinsmith.compiler.verify.draw import Draw

Rows = NDArray[np.float32]

MAX_ELEMENTS = 1 << 23
"""Of all rows together: models with many features get fewer rows."""
MISSING_SHARE = 16
"""One value in so many of a random row is missing."""
_FLOAT = np.finfo(np.float32)
SPECIAL = np.array(
    [
        *(np.nan, np.inf, -np.inf, 0.0, -0.0),
        *(_FLOAT.smallest_subnormal, -_FLOAT.smallest_subnormal, _FLOAT.tiny, -_FLOAT.tiny),
        *(_FLOAT.max, -_FLOAT.max, 1.0, -1.0, 0.5, -0.5, 1e-6, 2.0**24, 2.0**31, -(2.0**31)),
    ],
    np.float32,
)
"""Values that arithmetic and comparisons treat in their own ways."""


@dataclass(frozen=True)
class RowSet:
    """Rows, and how many of each kind lie in them, in order."""

    rows: Rows
    """(rows, features)"""
    kinds: dict[str, int]
    cuts: int = 0
    """Numbers at which a feature turns from one side of a split to the other, over all features."""
    cuts_exercised: int = 0
    """Of those, the ones of which the threshold rows hold both sides: the number and the float below it."""


def make_rows(model: Model, each: int, most_thresholds: int = 0) -> RowSet:
    """About `each` rows of every kind; of the first kind up to `most_thresholds` where it takes so many.

    threshold: every feature holds one of its own cuts (or categories), or the float32 just below or above it;
               the cuts of a feature take turns in a shuffled order.
    edge:      special values: one for a whole row, then mixtures with ordinary ones.
    random:    numbers around the feature's cuts, one in 16 missing.
    """
    turning_points = _turning_points(model)
    affordable = MAX_ELEMENTS // (3 * len(turning_points))
    each = max(min(each, affordable), 2 * len(SPECIAL))
    wanted = min(3 * max(len(points) for points in turning_points), most_thresholds, affordable)
    kinds = {
        "threshold": _thresholds(turning_points, max(each, wanted)),
        "edge": _edges(turning_points, each),
        "random": _random(turning_points, each),
    }
    return RowSet(
        np.concatenate(list(kinds.values())),
        {kind: len(rows) for kind, rows in kinds.items()},
        sum(len(points) for points in turning_points),
        _exercised(turning_points, kinds["threshold"]),
    )


def num_features(model: Model) -> int:
    """Columns of a row of `model`."""
    body = model.body
    return body.weights.shape[0] if isinstance(body, Linear) else body.num_features


def _turning_points(model: Model) -> list[Rows]:
    """Per feature, ascending: every number at which the model may change its mind."""
    body = model.body
    if isinstance(body, Linear):
        return [np.array([0.0], np.float32)] * body.weights.shape[0]
    found = [[np.empty(0, np.float32)] for _ in range(body.num_features)]
    inner = body.feature >= 0
    numeric = inner & (body.category < 0) & ~np.isnan(body.cut)
    order = np.argsort(body.feature[numeric], kind="stable")
    feature, cut = body.feature[numeric][order], body.cut[numeric][order]
    starts = np.searchsorted(feature, np.arange(body.num_features + 1))
    for index in range(body.num_features):
        found[index].append(cut[starts[index] : starts[index + 1]])
    for index, category in {(int(f), int(c)) for f, c in _categorical(body)}:
        codes = body.categories[category].astype(np.float32)
        found[index] += [codes, codes + np.float32(0.5), np.array([-0.5, 2.0**24], np.float32)]
    for encoding in body.encodings:
        found[encoding.feature].append(encoding.values.astype(np.float32))
    return [np.unique(np.concatenate(parts)) for parts in found]


def _categorical(body: Forest) -> NDArray[np.int32]:
    chosen = (body.feature >= 0) & (body.category >= 0)
    return np.unique(np.stack([body.feature[chosen], body.category[chosen]], axis=1), axis=0)


def _thresholds(turning_points: list[Rows], count: int) -> Rows:
    rows = np.zeros((count, len(turning_points)), np.float32)
    for feature, points in enumerate(turning_points):
        if points.size:
            decisive = np.concatenate([points, _below(points)])
            order = [_shuffled(decisive, 2 * feature + 1), _shuffled(-_below(-points), 2 * feature + 2)]
            rows[:, feature] = np.resize(np.concatenate(order), count)
    return rows


def _below(points: Rows) -> Rows:
    """The next smaller float32 of each."""
    with np.errstate(over="ignore", under="ignore"):
        return np.nextafter(points, np.float32(-np.inf))


def _shuffled(values: Rows, seed: int) -> Rows:
    shuffled: Rows = values[np.argsort(Draw(seed << 32).integers((1 << 32) - 1, values.shape), kind="stable")]
    return shuffled


def _exercised(turning_points: list[Rows], rows: Rows) -> int:
    """Turning points that occur in `rows` of their feature together with the float below."""
    exercised = 0
    for feature, points in enumerate(turning_points):
        column = set(rows[:, feature].tolist())
        pairs = zip(points.tolist(), _below(points).tolist(), strict=True)
        exercised += sum(point in column and below in column for point, below in pairs)
    return exercised


def _edges(turning_points: list[Rows], count: int) -> Rows:
    features = len(turning_points)
    uniform = np.repeat(SPECIAL[:, None], features, axis=1)
    draw = Draw(0)
    shape = (count - len(SPECIAL), features)
    special = SPECIAL[draw.integers(len(SPECIAL), shape)]
    mixed = np.where(draw.integers(2, shape) == 0, special, _random(turning_points, shape[0]))
    return np.concatenate([uniform, mixed]).astype(np.float32)


def _random(turning_points: list[Rows], count: int) -> Rows:
    draw = Draw(1 << 31)
    shape = (count, len(turning_points))
    bounds = np.array([_span(points) for points in turning_points], np.float64)
    rows = bounds[:, 0] + draw.uniform(shape) * (bounds[:, 1] - bounds[:, 0])
    rows[draw.integers(MISSING_SHARE, shape) == 0] = np.nan
    with np.errstate(over="ignore", under="ignore"):
        return rows.astype(np.float32)


def _span(points: Rows) -> tuple[float, float]:
    """A little more than the finite turning points span."""
    finite = points[np.isfinite(points)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (-1.0, 1.0)
    margin = max((high - low) / 8, abs(low) / 8, 1e-3)
    return low - margin, high + margin
