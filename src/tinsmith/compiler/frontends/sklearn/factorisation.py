"""Non-negative factorisations and sparse codes: what scikit-learn iterates for is iterated for here.

It stops when the whole table has settled, and so does the compiled model: the last digits of a row depend on
the rows beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import Array, table
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, unsupported
from tinsmith.compiler.frontends.sklearn.responses import responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat, loop, where

EPSILON = float(np.finfo(np.float32).eps)
SCALED_SINCE = (1, 2)
"""The first version without the older parameter alpha."""


def _penalties(estimator: Estimator, width: int) -> tuple[float, float]:
    """L1 and L2."""
    version = estimator.version
    if (
        version is not None
        and version < SCALED_SINCE
        and estimator.get("alpha", default=0.0) not in (0, "deprecated")
    ):
        raise unsupported(estimator, "the parameter alpha of versions before 1.2")
    alpha = width * float(estimator.get("alpha_W", default=0.0))
    ratio = estimator.number("l1_ratio")
    return alpha * ratio, alpha * (1.0 - ratio)


def _norm(x: Tensor) -> Tensor:
    """Of all elements, a scalar."""
    return x.square().sum().sum().sqrt()


@responds("transform", "NMF")
def coordinate_descent(estimator: Estimator, x: Tensor) -> Tensor:
    """One column after the other, from zeros on."""
    if estimator.get("solver") != "cd" or estimator.get("shuffle", default=False):
        raise unsupported(estimator, "solver='mu' or shuffle=True; compiled is solver='cd' without shuffling")
    components = table(estimator, "components_")
    count, width = components.shape
    l1, l2 = _penalties(estimator, width)
    gram = components @ components.T + l2 * np.eye(count)
    tolerance = estimator.number("tol")

    def step(weights: Tensor, first: Tensor) -> tuple[Tensor, list[Tensor]]:
        violation: Tensor | None = None
        for t in range(count):
            weights, error = _descend(weights, projected, gram, t)
            violation = error if violation is None else violation + error
        assert violation is not None
        first = where(first.less(0.0), violation, first)
        return violation.greater(first * tolerance), [weights, first]

    projected = x @ components.T.copy() - l1
    start = [projected.filled(0.0), x.builder.constant(-1.0)]
    return loop(int(estimator.number("max_iter")), start, step)[0]


def _descend(weights: Tensor, projected: Tensor, gram: Array, t: int) -> tuple[Tensor, Tensor]:
    """`weights` with a new column `t`, and by how much the old one could have been improved (a scalar)."""
    old = weights.columns([t])
    gradient = weights @ gram[t][:, None].copy() - projected.columns([t])
    error = where(old.equals(0.0), gradient.op("Min", 0.0), gradient).abs().sum().sum()
    if gram[t, t] == 0:
        return weights, error
    new = (old - gradient / float(gram[t, t])).op("Max", 0.0)
    return weights + (new - old) * np.eye(len(gram))[[t]], error


@responds("transform", "MiniBatchNMF")
def multiplicative(estimator: Estimator, x: Tensor) -> Tensor:
    """Multiplicative updates, from equal weights on."""
    if estimator.get("beta_loss") not in ("frobenius", 2):
        raise unsupported(
            estimator, f"beta_loss={describe(estimator.get('beta_loss'))}; 'frobenius' is compiled"
        )
    components = table(estimator, "components_")
    count, width = components.shape
    l1, l2 = _penalties(estimator, width)
    gram, tolerance = components @ components.T, estimator.number("tol")
    numerator = x @ components.T.copy()

    def step(weights: Tensor) -> tuple[Tensor, list[Tensor]]:
        denominator = weights @ gram + l1 + weights * l2
        new = weights * (numerator / where(denominator.equals(0.0), EPSILON, denominator))
        change = _norm(new - weights) / _norm(new)
        return change.greater(tolerance if tolerance > 0 else -1.0), [new]

    mean = (x.mean().mean() / float(count)).sqrt()
    start = (x @ np.zeros((width, count))) + mean
    rounds = int(estimator.number("_transform_max_iter"))
    return loop(rounds, [start], step)[0]


@responds("transform", "SparseCoder", "DictionaryLearning", "MiniBatchDictionaryLearning")
def codes(estimator: Estimator, x: Tensor) -> Tensor:
    """Correlations with the dictionary, shrunk towards zero."""
    if estimator.get("transform_algorithm") != "threshold":
        raise unsupported(
            estimator,
            f"transform_algorithm={describe(estimator.get('transform_algorithm'))} solves a problem per row; "
            "'threshold' is compiled",
        )
    dictionary = table(estimator, "dictionary" if estimator.kind == "SparseCoder" else "components_")
    alpha: Any = estimator.get("transform_alpha")
    alpha = estimator.get("alpha", default=1.0) if alpha is None else alpha
    correlation = x @ dictionary.T.copy()
    found = correlation.op("Sign") * (correlation.abs() - float(alpha)).op("Max", 0.0)
    if estimator.get("positive_code", default=False):
        found = found.op("Max", 0.0)
    if estimator.get("split_sign", default=False):
        found = concat([found.op("Max", 0.0), (-found).op("Max", 0.0)])
    return found
