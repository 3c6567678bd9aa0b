"""Evaluate a model in numpy: the meaning of the IR, independent of every backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Forest, Linear, Model, Transform

Floats = NDArray[Any]
"""float32 or float64: the accumulator's dtype."""

SIGMOID_CEILING = np.float32(88.7)
"""XGBoost caps the exponent of its float32 sigmoid here, so that it never overflows."""
_WALKS = 1 << 18  # at a time
_CODE_BITS = 24  # categories lie below 2**24


@dataclass(frozen=True)
class Evaluation:
    """What a model answers; both arrays are in the accumulator's dtype."""

    margin: Floats
    """(rows, outputs of the body): the sums."""
    prediction: Floats
    """(rows, outputs of the transform)."""


def evaluate(model: Model, rows: NDArray[np.float32]) -> Evaluation:
    """Margin and prediction of `rows`, (rows, features) in float32 with NaN for missing values.

    The model must have passed `check`.
    """
    rows = np.ascontiguousarray(rows, np.float32)
    # The arithmetic of hostile or extreme models may overflow or meet NaN: that is part of the meaning.
    with np.errstate(all="ignore"):
        body = model.body
        margin = _forest(body, rows) if isinstance(body, Forest) else _linear(body, rows)
        return Evaluation(margin, transform(model, margin))


def transform(model: Model, margin: Floats) -> Floats:
    """The predictions of `margin`, (rows, outputs), by the transform of `model`."""
    kind, parameters = model.transform, model.parameters
    with np.errstate(all="ignore"):
        if kind is Transform.IDENTITY:
            return margin
        if kind is Transform.SIGMOID:
            return _sigmoid(margin, parameters.get("scale", 1.0))
        if kind is Transform.SIGMOID_PAIR:
            positive = _sigmoid(margin, parameters.get("scale", 1.0))
            return np.concatenate([margin.dtype.type(1) - positive, positive], axis=1)
        if kind is Transform.SOFTMAX:
            return _softmax(margin)
        if kind is Transform.ARGMAX:
            return _first_maximum(margin)[:, None].astype(margin.dtype)
        if kind is Transform.EXP:
            return _exp(margin)
        if kind is Transform.HINGE:
            return (margin > 0).astype(margin.dtype)
        return -np.exp2(-margin / parameters["normaliser"]) - parameters["offset"]


def leaves(forest: Forest, roots: NDArray[np.int32], rows: NDArray[np.float32]) -> NDArray[np.int32]:
    """(rows, roots) node number of the leaf that a walk from each root ends at; columns encoded already."""
    members = _members(forest)
    node = np.tile(roots, len(rows))
    row = np.repeat(np.arange(len(rows)), roots.size)
    walking = np.flatnonzero(forest.feature[node] >= 0)
    while walking.size:
        here = node[walking]
        value = rows[row[walking], forest.feature[here]]
        left = _goes_left(forest, members, here, value)
        here = np.where(left, forest.left[here], forest.right[here])
        node[walking] = here
        walking = walking[forest.feature[here] >= 0]
    return node.reshape(len(rows), roots.size)


def _forest(forest: Forest, rows: NDArray[np.float32]) -> Floats:
    rows = _encoded(forest, rows)
    margin: Floats = np.tile(forest.base, (len(rows), 1))
    wide = forest.leaf_values.shape[1] > 1
    step = max(1, _WALKS // max(1, len(rows)))
    for start in range(0, forest.roots.size, step):
        some = slice(start, start + step)
        ends = forest.leaf[leaves(forest, forest.roots[some], rows)]
        for at, column in enumerate(forest.tree_output[some]):
            values = forest.leaf_values[ends[:, at]]
            if wide:
                margin += values
            else:
                margin[:, column] += values[:, 0]
    if forest.divisor != 1:
        margin /= forest.accumulator.type(forest.divisor)
    return margin


def _encoded(forest: Forest, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    if not forest.encodings:
        return rows
    rows = rows.copy()
    for encoding in forest.encodings:
        column = rows[:, encoding.feature]
        position = np.minimum(np.searchsorted(encoding.values, column), encoding.values.size - 1)
        found = encoding.values[position] == column
        rows[:, encoding.feature] = np.where(found, position, np.nan)
    return rows


def _goes_left(
    forest: Forest, members: NDArray[np.int64], node: NDArray[np.int32], value: NDArray[np.float32]
) -> NDArray[np.bool_]:
    cut = forest.cut[node]
    left = (value < cut) | np.isnan(cut)
    if members.size:
        category = forest.category[node]
        categorical = category >= 0
        left = np.where(categorical, ~_in_set(forest, members, node, category, value), left)
    return np.where(np.isnan(value), forest.default_left[node], left)


def _in_set(
    forest: Forest,
    members: NDArray[np.int64],
    node: NDArray[np.int32],
    category: NDArray[np.int32],
    value: NDArray[np.float32],
) -> NDArray[np.bool_]:
    possible = (value >= 0) & (value < 1 << _CODE_BITS)
    code = np.where(possible, value, 0).astype(np.int64)
    key = (category.astype(np.int64) << _CODE_BITS) + code
    at = np.minimum(np.searchsorted(members, key), members.size - 1)
    return np.where(possible, members[at] == key, forest.outside_right[node])


def _members(forest: Forest) -> NDArray[np.int64]:
    """Every (set, code) pair as one sorted number; empty where no split is categorical."""
    if not forest.categories:
        return np.empty(0, np.int64)
    keys = [codes.astype(np.int64) + (index << _CODE_BITS) for index, codes in enumerate(forest.categories)]
    found = np.concatenate(keys)
    return found if found.size else np.full(1, -1, np.int64)


def _linear(linear: Linear, rows: NDArray[np.float32]) -> Floats:
    kind = linear.weights.dtype
    margin: Floats = np.tile(linear.base, (len(rows), 1))
    for feature, weights in enumerate(linear.weights):
        column = rows[:, feature, None]
        product = column.astype(kind) * weights[None, :]
        margin = np.where(np.isnan(column), margin, margin + product)
    return margin


def _sigmoid(margin: Floats, scale: float) -> Floats:
    kind = margin.dtype.type
    exponent: Floats = -(margin if scale == 1 else margin * kind(scale))
    if margin.dtype == np.float32:
        # std::min(exponent, ceiling) keeps NaN.
        exponent = np.where(exponent > SIGMOID_CEILING, SIGMOID_CEILING, exponent)
    probability: Floats = kind(1) / (_exp(exponent) + kind(1))
    return probability


def _softmax(margin: Floats) -> Floats:
    exponentials = _exp(margin - np.fmax.reduce(margin, axis=1, keepdims=True))
    total: Floats = np.zeros((len(margin), 1))
    for column in range(margin.shape[1]):
        total += exponentials[:, column, None]
    probability: Floats = exponentials / total.astype(margin.dtype)
    return probability


def _first_maximum(margin: Floats) -> NDArray[np.intp]:
    """Index of the first column that no later one exceeds; a NaN exceeds nothing."""
    best = np.zeros(len(margin), np.intp)
    for column in range(1, margin.shape[1]):
        exceeds = margin[:, column] > margin[np.arange(len(margin)), best]
        best = np.where(exceeds, column, best)
    return best


def _exp(values: Floats) -> Floats:
    """Correctly rounded for float32, by way of float64."""
    return np.exp(values.astype(np.float64)).astype(values.dtype)
