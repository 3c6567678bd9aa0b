"""Predictions from margins: the exponential within 1 ulp, and every transform like the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Linear, Model, TensorSpec, Transform
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.compiler.verify.cpu import host_variants
from tinsmith.spec.targets import platforms

EDGES = np.array([88.72284, 103.97, 103.98, 87.33655, 709.78271, 709.78278, 708.4, 745.13, 745.14, 746, 710])
SPECIAL = np.array([0, -0.0, np.nan, np.inf, -np.inf, 1e-42, -1e-42, 3.4028235e38, -3.4028235e38], np.float32)


def identity(transform: Transform, kind: Any, columns: int, **parameters: float) -> Model:
    """The margin of a column is that feature."""
    body = Linear(np.eye(columns).astype(kind), np.zeros(columns, kind))
    row = TensorSpec("data", "float32", (-1, columns))
    out = TensorSpec("out", np.dtype(kind).name, (-1, columns))
    return Model("XGBOOST", "none", "transform", row, out, body, transform, parameters)


def ulps(got: NDArray[Any], exact: NDArray[Any], least: float = 0.0) -> NDArray[np.float64]:
    """Distance in units of the last place of the result, or of `least` where that is larger; 0 for the same
    infinity or NaN."""
    kind = got.dtype.type
    with np.errstate(all="ignore"):
        nearest = exact.astype(kind)
        same = (got == nearest) | (np.isnan(got) & np.isnan(nearest))
        unit = np.spacing(np.maximum(np.abs(np.where(np.isfinite(nearest), nearest, kind(1))), kind(least)))
        distance = np.abs(got.astype(np.longdouble) - exact.astype(np.longdouble)) / unit.astype(
            np.longdouble
        )
    return np.where(same, 0.0, distance.astype(np.float64))


def numbers(columns: int, scale: float) -> NDArray[np.float32]:
    draw = np.random.default_rng(8)
    wide = [
        draw.normal(size=6000) * scale,
        draw.random(3000) * 1500 - 750,
        [0.5, 1, -1, 88.7, -88.7, 1e-8, -1e-8],
    ]
    rows = np.concatenate([SPECIAL, EDGES, -EDGES, *wide]).astype(np.float32)
    return np.ascontiguousarray(np.resize(rows, (len(rows) // columns, columns)))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_exponential(kind: Any, workshop: Any) -> None:
    library, _ = workshop.compile(identity(Transform.EXP, kind, 1), platforms()["LINUX_X86_64"])
    rows = numbers(1, 30)
    for isa in host_variants():
        predict = workshop.load(library, isa)
        with np.errstate(all="ignore"):
            exact = np.exp(predict(rows).astype(np.longdouble))
        distance = ulps(predict(rows, 0), exact)
        assert distance.max() <= (0.5001 if kind == np.float32 else 1.0), (isa, rows[distance.argmax()])


def test_power_of_two(workshop: Any) -> None:
    model = identity(Transform.ISOLATION, np.float64, 1, normaliser=1.0, offset=0.0)
    library, _ = workshop.compile(model, platforms()["LINUX_X86_64"])
    rows = numbers(1, 10)
    for isa in host_variants():
        predict = workshop.load(library, isa)
        with np.errstate(all="ignore"):
            exact = -np.exp2(-predict(rows).astype(np.longdouble))
        distance = ulps(predict(rows, 0), exact)
        assert distance.max() <= 1.0, (isa, rows[distance.argmax()])


CASES: list[tuple[Transform, int, dict[str, float]]] = [
    (Transform.IDENTITY, 3, {}),
    (Transform.SIGMOID, 1, {}),
    (Transform.SIGMOID, 3, {"scale": 0.25}),
    (Transform.SIGMOID_PAIR, 1, {}),
    (Transform.SOFTMAX, 2, {}),
    (Transform.SOFTMAX, 5, {}),
    (Transform.ARGMAX, 4, {}),
    (Transform.EXP, 1, {}),
    (Transform.HINGE, 1, {}),
    (Transform.ISOLATION, 1, {"normaliser": 7.25, "offset": -0.5}),
]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("transform", "columns", "parameters"), CASES)
def test_like_the_reference(
    transform: Transform, columns: int, parameters: dict[str, float], kind: Any, workshop: Any
) -> None:
    model = identity(transform, kind, columns, **parameters)
    library, _ = workshop.compile(model, platforms()["LINUX_X86_64"])
    rows = numbers(columns, 3)
    margin = evaluate(model, rows)
    exact_ones = (Transform.IDENTITY, Transform.ARGMAX, Transform.HINGE)
    for isa in host_variants():
        predict = workshop.load(library, isa)
        got = predict(rows, 0)
        assert got.shape == margin.prediction.shape
        assert got.dtype == margin.prediction.dtype
        assert np.array_equal(predict(rows), margin.margin, equal_nan=True)
        # Differences of numbers near 1 are as exact as those numbers; numpy's exponential is 1 ulp off too.
        least = 1.0 if transform in (Transform.SIGMOID_PAIR, Transform.ISOLATION) else 0.0
        # A float32 isolation score, which no library makes, is a float32 power, then scaled and shifted.
        single = 2 if transform is Transform.ISOLATION else 1
        allowed = 0 if transform in exact_ones else single if kind == np.float32 else 4
        assert ulps(got, margin.prediction, least).max() <= allowed, isa
