"""Gaussian processes with their kernels, quadratic discriminants, Gaussian mixtures, robust covariances."""

from __future__ import annotations

import math

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import Array, table, vector
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, finite, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.process_kernels import diagonal, process_kernel
from tinsmith.compiler.frontends.sklearn.responses import CLASS_INDEX, follows, responds, two_columns
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat

LAMBDAS = np.array([0.41, 0.4, 0.37, 0.44, 0.39])
COEFFICIENTS = np.array([-1854.8214151, 3516.89893646, 221.29346712, 128.12323805, -2010.49422654])
"""Of the approximation of the logistic function by error functions (Williams and Barber)."""


@responds("predict", "GaussianProcessRegressor")
def process(estimator: Estimator, x: Tensor) -> Tensor:
    """The mean of the process."""
    points = table(estimator, "X_train_")
    near = process_kernel(estimator.child("kernel_"), x, points)
    alpha = finite(estimator.get("alpha_"), f"{estimator.place}.alpha_")
    mean = near @ alpha.reshape(len(alpha), -1)
    scale = np.asarray(estimator.get("_y_train_std", default=1.0), np.float64)
    offset = np.asarray(estimator.get("_y_train_mean", default=0.0), np.float64)
    mean = mean * scale + offset
    return mean.column(0) if alpha.size == len(alpha) else mean


@follows("GaussianProcessClassifier")
def process_classifier(estimator: Estimator) -> Estimator:
    """The binary classifier inside, or the one that combines several."""
    return estimator.child("base_estimator_")


BINARY = "_BinaryGaussianProcessClassifierLaplace"


def _latent(estimator: Estimator, x: Tensor) -> tuple[Tensor, Tensor]:
    """[rows]: the mean of the latent function; [rows, training rows]: the kernel."""
    near = process_kernel(estimator.child("kernel_"), x, table(estimator, "X_train_"))
    return near @ (vector(estimator, "y_train_") - vector(estimator, "pi_")), near


@responds(CLASS_INDEX, BINARY)
def binary_class(estimator: Estimator, x: Tensor) -> Tensor:
    """By the sign of the latent function."""
    return _latent(estimator, x)[0].greater(0.0).cast("int64")


@responds("predict_proba", BINARY)
def binary_probabilities(estimator: Estimator, x: Tensor) -> Tensor:
    """The logistic function averaged over the latent function, by a sum of error functions."""
    mean, near = _latent(estimator, x)
    solved = np.linalg.solve(table(estimator, "L_"), np.diag(vector(estimator, "W_sr_")))
    spread = (near @ solved.T.copy()).square().sum()
    variance = (diagonal(estimator.child("kernel_"), x) - spread).unsqueeze(1)
    alpha = 0.5 / variance
    angle = (alpha / (alpha + LAMBDAS**2)).sqrt() * (mean.unsqueeze(1) * LAMBDAS)
    integrals = (np.pi / alpha).sqrt() * angle.op("Erf") / (2.0 * (variance * (2.0 * np.pi)).sqrt())
    return two_columns((integrals * COEFFICIENTS).sum() + 0.5 * COEFFICIENTS.sum())


def _quadratic(estimator: Estimator, x: Tensor) -> Tensor:
    means, scores = table(estimator, "means_"), []
    rotations, scalings = estimator.get("rotations_"), estimator.get("scalings_")
    if not len(rotations) == len(scalings) == len(means):
        raise malformed(estimator.place, "rotations_, scalings_ and means_ do not fit each other")
    for index, mean in enumerate(means):
        rotation = finite(rotations[index], f"{estimator.place}.rotations_[{index}]")
        scaling = finite(scalings[index], f"{estimator.place}.scalings_[{index}]")
        turned = (x - mean) @ (rotation * scaling**-0.5)
        scores.append(((turned.square().sum() + np.log(scaling).sum()) * -0.5).unsqueeze(1))
    return concat(scores) + np.log(vector(estimator, "priors_"))


@responds("decision_function", "QuadraticDiscriminantAnalysis")
def quadratic_scores(estimator: Estimator, x: Tensor) -> Tensor:
    """A column per class, or a vector for two."""
    scores = _quadratic(estimator, x)
    return scores.column(1) - scores.column(0) if len(table(estimator, "means_")) == 2 else scores


