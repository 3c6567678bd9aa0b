"""Projections to components: linear ones, kernels, random features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinsmith.compiler.frontends.sklearn.arrays import Array, optional, table, vector
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.kernels import kernel_of, unit
from tinsmith.compiler.frontends.sklearn.neighbours import all_distances
from tinsmith.compiler.frontends.sklearn.responses import responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat, where

MAX_SKETCH = 4096
"""Components of a count sketch: the Fourier transform is a square matrix of that size."""
MAX_STEPS = 64


def _project(x: Tensor, matrix: ArrayLike) -> Tensor:
    return x @ np.ascontiguousarray(matrix)


@responds("transform", "PCA", "IncrementalPCA")
def principal(estimator: Estimator, x: Tensor) -> Tensor:
    """(x - mean) @ components, divided by the standard deviations where they are whitened."""
    components = table(estimator, "components_")
    mean = optional(estimator, "mean_")
    found = _project(x if mean is None else x - mean, components.T)
    if estimator.get("whiten", default=False):
        scale = np.sqrt(vector(estimator, "explained_variance_", size=len(components)))
        found = found / np.maximum(scale, np.finfo(np.float64).eps)
    return found


@responds("transform", "TruncatedSVD", "NeighborhoodComponentsAnalysis")
@responds("transform", "GaussianRandomProjection", "SparseRandomProjection")
def projected(estimator: Estimator, x: Tensor) -> Tensor:
    """x @ components."""
    return _project(x, table(estimator, "components_").T)


@responds("transform", "FastICA")
def independent(estimator: Estimator, x: Tensor) -> Tensor:
    """(x - mean) @ components."""
    if estimator.get("whiten", default=True):
        x = x - vector(estimator, "mean_")
    return _project(x, table(estimator, "components_").T)


@responds("transform", "FactorAnalysis")
def factors(estimator: Estimator, x: Tensor) -> Tensor:
    """The expected factors."""
    components = table(estimator, "components_")
    weighted = components / vector(estimator, "noise_variance_", size=components.shape[1])
    covariance = np.linalg.inv(np.eye(len(components)) + weighted @ components.T)
    return _project(x - vector(estimator, "mean_"), weighted.T @ covariance)


@responds("transform", "SparsePCA", "MiniBatchSparsePCA")
def sparse(estimator: Estimator, x: Tensor) -> Tensor:
    """Ridge regression on the components, which is linear."""
    components = table(estimator, "components_")
    gram = components @ components.T + estimator.number("ridge_alpha") * np.eye(len(components))
    return _project(x - vector(estimator, "mean_"), np.linalg.solve(gram, components).T)


@responds("transform", "LinearDiscriminantAnalysis", when=lambda e: e.get("solver") != "lsqr")
def discriminants(estimator: Estimator, x: Tensor) -> Tensor:
    """The columns that tell the classes apart best."""
    scalings = table(estimator, "scalings_")[:, : int(estimator.number("_max_components"))]
    return _project(x - vector(estimator, "xbar_") if estimator.get("solver") == "svd" else x, scalings)


PLS = ("PLSRegression", "PLSCanonical", "CCA")


@responds("predict", *PLS)
def partial_least_squares(estimator: Estimator, x: Tensor) -> Tensor:
    """Coefficients are of the numbers themselves since 1.3, of scaled ones before, and turned before 1.1."""
    x = x - vector(estimator, "_x_mean", "x_mean_")
    if estimator.has("intercept_") and not estimator.has("_coef_"):
        found = _project(x, table(estimator, "coef_").T) + vector(estimator, "intercept_")
        return found.column(0) if estimator.get("_predict_1d", default=False) else found
    x = x / vector(estimator, "_x_std", "x_std_")
    if estimator.has("_coef_"):
        return _project(x, table(estimator, "_coef_").T) + vector(estimator, "intercept_")
    return _project(x, table(estimator, "coef_")) + vector(estimator, "_y_mean", "y_mean_")


@responds("transform", *PLS, "PLSSVD")
def scores(estimator: Estimator, x: Tensor) -> Tensor:
    """The scores of the rows."""
    matrix = table(estimator, "x_weights_" if estimator.kind == "PLSSVD" else "x_rotations_")
    scaled = (x - vector(estimator, "_x_mean", "x_mean_")) / vector(estimator, "_x_std", "x_std_")
    return _project(scaled, matrix)


@responds("transform", "KernelCenterer")
def centred(estimator: Estimator, x: Tensor) -> Tensor:
    """A kernel of centred features."""
    rows = vector(estimator, "K_fit_rows_")
    return x - rows - x.sum(keep=True) / float(len(rows)) + estimator.number("K_fit_all_")


@responds("predict", "KernelRidge")
def kernel_ridge(estimator: Estimator, x: Tensor) -> Tensor:
    """kernel @ dual_coef_."""
    dual = np.asarray(estimator.get("dual_coef_"))
    found = kernel_of(estimator, x, table(estimator, "X_fit_")) @ table(estimator, "dual_coef_").reshape(
        len(dual), -1
    )
    return found.column(0) if dual.ndim == 1 else found


@responds("transform", "KernelPCA")
def kernel_principal(estimator: Estimator, x: Tensor) -> Tensor:
    """Principal components of the kernel."""
    if estimator.get("kernel") == "precomputed":
        return kernel_components(estimator, x)
    return kernel_components(estimator, kernel_of(estimator, x, table(estimator, "X_fit_"), gamma="gamma_"))


def kernel_components(estimator: Estimator, kernel: Tensor) -> Tensor:
    """Of the kernel between rows and training rows."""
    values = vector(estimator, "eigenvalues_", "lambdas_")
    vectors = table(estimator, "eigenvectors_", "alphas_", width=len(values))
    scaled = np.where(values == 0, 0.0, vectors / np.sqrt(np.where(values == 0, 1.0, values)))
    return _project(centred(estimator.child("_centerer"), kernel), scaled)


@responds("transform", "Isomap")
def isomap(estimator: Estimator, x: Tensor) -> Tensor:
    """Along the nearest training rows."""
    neighbours = estimator.child("nbrs_")
    if neighbours.get("n_neighbors", default=None) is None:
        raise unsupported(estimator, "a radius instead of n_neighbors")
    near, which = all_distances(neighbours, x).smallest(int(neighbours.number("n_neighbors")))
    paths = (which.of(table(estimator, "dist_matrix_")) + near.unsqueeze(2)).min(1)
    return kernel_components(estimator.child("kernel_pca_"), paths.square() * -0.5)


@responds("transform", "Nystroem")
def nystroem(estimator: Estimator, x: Tensor) -> Tensor:
    """A kernel to some training rows, normalised."""
    return _project(
        kernel_of(estimator, x, table(estimator, "components_")), table(estimator, "normalization_").T
    )


@responds("transform", "RBFSampler", "SkewedChi2Sampler")
def random_features(estimator: Estimator, x: Tensor) -> Tensor:
    """Cosines of random projections."""
    weights = table(estimator, "random_weights_")
    if estimator.kind == "SkewedChi2Sampler":
        x = (x + estimator.number("skewedness")).log()
    waves = (_project(x, weights) + vector(estimator, "random_offset_")).op("Cos")
    return waves * float(np.sqrt(2.0 / weights.shape[1]))


@responds("transform", "AdditiveChi2Sampler")
def additive_chi2(estimator: Estimator, x: Tensor) -> Tensor:
    """Samples of the Fourier transform of the chi squared kernel; zeros for zeros."""
    steps = int(estimator.number("sample_steps"))
    if not 1 <= steps <= MAX_STEPS:
        raise malformed(estimator.place, f"sample_steps: expected 1 to {MAX_STEPS}, found {steps}")
    interval: Any = estimator.get("sample_interval_", "sample_interval", default=None)
    interval = {1: 0.8, 2: 0.5, 3: 0.4}[steps] if interval is None else float(interval)
    zero = x.equals(0.0)
    safe = where(zero, 1.0, x)
    phase, parts = safe.log() * interval, [(safe * interval).sqrt()]
    for step in range(1, steps):
        factor = (safe * (2.0 * interval / np.cosh(np.pi * step * interval))).sqrt()
        parts += [factor * (phase * float(step)).op("Cos"), factor * (phase * float(step)).op("Sin")]
    return concat([where(zero, 0.0, part) for part in parts])


@responds("transform", "PolynomialCountSketch")
def count_sketch(estimator: Estimator, x: Tensor) -> Tensor:
    """Sketches of the powers, multiplied in the frequency domain: the transforms are matrices here."""
    size = int(estimator.number("n_components"))
    if not 1 <= size <= MAX_SKETCH:
        raise unsupported(estimator, f"n_components={size}; up to {MAX_SKETCH} are compiled")
    where_to, sign = table(estimator, "indexHash_"), table(estimator, "bitHash_")
    x = x * np.sqrt(estimator.number("gamma"))
    if estimator.number("coef0") != 0:
        x = concat([x, x.columns([0]).filled(float(np.sqrt(estimator.number("coef0"))))])
    angle = 2.0 * np.pi * np.outer(np.arange(size), np.arange(size)) / size
    cosine, sine = np.cos(angle), np.sin(angle)
    real: Tensor | None = None
    imaginary: Tensor | None = None
    for places, signs in zip(where_to.astype(np.int64), sign, strict=True):
        if places.min() < 0 or places.max() >= size:
            raise malformed(estimator.place, f"indexHash_: expected numbers below {size}")
        sketch = _project(x, np.eye(size)[places] * signs[:, None])
        a, b = sketch @ cosine, sketch @ -sine
        if real is None or imaginary is None:
            real, imaginary = a, b
        else:
            real, imaginary = real * a - imaginary * b, real * b + imaginary * a
    if real is None or imaginary is None:
        raise malformed(estimator.place, "indexHash_ is empty")
    return (real @ cosine - imaginary @ sine) / float(size)


@responds("transform", "TfidfTransformer")
def tfidf(estimator: Estimator, x: Tensor) -> Tensor:
    """Counts weighted by how rare their columns are; a table of numbers, not text."""
    if estimator.get("sublinear_tf", default=False):
        x = where(x.equals(0.0), 0.0, where(x.equals(0.0), 1.0, x).log() + 1.0)
    if estimator.get("use_idf", default=True):
        x = x * _rarity(estimator)
    norm = estimator.get("norm")
    if norm == "l2":
        return unit(x)
    return x if norm is None else x / _safe(x.abs().sum(keep=True))


def _safe(size: Tensor) -> Tensor:
    return size + size.equals(0.0).double()


def _rarity(estimator: Estimator) -> Array:
    """A weight per column; versions before 1.4 keep them in a diagonal matrix."""
    if estimator.has("idf_"):
        return vector(estimator, "idf_")
    return np.asarray(estimator.child("_idf_diag").get("data"), np.float64).reshape(-1)
