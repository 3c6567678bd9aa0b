"""Naive Bayes: log likelihoods of the classes, and softmax over them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import Array, table, vector
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, finite, malformed
from tinsmith.compiler.frontends.sklearn.responses import responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, lookup


def gaussian(estimator: Estimator, x: Tensor) -> Tensor:
    """Every column is normal in every class."""
    means = table(estimator, "theta_")
    variances = table(estimator, "var_", "sigma_", width=means.shape[1])
    prior = np.log(vector(estimator, "class_prior_"))
    constant: Array = prior - 0.5 * np.log(2.0 * np.pi * variances).sum(axis=1)
    distances = (x.unsqueeze(1) - means[None]).square() / variances[None]
    return distances.sum(2) * -0.5 + constant


def _log_probabilities(estimator: Estimator) -> Array:
    return table(estimator, "feature_log_prob_")


def multinomial(estimator: Estimator, x: Tensor) -> Tensor:
    """Counts."""
    return x @ _log_probabilities(estimator).T.copy() + vector(estimator, "class_log_prior_")


def complement(estimator: Estimator, x: Tensor) -> Tensor:
    """Counts, by what the other classes have."""
    scores = x @ _log_probabilities(estimator).T.copy()
    prior = vector(estimator, "class_log_prior_")
    return scores + prior if len(prior) == 1 else scores


def bernoulli(estimator: Estimator, x: Tensor) -> Tensor:
    """Columns that are there or not."""
    if estimator.get("binarize") is not None:
        x = x.greater(estimator.number("binarize")).double()
    positive = _log_probabilities(estimator)
    negative = np.log(1.0 - np.exp(positive))
    constant: Array = vector(estimator, "class_log_prior_") + negative.sum(axis=1)
    return x @ (positive - negative).T.copy() + constant


def categorical(estimator: Estimator, x: Tensor) -> Tensor:
    """Columns of whole numbers; one beyond those of training counts as the last of them."""
    prior = vector(estimator, "class_log_prior_")
    total: Tensor | None = None
    for index, values in enumerate(estimator.get("feature_log_prob_")):
        place = f"{estimator.place}.feature_log_prob_[{index}]"
        logs = finite(values, place)
        if logs.ndim != 2 or len(logs) != len(prior) or not logs.size:
            raise malformed(place, f"expected a row per class, found {logs.shape}")
        part = lookup(x.column(index), logs.T)
        total = part if total is None else total + part
    if total is None:
        raise malformed(estimator.place, "it has no feature_log_prob_")
    return total + prior


LIKELIHOODS: dict[str, Callable[[Estimator, Tensor], Tensor]] = {
    "GaussianNB": gaussian,
    "MultinomialNB": multinomial,
    "ComplementNB": complement,
    "BernoulliNB": bernoulli,
    "CategoricalNB": categorical,
}


@responds("predict_proba", *LIKELIHOODS)
def probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """Softmax of the log likelihoods."""
    return LIKELIHOODS[estimator.kind](estimator, x).softmax()
