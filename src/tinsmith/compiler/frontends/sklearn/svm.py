"""Support vector machines with kernels, as libsvm computes them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import table, vector
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, malformed
from tinsmith.compiler.frontends.sklearn.kernels import kernel
from tinsmith.compiler.frontends.sklearn.responses import CLASS_INDEX, responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, loop

CLASSIFIERS = ("SVC", "NuSVC")
LEAST = 1e-7
"""Of a pairwise probability, in libsvm."""
MOST_ROUNDS = 100


def _kernel(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows, support vectors]."""
    parameters = {
        "gamma": estimator.number("_gamma"),
        "degree": estimator.number("degree"),
        "coef0": estimator.number("coef0"),
    }
    return kernel(estimator, estimator.get("kernel"), x, table(estimator, "support_vectors_"), parameters)


@responds("predict", "SVR", "NuSVR")
def regression(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows]."""
    dual = table(estimator, "_dual_coef_", "dual_coef_")
    return (_kernel(estimator, x) @ dual.T.copy() + vector(estimator, "_intercept_", "intercept_")).column(0)


@responds("decision_function", "OneClassSVM")
def one_class(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows], negative for outliers."""
    return regression(estimator, x)


def _pairs(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows, pairs] of libsvm: positive where the first class of a pair wins."""
    count = len(estimator.class_labels)
    sizes = vector(estimator, "_n_support", "n_support_", size=count).astype(np.int64)
    dual = table(estimator, "_dual_coef_", "dual_coef_", width=int(sizes.sum()))
    if len(dual) != count - 1:
        raise malformed(estimator.place, f"dual_coef_: expected {count - 1} rows, found {len(dual)}")
    owner = np.repeat(np.arange(count), sizes)
    weights = np.zeros((dual.shape[1], count * (count - 1) // 2))
    for pair, (i, j) in enumerate(combinations(range(count), 2)):
        weights[owner == i, pair] = dual[j - 1, owner == i]
        weights[owner == j, pair] = dual[i, owner == j]
    intercept = vector(estimator, "_intercept_", "intercept_", size=weights.shape[1])
    return _kernel(estimator, x) @ weights + intercept


def votes(second_wins: Tensor, confidences: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """[rows, classes]: the duels each class wins, and its confidence between -1/3 and 1/3. Both arguments
    are [rows, pairs]; `second_wins` holds 0 and 1, `confidences` speak for the second class."""
    pairs = list(combinations(range(count), 2))
    first, second = np.zeros((len(pairs), count)), np.zeros((len(pairs), count))
    for pair, (i, j) in enumerate(pairs):
        first[pair, i] = second[pair, j] = 1.0
    won = second_wins @ (second - first) + first.sum(axis=0)
    total = confidences @ (second - first)
    return won, total / (3.0 * (total.abs() + 1.0))


@responds("decision_function", *CLASSIFIERS)
def scores(estimator: Estimator, x: Tensor) -> Tensor:
    """A vector for two classes; else a column per class, or per pair with decision_function_shape="ovo"."""
    pairs = _pairs(estimator, x)
    count = len(estimator.class_labels)
    if count == 2:
        return -pairs.column(0)
    if estimator.get("decision_function_shape", default="ovr") != "ovr":
        return pairs
    won, confidence = votes(pairs.less(0.0).double(), -pairs, count)
    return won + confidence


@responds(CLASS_INDEX, *CLASSIFIERS)
def predicted(estimator: Estimator, x: Tensor) -> Tensor:
    """Most duels won, the first of equals; with break_ties the largest score."""
    count = len(estimator.class_labels)
    if count > 2 and estimator.get("break_ties", default=False):
        return scores(estimator, x).argmax()
    pairs = _pairs(estimator, x)
    return votes(pairs.at_most(0.0).double(), -pairs, count)[0].argmax()


def _has_probabilities(estimator: Estimator) -> bool:
    fitted: Any = estimator.get("_probA", "probA_", default=None)
    return bool(estimator.get("probability", default=False)) and np.size(fitted) > 0


@responds("predict_proba", *CLASSIFIERS, when=_has_probabilities)
def probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """Platt's sigmoid for every pair, coupled by the method of Wu, Lin and Weng."""
    slope, offset = vector(estimator, "_probA", "probA_"), vector(estimator, "_probB", "probB_")
    first = (-(_pairs(estimator, x) * slope + offset)).sigmoid().clip(LEAST, 1.0 - LEAST)
    return _coupled(first, len(estimator.class_labels))


def _coupled(first: Tensor, count: int) -> Tensor:
    """libsvm's multiclass_probability: it stops early, so every row keeps what it had when it was done."""
    pairs = list(combinations(range(count), 2))
    spread, ones = np.zeros((len(pairs), count, count)), np.zeros((count, count))
    for pair, (i, j) in enumerate(pairs):
        spread[pair, i, j], spread[pair, j, i], ones[j, i] = 1.0, -1.0, 1.0
    r = (first @ spread.reshape(len(pairs), -1)).reshape(-1, count, count) + ones
    q = _matrix(r, count)
    start = first.sum(keep=True) * np.zeros((1, count)) + 1.0 / count

    def step(p: Tensor) -> tuple[Tensor, list[Tensor]]:
        products = (q @ p.unsqueeze(2)).reshape(-1, count)
        total = (p * products).sum(keep=True)
        error = (products - total).abs().max(keep=True)
        is_open = error.op("GreaterOrEqual", 0.005 / count).double()
        new = _sweep(p, q, products, total, count)
        return is_open.max(0).max(0).greater(0.0), [p + (new - p) * is_open]

    return loop(max(MOST_ROUNDS, count), [start], step)[0]


def _sweep(p: Tensor, q: Tensor, products: Tensor, total: Tensor, count: int) -> Tensor:
    """Every class once: `products` are q p, `total` is p q p."""
    for t in range(count):
        row = q.op("Gather", np.array(t), axis=1)
        diagonal, product = row.columns([t]), products.columns([t])
        change = (total - product) / diagonal
        growth = change + 1.0
        total = (total + change * (change * diagonal + 2.0 * product)) / growth / growth
        products = (products + change * row) / growth
        p = (p + change * np.eye(count)[t]) / growth
    return p


def _matrix(r: Tensor, count: int) -> Tensor:
    """Q of the paper: sums of squares on the diagonal, -r[i, j] r[j, i] beside it."""
    eye = np.eye(count)
    turned = r.op("Transpose", perm=[0, 2, 1])
    beside = -(r * turned) * (1.0 - eye)
    squares = (turned.square() * (1.0 - eye)).sum(2, keep=True)
    return beside + squares * eye
