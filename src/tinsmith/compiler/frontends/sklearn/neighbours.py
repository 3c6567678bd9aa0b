"""Nearest neighbours: the training rows are part of the model, and every distance to them is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import Array, one_hot, table, vector
from tinsmith.compiler.frontends.sklearn.estimator import (
    Estimator,
    describe,
    finite,
    labels_of,
    malformed,
    unsupported,
)
from tinsmith.compiler.frontends.sklearn.kernels import distances, kernel, squared_distances
from tinsmith.compiler.frontends.sklearn.responses import CLASS_INDEX, normalised, or_one, responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, where


def all_distances(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows, training rows]."""
    metric = estimator.get("effective_metric_", "metric")
    parameters = dict(estimator.get("effective_metric_params_", "metric_params", default=None) or {})
    if metric == "minkowski":
        parameters.setdefault("p", estimator.get("p", default=2))
    return distances(estimator, metric, parameters, x, table(estimator, "_fit_X"))


def nearest(estimator: Estimator, x: Tensor, count: int | None = None) -> tuple[Tensor, Tensor]:
    """Distances and numbers of the nearest training rows, [rows, count]."""
    count = int(estimator.number("n_neighbors")) if count is None else count
    found = all_distances(estimator, x)
    if not 1 <= count <= len(table(estimator, "_fit_X")):
        raise malformed(estimator.place, f"{count} neighbours of {len(table(estimator, '_fit_X'))} rows")
    return found.smallest(count)


def _weights(estimator: Estimator, near: Tensor) -> Tensor | None:
    """By the distances `near`, or None for equal ones. A distance of 0 outweighs all others."""
    kind = estimator.get("weights")
    if kind in (None, "uniform"):
        return None
    if kind != "distance":
        raise unsupported(estimator, f"weights={describe(kind)}; compiled are 'uniform' and 'distance'")
    exact = near.equals(0.0).double()
    return where(exact.max(keep=True).greater(0.0), exact, 1.0 / near)


def _targets(estimator: Estimator) -> list[tuple[Array, int]]:
    """Per output, a row of class indicators per training row, and the number of classes."""
    numbers = np.asarray(estimator.get("_y"))
    several = bool(estimator.get("outputs_2d_", default=False))
    labels: Sequence[Any] = estimator.get("classes_") if several else [estimator.get("classes_")]
    numbers = numbers if several else numbers.reshape(-1, 1)
    place = f"{estimator.place}._y"
    if numbers.ndim != 2 or numbers.shape[1] != len(labels):
        raise malformed(place, f"found {describe(numbers)}")
    sizes = [len(labels_of(own)) for own in labels]
    return [(one_hot(numbers[:, k], size, place), size) for k, size in enumerate(sizes)]


def _vote(weights: Tensor | None, which: Tensor, indicators: Array) -> Tensor:
    chosen = which.of(indicators)
    if weights is None:
        return chosen.mean(1)
    return normalised((chosen * weights.unsqueeze(2)).sum(1))


@responds("predict_proba", "KNeighborsClassifier", when=lambda e: not e.get("outputs_2d_", default=False))
def probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """The share of each class among the neighbours."""
    return output_probabilities(estimator, x)[0]


def output_probabilities(estimator: Estimator, x: Tensor) -> list[Tensor]:
    """KNeighborsClassifier: of every output."""
    near, which = nearest(estimator, x)
    weights = _weights(estimator, near)
    return [_vote(weights, which, indicators) for indicators, _ in _targets(estimator)]


@responds("predict", "KNeighborsRegressor")
def regression(estimator: Estimator, x: Tensor) -> Tensor:
    """The (weighted) mean of the neighbours' targets."""
    near, which = nearest(estimator, x)
    weights = _weights(estimator, near)
    targets = finite(estimator.get("_y"), f"{estimator.place}._y")
    chosen = which.of(targets)
    if weights is None:
        return chosen.mean(1)
    if targets.ndim == 2:
        return (chosen * weights.unsqueeze(2)).sum(1) / weights.sum(keep=True)
    return (chosen * weights).sum(1) / weights.sum()


