"""FunctionTransformer: functions of numpy by name, as nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinsmith.compiler.formats.pickle_objects import Global, Record
from tinsmith.compiler.frontends.sklearn.estimator import Estimator, describe, unsupported
from tinsmith.compiler.frontends.sklearn.responses import INVERSE, responds
from tinsmith.compiler.frontends.sklearn.tensor import Tensor, where


def log1p(x: Tensor) -> Tensor:
    """Exact near 0 by way of the inverse hyperbolic tangent."""
    small = x.clip(-0.5, 0.5)
    return where(x.abs().less(0.5), 2.0 * (small / (small + 2.0)).op("Atanh"), (x + 1.0).log())


def expm1(x: Tensor) -> Tensor:
    """Exact near 0 by way of the hyperbolic sine."""
    half = x / 2.0
    return where(x.abs().less(1.0), 2.0 * half.exp() * half.op("Sinh"), x.exp() - 1.0)


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "log1p": log1p,
    "expm1": expm1,
    "log": Tensor.log,
    "log2": lambda x: x.log() / np.log(2.0),
    "log10": lambda x: x.log() / np.log(10.0),
    "exp": Tensor.exp,
    "exp2": lambda x: (x * np.log(2.0)).exp(),
    "sqrt": Tensor.sqrt,
    "cbrt": lambda x: x.op("Sign") * x.abs() ** (1.0 / 3.0),
    "square": Tensor.square,
    "abs": Tensor.abs,
    "absolute": Tensor.abs,
    "fabs": Tensor.abs,
    "negative": lambda x: -x,
    "positive": lambda x: x,
    "reciprocal": lambda x: 1.0 / x,
    "sign": lambda x: x.op("Sign"),
    "sin": lambda x: x.op("Sin"),
    "cos": lambda x: x.op("Cos"),
    "tan": lambda x: x.op("Tan"),
    "tanh": lambda x: x.op("Tanh"),
    "arctan": lambda x: x.op("Atan"),
    "arcsinh": lambda x: x.op("Asinh"),
    "sinh": lambda x: x.op("Sinh"),
    "cosh": lambda x: x.op("Cosh"),
    "floor": lambda x: x.op("Floor"),
    "ceil": lambda x: x.op("Ceil"),
    "rint": lambda x: x.op("Round"),
    "deg2rad": lambda x: x * (np.pi / 180.0),
    "radians": lambda x: x * (np.pi / 180.0),
}
"""By their names in numpy, and scipy.special's expit and logit."""
SPECIAL: dict[str, Callable[[Tensor], Tensor]] = {
    "expit": Tensor.sigmoid,
    "logit": lambda x: (x / (1.0 - x)).log(),
}


def _function(value: Any) -> Callable[[Tensor], Tensor] | None:
    """What a pickled function does; None for one that is not known."""
    if isinstance(value, Record) and value.short_name == "_ufunc_reconstruct" and len(value.args) == 2:
        name = ".".join(map(str, value.args))
    elif isinstance(value, Global):
        name = value.name
    else:
        return None
    package, _, short = name.rpartition(".")
    if package.split(".")[0] == "numpy":
        return FUNCTIONS.get(short)
    return SPECIAL.get(short) if package.startswith("scipy.special") else None


def _apply(estimator: Estimator, attribute: str, arguments: str, x: Tensor) -> Tensor:
    value = estimator.get(attribute, default=None)
    if value is None:
        return x
    function = _function(value)
    if function is None or estimator.get(arguments, default=None):
        known = ", ".join(sorted({*FUNCTIONS, *SPECIAL}))
        raise unsupported(
            estimator,
            f"{attribute} is {describe_function(value)}; compiled are None and, without arguments, {known}",
        )
    return function(x)


def describe_function(value: Any) -> str:
    """The name of a function, for errors."""
    return value.name if isinstance(value, Global) else describe(value)


@responds("transform", "FunctionTransformer")
def transform(estimator: Estimator, x: Tensor) -> Tensor:
    """The function itself."""
    return _apply(estimator, "func", "kw_args", x)


@responds(INVERSE, "FunctionTransformer")
def inverse(estimator: Estimator, x: Tensor) -> Tensor:
    """Its inverse."""
    return _apply(estimator, "inverse_func", "inv_kw_args", x)
