"""The kernels of sklearn.gaussian_process, which are objects that hold each other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import Array
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, finite, malformed, unsupported
from tinsmith.compiler.frontends.sklearn.kernels import kernel, squared_distances
from tinsmith.compiler.frontends.sklearn.tensor import Tensor

MAX_DEPTH = 32


def process_kernel(this: Estimator, x: Tensor, points: Array) -> Tensor:
    """[rows, points]: the kernel `this` between rows and other, constant rows."""
    if this.place.count(".k") > MAX_DEPTH:
        raise malformed("model", "kernels are nested too deeply")
    if this.kind in COMBINED:
        first, second = (process_kernel(this.child(name), x, points) for name in ("k1", "k2"))
        return COMBINED[this.kind](first, second)
    if this.kind == "Exponentiation":
        return process_kernel(this.child("kernel"), x, points) ** this.number("exponent")
    if this.kind not in KERNELS:
        raise unsupported(this, "this kernel is not compiled")
    with x.builder.layer(this.place):
        return KERNELS[this.kind](this, x, points)


def diagonal(this: Estimator, x: Tensor) -> Tensor:
    """[rows]: the kernel of every row with itself."""
    if this.kind in COMBINED:
        return COMBINED[this.kind](diagonal(this.child("k1"), x), diagonal(this.child("k2"), x))
    if this.kind == "Exponentiation":
        return diagonal(this.child("kernel"), x) ** this.number("exponent")
    if this.kind == "DotProduct":
        return x.square().sum() + this.number("sigma_0") ** 2
    constants = {"ConstantKernel": "constant_value", "WhiteKernel": "noise_level"}
    if this.kind == "PairwiseKernel":
        raise unsupported(this, "this kernel is compiled for regression only")
    value = this.number(constants[this.kind]) if this.kind in constants else 1.0
    return x.column(0).filled(value)


def _scaled(this: Estimator, x: Tensor, points: Array) -> Tensor:
    """Squared distances in units of the length scale."""
    scale = finite(this.get("length_scale"), f"{this.place}.length_scale").reshape(-1)
    return squared_distances(x / scale, points / scale)


def _constant(this: Estimator, x: Tensor, points: Array) -> Tensor:
    return x.columns([0] * len(points)).filled(this.number("constant_value"))


def _white(this: Estimator, x: Tensor, points: Array) -> Tensor:
    return x.columns([0] * len(points)).filled(0.0)


def _rbf(this: Estimator, x: Tensor, points: Array) -> Tensor:
    return (_scaled(this, x, points) * -0.5).exp()


def _matern(this: Estimator, x: Tensor, points: Array) -> Tensor:
    nu = float(this.get("nu"))
    squares = _scaled(this, x, points)
    if math.isinf(nu):
        return (squares * -0.5).exp()
    if nu not in (0.5, 1.5, 2.5):
        raise unsupported(this, f"nu={nu}; compiled are 0.5, 1.5, 2.5 and infinity")
    distance = squares.sqrt() * math.sqrt(2.0 * nu)
    decay = (-distance).exp()
    if nu == 0.5:
        return decay
    return decay * (distance + 1.0 if nu == 1.5 else distance + 1.0 + distance.square() / 3.0)


def _rational(this: Estimator, x: Tensor, points: Array) -> Tensor:
    alpha, scale = this.number("alpha"), this.number("length_scale")
    return (squared_distances(x, points) / (2.0 * alpha * scale**2) + 1.0) ** -alpha


def _periodic(this: Estimator, x: Tensor, points: Array) -> Tensor:
    wave = (squared_distances(x, points).sqrt() * (np.pi / this.number("periodicity"))).op("Sin")
    return ((wave / this.number("length_scale")).square() * -2.0).exp()


def _dot(this: Estimator, x: Tensor, points: Array) -> Tensor:
    return x @ points.T.copy() + this.number("sigma_0") ** 2


def _pairwise(this: Estimator, x: Tensor, points: Array) -> Tensor:
    parameters = {"gamma": this.number("gamma"), **(this.get("pairwise_kernels_kwargs", default=None) or {})}
    return kernel(this, this.get("metric"), x, points, parameters)


COMBINED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Sum": lambda a, b: a + b,
    "Product": lambda a, b: a * b,
}
KERNELS: dict[str, Callable[[Estimator, Tensor, Array], Tensor]] = {
    "ConstantKernel": _constant,
    "WhiteKernel": _white,
    "RBF": _rbf,
    "Matern": _matern,
    "RationalQuadratic": _rational,
    "ExpSineSquared": _periodic,
    "DotProduct": _dot,
    "PairwiseKernel": _pairwise,
}