@responds("predict_proba", "QuadraticDiscriminantAnalysis")
def quadratic(estimator: Estimator, x: Tensor) -> Tensor:
    """Softmax of the scores."""
    return _quadratic(estimator, x).softmax()


def _log_gaussians(estimator: Estimator, x: Tensor) -> Tensor:
    """[rows, components]: the logarithms of the densities."""
    means = table(estimator, "means_")
    count, width = means.shape
    kind = estimator.get("covariance_type")
    cholesky = finite(estimator.get("precisions_cholesky_"), f"{estimator.place}.precisions_cholesky_")
    if kind in ("full", "tied"):
        factors = np.broadcast_to(cholesky, (count, width, width))
        logdet = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        parts = [
            ((x - mean) @ factor.copy()).square().sum().unsqueeze(1)
            for mean, factor in zip(means, factors, strict=True)
        ]
        distance = concat(parts)
    elif kind in ("diag", "spherical"):
        factors = np.broadcast_to(cholesky.reshape(count, -1), (count, width))
        logdet = np.asarray(np.log(factors).sum(axis=1))
        distance = ((x.unsqueeze(1) - means[None]) * factors[None].copy()).square().sum(2)
    else:
        raise unsupported(estimator, f"covariance_type={describe(kind)}")
    constant: Array = logdet - 0.5 * width * math.log(2.0 * math.pi)
    return distance * -0.5 + constant


@responds("predict_proba", "GaussianMixture", "BayesianGaussianMixture")
def responsibilities(estimator: Estimator, x: Tensor) -> Tensor:
    """How likely each component has made the row; `predict` is the largest."""
    bayesian = estimator.kind == "BayesianGaussianMixture"
    constant = _expected_weights(estimator) if bayesian else np.log(vector(estimator, "weights_"))
    return (_log_gaussians(estimator, x) + constant).softmax()


@responds("predict", "GaussianMixture", "BayesianGaussianMixture")
def component(estimator: Estimator, x: Tensor) -> Tensor:
    """The number of the component."""
    return responsibilities(estimator, x).argmax().double()


def _expected_weights(estimator: Estimator) -> Array:
    """Per component, what the posterior distributions add to the log density."""
    width = table(estimator, "means_").shape[1]
    freedom = vector(estimator, "degrees_of_freedom_")
    scale = vector(estimator, "mean_precision_")
    steps = np.arange(width)[:, None]
    log_lambda = width * math.log(2.0) + digamma(0.5 * (freedom - steps)).sum(axis=0)
    found = -0.5 * width * np.log(freedom) + 0.5 * (log_lambda - width / scale)
    given = estimator.get("weight_concentration_")
    if estimator.get("weight_concentration_prior_type") == "dirichlet_process":
        a, b = (np.asarray(part, np.float64) for part in given)
        total = digamma(a + b)
        return np.asarray(found + digamma(a) - total + np.append(0.0, np.cumsum(digamma(b) - total)[:-1]))
    concentration = np.asarray(given, np.float64)
    return np.asarray(found + digamma(concentration) - digamma(concentration.sum()))


def digamma(x: Array) -> Array:
    """The logarithmic derivative of the gamma function, for positive numbers."""
    x = np.array(x, np.float64)
    result = np.zeros_like(x)
    for _ in range(10):  # up to where the series is exact
        small = x < 10.0
        result = np.where(small, result - 1.0 / np.where(small, x, 1.0), result)
        x = np.where(small, x + 1.0, x)
    square = 1.0 / (x * x)
    terms = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
    series = sum(term * square ** (n + 1) for n, term in enumerate(terms))
    return np.asarray(result + np.log(x) - 0.5 / x - series)


@responds("decision_function", "EllipticEnvelope")
def envelope(estimator: Estimator, x: Tensor) -> Tensor:
    """Minus the squared Mahalanobis distance, minus the offset; negative for outliers."""
    centred = x - vector(estimator, "location_")
    distance = (centred * (centred @ table(estimator, "precision_"))).sum()
    return -distance - estimator.number("offset_")
