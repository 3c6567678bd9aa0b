"""Functions of one variable as nodes: interpolation, the quantiles of the normal distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinsmith.compiler.frontends.sklearn.arrays import Array
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, where


def piecewise(x: Tensor, knots: Array, values: Array) -> Tensor:
    """numpy.interp of a vector: linear between the knots, which ascend, and constant beyond them."""
    if len(knots) == 1:
        return x.filled(float(values[0]))
    right = x.unsqueeze(1).op("GreaterOrEqual", knots).double().sum()
    left = (right - 1.0).clip(0.0, float(len(knots) - 2)).cast("int64")
    rise = np.diff(knots)
    slope = np.diff(values) / np.where(rise == 0, 1.0, rise)
    found = left.of(slope) * (x - left.of(knots[:-1])) + left.of(values[:-1])
    found = where(x.op("GreaterOrEqual", knots[-1]), values[-1], found)
    return where(x.less(knots[0]), values[0], found)


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Horner's scheme, the highest power first."""
    found = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        found = found * x + coefficient
    return found


_CENTRE = (
    (
        *(2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457),
        *(13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    ),
    (
        *(5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867),
        *(5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
    ),
)
_TAIL = (
    (
        *(7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177),
        *(1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055),
        *(4.6303378461565452959, 1.42343711074968357734),
    ),
    (
        *(1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966),
        *(0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494),
        *(2.05319162663775882187, 1.0),
    ),
)
_FAR = (
    (
        *(2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386),
        *(0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358),
        *(5.4637849111641143699, 6.6579046435011037772),
    ),
    (
        *(2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5),
        *(7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531),
        *(0.59983220655588793769, 1.0),
    ),
)
"""Numerators and denominators of Wichura's algorithm AS 241, which is exact to about 16 digits."""


def normal_quantile(p: Tensor) -> Tensor:
    """The inverse of the standard normal distribution function; infinite at 0 and 1."""
    q = p - 0.5
    near = 0.180625 - q.square()
    centre = q * polynomial(near, _CENTRE[0]) / polynomial(near, _CENTRE[1])
    tail = p.op("Min", 1.0 - p)
    r = (-tail.log()).sqrt()
    close = polynomial(r - 1.6, _TAIL[0]) / polynomial(r - 1.6, _TAIL[1])
    far = polynomial(r - 5.0, _FAR[0]) / polynomial(r - 5.0, _FAR[1])
    size = where(r.at_most(5.0), close, far)
    outer = where(q.less(0.0), -size, size)
    return where(q.abs().at_most(0.425), centre, where(tail.equals(0.0), q * np.inf, outer))
