"""What a library answered against what it should have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Model, Transform
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.compiler.verify.calls import Answer
from tinsmith.errors import InternalError

Floats = NDArray[Any]

ULPS = {"float32": 2, "float64": 4}
"""How far a transformed prediction may be from the reference, in units in the last place of its dtype: both
round an exponential and a few operations after it. Margins and mere comparisons must be equal."""
_EXACT = (Transform.IDENTITY, Transform.ARGMAX, Transform.HINGE)
_DIFFERENCES = (Transform.SIGMOID_PAIR, Transform.ISOLATION)
"""Their results are differences of numbers near 1, so the unit is that of numbers near 1."""
_SHOWN = 5


@dataclass(frozen=True)
class Expected:
    """The right answers for some rows."""

    margin: Floats
    """(rows, margin columns)"""
    prediction: Floats
    """(rows, output columns)"""
    tolerance_ulps: int
    """Of predictions."""
    near_one: bool
    """Units in the last place are those of 1 where the prediction is smaller."""

    def as_float32(self) -> Expected:
        """What DLR's users get, and what travels as evidence: predictions rounded to float32."""
        with np.errstate(over="ignore", under="ignore"):
            prediction = self.prediction.astype(np.float32)
        rounded = self.prediction.dtype != np.float32
        tolerance = min(self.tolerance_ulps, 1) if rounded else self.tolerance_ulps
        return replace(self, prediction=prediction, tolerance_ulps=tolerance)


def expect(model: Model, rows: NDArray[np.float32]) -> Expected:
    """By the reference evaluation of `model`."""
    wanted = evaluate(model, rows)
    tolerance = 0 if model.transform in _EXACT else ULPS[wanted.margin.dtype.name]
    return Expected(wanted.margin, wanted.prediction, tolerance, model.transform in _DIFFERENCES)


def compare(expected: Expected, answers: Sequence[Answer], where: str) -> float:
    """The largest distance of a prediction, in units in the last place.

    Answers are rounded to the dtype of what is expected. Raises InternalError that lists the first
    differences by row and column; `where` says who answered.
    """
    return max((_compare_one(expected, answer, where) for answer in answers), default=0.0)


def distance(expected: Floats, found: Floats, near_one: bool = False) -> NDArray[np.float64]:
    """Units in the last place of `expected` (of 1, if that is larger and `near_one`) between two arrays.

    0 means the same bits, but that one NaN is as good as another; infinity where one is NaN or infinite alone
    or where zeros differ in sign.
    """
    kind = expected.dtype.type
    equal = (expected == found) & (np.signbit(expected) == np.signbit(found))
    same = equal | np.isnan(expected) & np.isnan(found)
    below_largest = np.nextafter(np.finfo(kind).max, kind(0))  # the spacing of the largest number is infinite
    with np.errstate(all="ignore"):
        scale = np.spacing(np.clip(np.abs(expected), kind(1.0 if near_one else 0.0), below_largest))
        ulps = np.abs(expected.astype(np.float64) - found.astype(np.float64)) / scale.astype(np.float64)
    ulps = np.where(np.isfinite(ulps) & (ulps > 0), ulps, np.inf)
    return np.where(same, 0.0, ulps)


def _compare_one(expected: Expected, answer: Answer, where: str) -> float:
    call = answer.call
    what = f"{where}: {'margin' if call.margin else 'prediction'} of {call.count} rows from row {call.first}"
    if answer.status != 0:
        raise InternalError(f"verification: {what}: status {answer.status}")
    whole = expected.margin if call.margin else expected.prediction
    wanted = whole[call.first : call.first + call.count]
    if wanted.shape != answer.out.shape:
        raise InternalError(f"verification: {what}: shape {answer.out.shape}, not {wanted.shape}")
    with np.errstate(over="ignore", under="ignore"):
        found = answer.out.astype(wanted.dtype)
    ulps = distance(wanted, found, expected.near_one and not call.margin)
    wrong = ulps > (0 if call.margin else expected.tolerance_ulps)
    if wrong.any():
        raise InternalError(f"verification: {what}: {_differences(wrong, call.first, wanted, found)}")
    return float(ulps.max(initial=0.0))


def _differences(wrong: NDArray[np.bool_], first: int, wanted: Floats, found: Floats) -> str:
    shown = [
        f"row {first + row} column {column}: got {found[row, column]!r}, want {wanted[row, column]!r}"
        for row, column in np.argwhere(wrong)[:_SHOWN]
    ]
    return f"{int(wrong.sum())} of {wrong.size} values differ: {'; '.join(shown)}"