def _within(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows, training rows]: the weights of those within the radius, else 0."""
    found = all_distances(estimator, x)
    inside = found.at_most(estimator.number("radius"))
    flags = inside.double()
    if estimator.get("weights") in (None, "uniform"):
        return flags
    if estimator.get("weights") != "distance":
        raise unsupported(estimator, "weights other than 'uniform' and 'distance'")
    exact = found.equals(0.0).double()
    return where(exact.max(keep=True).greater(0.0), exact, where(inside, 1.0 / found, 0.0))


@responds(
    "predict_proba", "RadiusNeighborsClassifier", when=lambda e: not e.get("outputs_2d_", default=False)
)
def radius_probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """The share of each class within the radius; for rows without neighbours the outlier label if it is a
    class, zeros if it is not, NaN where scikit-learn would refuse."""
    ((indicators, size),) = _targets(estimator)
    total = _within(estimator, x) @ indicators
    weight = total.sum(keep=True)
    label = estimator.get("outlier_label_", default=None)
    otherwise = np.full((1, size), np.nan)
    if label is not None:
        names = labels_of(estimator.get("classes_"))
        otherwise = np.array([[float(name == labels_of(label)[0]) for name in names]])
    return where(weight.equals(0.0), otherwise, total / or_one(weight))


@responds("predict", "RadiusNeighborsRegressor")
def radius_regression(estimator: Estimator, x: Tensor) -> Tensor:
    """The (weighted) mean within the radius, NaN without neighbours."""
    targets = finite(estimator.get("_y"), f"{estimator.place}._y")
    weights = _within(estimator, x)
    total = weights @ targets
    return total / (weights.sum(keep=True) if targets.ndim == 2 else weights.sum())


@responds("decision_function", "LocalOutlierFactor", when=lambda e: bool(e.get("novelty")))
def local_outlier(estimator: Estimator, x: Tensor) -> Tensor:
    """How much sparser a row's surroundings are than its neighbours'; negative for outliers."""
    count = int(estimator.number("n_neighbors_"))
    near, which = nearest(estimator, x, count)
    reach = table(estimator, "_distances_fit_X_")[:, count - 1]
    density = 1.0 / (near.op("Max", which.of(reach)).mean(1) + 1e-10)
    ratios = which.of(vector(estimator, "_lrd")) / density.unsqueeze(1)
    return -ratios.mean(1) - estimator.number("offset_")


def _discriminants(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows, classes] of NearestCentroid: minus squared distances in units of the spread, and the priors."""
    centroids = table(estimator, "centroids_")
    spread = vector(estimator, "within_class_std_dev_", size=centroids.shape[1])
    scale = np.where(spread == 0, 1.0, spread)
    found = distances(estimator, estimator.get("metric"), None, x / scale, centroids / scale)
    return -found.square() + 2.0 * np.log(vector(estimator, "class_prior_"))


def _is_probabilistic(estimator: Estimator) -> bool:
    return estimator.has("within_class_std_dev_") and estimator.get("metric") == "euclidean"


@responds("predict_proba", "NearestCentroid", when=_is_probabilistic)
def centroid_probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """Softmax of the discriminants; versions before 1.6 have none."""
    return _discriminants(estimator, x).softmax()


@responds(CLASS_INDEX, "NearestCentroid")
def centroid(estimator: Estimator, x: Tensor) -> Tensor:
    """The class of the nearest centroid, or of the best discriminant where the priors are not equal."""
    prior = vector(estimator, "class_prior_") if estimator.has("class_prior_") else np.ones(1)
    if not np.isclose(prior, prior.mean()).all():
        return _discriminants(estimator, x).argmax()
    return distances(estimator, estimator.get("metric"), None, x, table(estimator, "centroids_")).argmin()


@responds("predict_proba", "LabelPropagation", "LabelSpreading")
def propagated(estimator: Estimator, x: Tensor) -> Tensor:
    """The labels of similar training rows."""
    points, labels = table(estimator, "X_"), table(estimator, "label_distributions_")
    if estimator.get("kernel") == "knn":
        _, which = squared_distances(x, points).smallest(int(estimator.number("n_neighbors")))
        return normalised(which.of(labels).sum(1))
    if estimator.get("kernel") != "rbf":
        raise unsupported(estimator, "kernels other than 'rbf' and 'knn'")
    near = kernel(estimator, "rbf", x, points, {"gamma": estimator.number("gamma")})
    return normalised(near @ labels)


@responds("transform", "KNeighborsTransformer", "RadiusNeighborsTransformer")
def graph_of(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows, training rows]: the distances to the neighbours, or ones, and zeros elsewhere, which
    scikit-learn leaves out."""
    found = all_distances(estimator, x)
    by_distance = estimator.get("mode") == "distance"
    if estimator.kind == "RadiusNeighborsTransformer":
        near = found.at_most(estimator.number("radius"))
        return where(near, found, 0.0) if by_distance else near.double()
    count = int(estimator.number("n_neighbors")) + by_distance
    values, which = found.smallest(min(count, len(table(estimator, "_fit_X"))))
    if not by_distance:
        values = values.filled(1.0)
    return found.filled(0.0).op("ScatterElements", which, values, axis=1)
