"""Elementary functions of floats and doubles, next to numpy's in a wider type."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

Reals = NDArray[Any]
Arithmetic = Callable[..., Reals]

WIDE = np.longdouble
ERF = np.frompyfunc(math.erf, 1, 1)
EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 1.5, 2.5, 1e30, -1e30, 2**24 + 1]


def sigmoid(x: Reals) -> Reals:
    return 1 / (1 + np.exp(-x))


def softplus(x: Reals) -> Reals:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-abs(x))))


def erf(x: Reals) -> Reals:
    return np.asarray(ERF(x.astype(np.float64))).astype(WIDE)


TRUTH: dict[str, Callable[[Reals], Reals]] = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log1p": np.log1p,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "sigmoid": sigmoid, "softplus": softplus, "erf": erf,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x),
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint, "abs": np.abs, "sign": np.sign,
}  # fmt: skip
EXACT = ("floor", "ceil", "trunc", "rint", "abs", "sign")
LIMITS = {
    "float": {
        **dict.fromkeys(TRUTH, 2.0), **dict.fromkeys(EXACT, 0.0), "sqrt": 0.5,
        "exp": 1.0, "exp2": 1.1, "log": 1.0, "sigmoid": 2.3, "acosh": 2.5, "asin": 2.3, "tan": 2.5,
    },
    "double": {
        **dict.fromkeys(TRUTH, 2.0), **dict.fromkeys(EXACT, 0.0), "sqrt": 0.5,
        "exp": 1.0, "exp2": 1.0, "log": 1.0, "sigmoid": 2.3,
        "sinh": 2.5, "tanh": 2.5, "asin": 2.5, "tan": 2.5,
    },
}  # fmt: skip
"""Units in the last place."""
ODD = [
    *("expm1", "log1p", "sinh", "tanh", "asinh", "atanh", "sin", "tan", "asin", "atan", "erf"),
    *("sqrt", "floor", "ceil", "trunc", "rint"),
]
"""Functions that give back a zero with its sign."""


def suffix(kind: Any) -> str:
    return "f" if kind is np.float32 else ""


def spread(kind: Any, count: int, seed: int = 1) -> Reals:
    """All exponents, the ranges where functions change, neighbours of 1, denormals and edge values."""
    random = np.random.RandomState(seed)
    word = np.uint32 if kind is np.float32 else np.uint64
    patterns = np.frombuffer(random.bytes(word(0).nbytes * count), word).view(kind)
    scales = [0.5, 5, 50, 700, 3e4]
    normal = [(random.randn(count) * scale).astype(kind) for scale in scales]
    near_one = (1 + random.randn(count) * 10.0 ** random.randint(-15, 0, count)).astype(kind)
    tiny = (random.randn(count // 4) * float(np.finfo(kind).tiny)).astype(kind)
    halves = (random.randint(-1000, 1000, count // 4) / 2).astype(kind)
    edges = np.array([*EDGES, np.finfo(kind).max, np.finfo(kind).smallest_subnormal], kind)
    return np.concatenate([patterns, *normal, near_one, -near_one, tiny, halves, edges])


def errors(found: Reals, truth: Reals) -> Reals:
    """Units in the last place; infinite where one is NaN or infinite and the other is not the same."""
    with np.errstate(all="ignore"):
        nearest = truth.astype(found.dtype)
        least = np.finfo(found.dtype).smallest_subnormal
        unit = np.maximum(np.spacing(abs(nearest)), least).astype(WIDE)
        distance = abs(found.astype(WIDE) - truth) / unit
        special = ~np.isfinite(found) | ~np.isfinite(nearest)
        same = (found == nearest) | (np.isnan(found) & np.isnan(nearest))
    return np.where(special, np.where(same, 0, np.inf), distance)


def worst(found: Reals, truth: Reals, *arguments: Reals) -> tuple[float, list[Any]]:
    distance = errors(found, truth)
    index = int(np.argmax(distance))
    return float(distance[index]), [argument[index] for argument in arguments] + [found[index]]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("name", TRUTH)
def test_function(arithmetic: Arithmetic, name: str, kind: Any) -> None:
    x = spread(kind, 20_000 if kind is np.float32 else 8_000)
    if name in ("sin", "cos", "tan") and kind is np.float32:
        x = x[(abs(x) < 1e5) | ~np.isfinite(x)]
    with np.errstate(all="ignore"):
        truth = TRUTH[name](x.astype(WIDE)).astype(WIDE)
    error, where = worst(arithmetic(f"{name}{suffix(kind)}", x), truth, x)
    assert error <= LIMITS["float" if kind is np.float32 else "double"][name], where


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("name", ODD)
def test_signs_of_zeros(arithmetic: Arithmetic, name: str, kind: Any) -> None:
    zeros = np.array([0.0, -0.0] * 20, kind)
    assert np.signbit(arithmetic(f"{name}{suffix(kind)}", zeros)).tolist() == [False, True] * 20


def test_sine_of_any_float_is_at_most_1(arithmetic: Arithmetic) -> None:
    x = spread(np.float32, 20_000)
    x = x[np.isfinite(x)]
    for name in ("sinf", "cosf"):
        assert (abs(arithmetic(name, x)) <= 1).all()
    assert np.isfinite(arithmetic("tanf", x)).all()


def pairs(kind: Any, count: int) -> tuple[Reals, Reals]:
    """Any two numbers, edge values with each other, and such that the power is a finite number."""
    x = spread(kind, count)
    edges = np.array([*EDGES, 0.7, -0.7, np.finfo(kind).max, np.finfo(kind).smallest_subnormal], kind)
    left, right = (grid.ravel() for grid in np.meshgrid(edges, edges))
    with np.errstate(all="ignore"):
        base = abs(spread(kind, count, 5))
        exponent = (np.random.RandomState(4).randn(len(base)) * 300 / np.log(base)).astype(kind)
    return (
        np.concatenate([x, left, base]),
        np.concatenate([np.random.RandomState(3).permutation(x), right, exponent]),
    )


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "truth", "limit"),
    [
        *(("pow", np.power, 1.0), ("fmod", np.fmod, 0.0), ("mod", np.mod, 0.5)),
        *(("max", np.maximum, 0.0), ("min", np.minimum, 0.0), ("copysign", np.copysign, 0.0)),
    ],
)
def test_function_of_two(
    arithmetic: Arithmetic, name: str, truth: Callable[..., Reals], limit: float, kind: Any
) -> None:
    a, b = pairs(kind, 6_000)
    with np.errstate(all="ignore"):
        expected = truth(a.astype(WIDE), b.astype(WIDE))
    found = arithmetic(f"{name}{suffix(kind)}", a, b)
    error, where = worst(found, expected, a, b)
    assert error <= limit, where
    if name in ("pow", "fmod", "mod", "copysign"):
        assert (np.signbit(found) == np.signbit(expected))[found == 0].all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_classes(arithmetic: Arithmetic, kind: Any) -> None:
    x = spread(kind, 1_000)
    assert (arithmetic(f"isnan{suffix(kind)}", x).astype(bool) == np.isnan(x)).all()
    assert (arithmetic(f"isinf{suffix(kind)}", x).astype(bool) == np.isinf(x)).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(x=st.floats(), y=st.floats())
def test_doubles_of_hypothesis(arithmetic: Arithmetic, x: float, y: float) -> None:
    a, b = np.array([x]), np.array([y])
    with np.errstate(all="ignore"):
        for name, truth in (("pow", np.power), ("fmod", np.fmod), ("mod", np.mod)):
            assert errors(arithmetic(name, a, b), truth(a.astype(WIDE), b.astype(WIDE))).max() <= 1
        for name in ("exp", "log1p", "sin", "tanh", "erf", "atan"):
            limit = LIMITS["double"][name]
            assert errors(arithmetic(name, a), TRUTH[name](a.astype(WIDE)).astype(WIDE)).max() <= limit
