"""Transformers that treat every number by itself: scalers, powers, quantiles, bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn.arrays import Array, optional, table, vector
from tinsmith.compiler.frontends.sklearn.curves import normal_quantile, piecewise
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.kernels import unit
from tinsmith.compiler.frontends.sklearn.responses import INVERSE, responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, concat, where

BOUNDS = 1e-7
"""How near the least and the largest quantile a number counts as it, for normal distributions."""


@responds("transform", "StandardScaler", "MaxAbsScaler", "RobustScaler")
def scaler(estimator: Estimator, x: Tensor) -> Tensor:
    """(x - mean) / scale, of which either may be missing."""
    center = optional(estimator, "center_" if estimator.kind == "RobustScaler" else "mean_")
    if center is not None and estimator.get("with_mean", "with_centering", default=True):
        x = x - center
    scale = optional(estimator, "scale_")
    if scale is not None and estimator.get("with_std", "with_scaling", default=True):
        x = x / scale
    if estimator.kind == "MaxAbsScaler" and estimator.get("clip", default=False):
        x = x.clip(-1.0, 1.0)
    return x


@responds("transform", "MinMaxScaler")
def min_max(estimator: Estimator, x: Tensor) -> Tensor:
    """x * scale + min."""
    x = x * vector(estimator, "scale_") + vector(estimator, "min_")
    if estimator.get("clip", default=False):
        low, high = (float(bound) for bound in estimator.get("feature_range"))
        x = x.clip(low, high)
    return x


@responds("transform", "Normalizer")
def normalizer(estimator: Estimator, x: Tensor) -> Tensor:
    """Rows of norm 1; rows of zeros stay."""
    norm = estimator.get("norm")
    if norm == "l2":
        return unit(x)
    if norm not in ("l1", "max"):
        raise unsupported(estimator, f"norm={describe(norm)}")
    size = x.abs().sum(keep=True) if norm == "l1" else x.abs().max(keep=True)
    return x / (size + size.equals(0.0).double())


@responds("transform", "Binarizer")
def binarizer(estimator: Estimator, x: Tensor) -> Tensor:
    """1 above the threshold, else 0."""
    return x.greater(estimator.number("threshold")).double()


@responds("transform", "PowerTransformer")
def power(estimator: Estimator, x: Tensor) -> Tensor:
    """Box-Cox or Yeo-Johnson, then the scaler inside."""
    lambdas = np.asarray(estimator.get("lambdas_"), np.float64)
    lambdas = np.where(np.isnan(lambdas), 1.0, lambdas)
    method = estimator.get("method")
    if method == "box-cox":
        x = _box_cox(x, lambdas)
    elif method == "yeo-johnson":
        negative = -_box_cox(1.0 - x.op("Min", 0.0), 2.0 - lambdas)
        x = where(x.less(0.0), negative, _box_cox(x.op("Max", 0.0) + 1.0, lambdas))
    else:
        raise unsupported(estimator, f"method={describe(method)}")
    if estimator.get("standardize", default=True):
        x = scaler(estimator.child("_scaler"), x)
    return x


def _box_cox(x: Tensor, lambdas: Array) -> Tensor:
    """(x ** lambda - 1) / lambda, the logarithm where lambda is 0."""
    zero = np.abs(lambdas) < 1e-19
    safe = np.where(zero, 1.0, lambdas)
    log = x.log()
    half = log * (safe / 2.0)
    # expm1(2 h) = 2 exp(h) sinh(h)
    grown = 2.0 * half.exp() * half.op("Sinh") / safe
    return where(x.builder.constant(zero), log, grown) if zero.any() else grown


@responds("transform", "QuantileTransformer")
def quantile(estimator: Estimator, x: Tensor) -> Tensor:
    """The mean of two interpolations, so that runs of equal quantiles become their middle."""
    quantiles = table(estimator, "quantiles_")
    references = vector(estimator, "references_", size=len(quantiles))
    normal = estimator.get("output_distribution") == "normal"
    columns = []
    for index in range(quantiles.shape[1]):
        knots, value = quantiles[:, index], x.column(index)
        up = piecewise(value, knots, references)
        down = piecewise(-value, -knots[::-1], -references[::-1])
        found = 0.5 * (up - down)
        near = BOUNDS if normal else 0.0
        high = (value + near).op("Greater" if normal else "Equal", knots[-1])
        low = (value - near).op("Less" if normal else "Equal", knots[0])
        found = where(low, 0.0, where(high, 1.0, found))
        columns.append(where(value.isnan(), np.nan, found).unsqueeze(1))
    result = concat(columns)
    if not normal:
        return result
    bound = 5.19933758270342  # the quantile of 1 - BOUNDS + spacing(1)
    return normal_quantile(result).clip(-bound, bound)


def bin_numbers(estimator: Estimator, x: Tensor) -> tuple[Tensor, NDArray[np.int64]]:
    """The bin of every number, as float64 [rows, columns], and how many bins each column has."""
    edges = [np.asarray(column, np.float64) for column in estimator.get("bin_edges_")]
    counts = vector(estimator, "n_bins_", size=len(edges)).astype(np.int64)
    columns = []
    for index, column in enumerate(edges):
        if column.ndim != 1 or len(column) != counts[index] + 1:
            raise malformed(estimator.place, f"bin_edges_[{index}] does not fit n_bins_")
        value = x.column(index).unsqueeze(1)
        inner = column[1:-1]
        version = estimator.version
        if version is not None and version < (1, 3):
            # Before 1.3, a number just below an edge belonged to the bin above it.
            value = value + (1e-8 + 1e-5 * value.abs())
        columns.append(
            value.op("GreaterOrEqual", inner).double().sum(keep=True) if inner.size else value.filled(0.0)
        )
    return concat(columns), counts


@responds("transform", "KBinsDiscretizer")
def bins(estimator: Estimator, x: Tensor) -> Tensor:
    """The number of the bin, or a column per bin."""
    numbers, counts = bin_numbers(estimator, x)
    if estimator.get("encode") == "ordinal":
        return numbers
    return concat(
        [numbers.columns([i]).equals(np.arange(float(count))).double() for i, count in enumerate(counts)]
    )


@responds(INVERSE, "StandardScaler", "MaxAbsScaler", "RobustScaler")
def unscaled(estimator: Estimator, x: Tensor) -> Tensor:
    """x * scale + mean."""
    scale = optional(estimator, "scale_")
    if scale is not None and estimator.get("with_std", "with_scaling", default=True):
        x = x * scale
    center = optional(estimator, "center_" if estimator.kind == "RobustScaler" else "mean_")
    if center is not None and estimator.get("with_mean", "with_centering", default=True):
        x = x + center
    return x


@responds(INVERSE, "MinMaxScaler")
def un_min_max(estimator: Estimator, x: Tensor) -> Tensor:
    """(x - min) / scale."""
    return (x - vector(estimator, "min_")) / vector(estimator, "scale_")


@responds(INVERSE, "QuantileTransformer")
def unquantile(estimator: Estimator, x: Tensor) -> Tensor:
    """Interpolation between the quantiles."""
    quantiles = table(estimator, "quantiles_")
    references = vector(estimator, "references_", size=len(quantiles))
    near = 0.0
    if estimator.get("output_distribution") == "normal":
        x, near = 0.5 * (1.0 + (x / np.sqrt(2.0)).op("Erf")), BOUNDS
    columns = []
    for index in range(quantiles.shape[1]):
        knots, value = quantiles[:, index], x.column(index)
        found = piecewise(value, references, knots)
        found = where((value + near).op("Greater" if near else "Equal", 1.0), knots[-1], found)
        columns.append(
            where((value - near).op("Less" if near else "Equal", 0.0), knots[0], found).unsqueeze(1)
        )
    return concat(columns)


@responds(INVERSE, "PowerTransformer")
def unpower(estimator: Estimator, x: Tensor) -> Tensor:
    """The inverses of the scaler inside, and of Box-Cox or Yeo-Johnson."""
    if estimator.get("standardize", default=True):
        x = unscaled(estimator.child("_scaler"), x)
    lambdas = vector(estimator, "lambdas_")
    if estimator.get("method") == "box-cox":
        return _un_box_cox(x, lambdas)
    positive = _un_box_cox(x.op("Max", 0.0), lambdas) - 1.0
    negative = 1.0 - _un_box_cox((-x).op("Max", 0.0), 2.0 - lambdas)
    return where(x.less(0.0), negative, positive)


def _un_box_cox(x: Tensor, lambdas: Array) -> Tensor:
    """(x * lambda + 1) ** (1 / lambda)."""
    zero = np.abs(lambdas) < 1e-19
    safe = np.where(zero, 1.0, lambdas)
    power = (x * safe + 1.0) ** (1.0 / safe)
    return where(x.builder.constant(zero), x.exp(), power) if zero.any() else power
