"""Distances and kernels between the rows of a table and the rows of a constant table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import Array
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, unsupported
from tinsmith.compiler.frontends.sklearn.tensor import Tensor

SMALL = 1 << 20
"""Numbers in a table of points up to which differences are formed one by one, which is more exact."""
METRICS = {"l2": "euclidean", "l1": "manhattan", "cityblock": "manhattan", "p": "minkowski"}


def squared_distances(x: Tensor, points: Array) -> Tensor:
    """[rows, points], Euclidean."""
    if points.size <= SMALL:
        return _differences(x, points).square().sum(2)
    mixed = x @ (-2.0 * points.T)
    lengths: Array = (points**2).sum(axis=1)
    squares = mixed + x.square().sum(keep=True) + lengths
    return squares.op("Max", 0.0)


def _differences(x: Tensor, points: Array) -> Tensor:
    return x.unsqueeze(1) - points[None]


def distances(
    estimator: Estimator, metric: Any, parameters: Mapping[str, Any] | None, x: Tensor, points: Array
) -> Tensor:
    """[rows, points] by scikit-learn's name of a metric and its parameters."""
    parameters = parameters or {}
    metric = METRICS.get(metric, metric) if isinstance(metric, str) else metric
    power = float(parameters.get("p", 2)) if metric == "minkowski" else 0.0
    if metric == "minkowski" and parameters.get("w") is not None:
        raise unsupported(estimator, "a Minkowski metric with weights")
    if metric == "euclidean" or power == 2.0:
        return squared_distances(x, points).sqrt()
    if metric == "sqeuclidean":
        return squared_distances(x, points)
    if metric == "manhattan" or power == 1.0:
        return _differences(x, points).op("ReduceL1", np.array([2]), keepdims=0)
    if metric == "chebyshev" or power == np.inf:
        return _differences(x, points).abs().max(2)
    if metric == "minkowski":
        return (_differences(x, points).abs() ** power).sum(2) ** (1.0 / power)
    if metric == "cosine":
        return (1.0 - cosine(x, points)).op("Max", 0.0)
    raise unsupported(
        estimator,
        f"metric={describe(metric)}; compiled are euclidean, manhattan, chebyshev, minkowski, cosine",
    )


def cosine(x: Tensor, points: Array) -> Tensor:
    """The cosines of the angles."""
    length = np.sqrt((points**2).sum(axis=1, keepdims=True))
    return unit(x) @ (points / np.where(length == 0, 1.0, length)).T.copy()


def unit(x: Tensor) -> Tensor:
    """Rows of length 1; rows of zeros stay."""
    length = x.op("ReduceL2", np.array([1]), keepdims=1)
    return x / (length + length.equals(0.0).double())


def kernel(
    estimator: Estimator, name: Any, x: Tensor, points: Array, parameters: Mapping[str, Any]
) -> Tensor:
    """[rows, points]: a kernel of sklearn.metrics.pairwise with `gamma`, `degree` and `coef0`, where None or
    nothing stands for the default."""
    gamma = parameters.get("gamma")
    gamma = 1.0 / points.shape[1] if gamma is None else float(gamma)
    coef0 = parameters.get("coef0")
    offset = 1.0 if coef0 is None else float(coef0)
    if name == "linear":
        return x @ points.T.copy()
    if name == "rbf":
        return (squared_distances(x, points) * -gamma).exp()
    if name in ("poly", "polynomial"):
        degree = parameters.get("degree")
        return (x @ (gamma * points.T) + offset) ** (3.0 if degree is None else float(degree))
    if name == "sigmoid":
        return (x @ (gamma * points.T) + offset).op("Tanh")
    if name == "laplacian":
        return (distances(estimator, "manhattan", None, x, points) * -gamma).exp()
    if name == "cosine":
        return cosine(x, points)
    if name in ("chi2", "additive_chi2"):
        sums = x.unsqueeze(1) + points[None]
        safe = sums + sums.equals(0.0).double()
        chi2 = -(_differences(x, points).square() / safe).sum(2)
        given = parameters.get("gamma")
        return chi2 if name == "additive_chi2" else (chi2 * (1.0 if given is None else float(given))).exp()
    raise unsupported(
        estimator,
        f"kernel={describe(name)}; compiled are linear, rbf, poly, sigmoid, laplacian, cosine, chi2",
    )


def kernel_of(estimator: Estimator, x: Tensor, points: Array, gamma: str = "gamma") -> Tensor:
    """By the parameters `kernel`, `gamma`, `degree`, `coef0` and `kernel_params` of an estimator."""
    parameters = {name: estimator.get(name, default=None) for name in ("degree", "coef0")}
    parameters["gamma"] = estimator.get(gamma, "gamma", default=None)
    parameters |= estimator.get("kernel_params", default=None) or {}
    return kernel(estimator, estimator.get("kernel"), x, points, parameters)
