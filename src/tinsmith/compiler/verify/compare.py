"""What a library answered against what it should have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.ir.model import Model, Transform
from tinsmith.compiler.ir.reference import Evaluation
from tinsmith.compiler.verify.calls import Answer
from tinsmith.errors import InternalError

Floats = NDArray[Any]

ULPS = {"float32": 2, "float64": 8}
"""How far a transformed prediction may be from the reference, in units in the last place of its dtype: both
round an exponential and a few operations after it. Margins and mere comparisons must be equal."""
_EXACT = (Transform.IDENTITY, Transform.ARGMAX, Transform.HINGE)
_DIFFERENCES = (Transform.SIGMOID_PAIR, Transform.ISOLATION)
"""Their results are differences of numbers near 1, so the unit is that of numbers near 1."""
_SHOWN = 5


@dataclass(frozen=True)
class Agreement:
    """How close the predictions were."""

    worst_ulps: float
    tolerance_ulps: int


def tolerance(model: Model) -> int:
    """The ULPS that predictions of `model` are allowed."""
    return 0 if model.transform in _EXACT else ULPS[model.body.base.dtype.name]


def compare(model: Model, wanted: Evaluation, answers: Sequence[Answer], where: str) -> Agreement:
    """Raises InternalError that lists the first differences by row and column; `where` says who answered."""
    worst = 0.0
    for answer in answers:
        call = answer.call
        what = f"{'margin' if call.margin else 'prediction'} of {call.count} rows from row {call.first}"
        if answer.status != 0:
            raise InternalError(f"verification: {where}: {what}: status {answer.status}")
        whole = wanted.margin if call.margin else wanted.prediction
        expected = whole[call.first : call.first + call.count]
        if expected.shape != answer.out.shape:
            raise InternalError(
                f"verification: {where}: {what}: shape {answer.out.shape}, not {expected.shape}"
            )
        allowed = 0 if call.margin else tolerance(model)
        unit = 1.0 if model.transform in _DIFFERENCES and not call.margin else 0.0
        ulps = distance(expected, answer.out, unit)
        wrong = ulps > allowed
        if wrong.any():
            raise InternalError(
                f"verification: {where}: {what}: {_differences(wrong, call.first, expected, answer.out)}"
            )
        worst = max(worst, float(ulps.max(initial=0.0)))
    return Agreement(worst, tolerance(model))


def distance(expected: Floats, found: Floats, unit: float = 0.0) -> NDArray[np.float64]:
    """Between two arrays of one dtype: units in the last place of `expected`, or of `unit` if that is larger.

    0 means the same bits, but that one NaN is as good as another; infinity where one is NaN or infinite alone
    or where zeros differ in sign.
    """
    kind = expected.dtype.type
    same = (expected == found) & (np.signbit(expected) == np.signbit(found)) | np.isnan(expected) & np.isnan(
        found
    )
    with np.errstate(all="ignore"):
        scale = np.spacing(np.maximum(np.abs(expected), kind(unit)))
        ulps = np.abs(expected.astype(np.float64) - found.astype(np.float64)) / scale.astype(np.float64)
    ulps = np.where(np.isfinite(ulps) & (ulps > 0), ulps, np.inf)
    return np.where(same, 0.0, ulps)


def _differences(wrong: NDArray[np.bool_], first: int, expected: Floats, found: Floats) -> str:
    shown = [
        f"row {first + row} column {column}: got {found[row, column]!r}, want {expected[row, column]!r}"
        for row, column in np.argwhere(wrong)[:_SHOWN]
    ]
    return f"{int(wrong.sum())} of {wrong.size} values differ: {'; '.join(shown)}"
