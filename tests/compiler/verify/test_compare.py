from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinsmith.compiler.ir.model import Model, Transform
from tinsmith.compiler.verify.calls import Answer, Call
from tinsmith.compiler.verify.compare import Expected, compare, distance, expect
from tinsmith.errors import InternalError

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False).map(np.float32)


def array(*values: float | np.float32, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return np.array(values, dtype)[:, None]


@given(FLOATS, st.integers(-40, 40))
def test_distance_counts_floats_between(start: np.float32, steps: int) -> None:
    end = start
    with np.errstate(over="ignore", under="ignore"):
        for _ in range(abs(steps)):
            end = np.nextafter(end, np.float32(np.inf if steps > 0 else -np.inf))
    if np.isfinite(end) and np.frexp(start)[1] == np.frexp(end)[1] and np.sign(start) == np.sign(end):
        assert distance(array(start), array(end))[0, 0] == abs(steps)


@pytest.mark.parametrize(
    ("expected", "found", "ulps"),
    [
        (1.0, 1.0, 0),
        (np.nan, np.nan, 0),
        (np.inf, np.inf, 0),
        (0.0, -0.0, np.inf),
        (np.nan, 1.0, np.inf),
        (1.0, np.nan, np.inf),
        (np.inf, -np.inf, np.inf),
        (np.inf, 3e38, np.inf),
        (3e38, np.inf, np.inf),
        (0.0, 1e-45, 1),
        (1e-45, 3e-45, 1),
        (1.0, 1.0000001, 1),
    ],
)
def test_distance_at_the_edges(expected: float, found: float, ulps: float) -> None:
    assert distance(array(expected), array(found))[0, 0] == ulps


def test_other_nans_are_as_good() -> None:
    other = np.array([[0xFFC00001]], np.uint32).view(np.float32)
    assert distance(array(np.nan), other)[0, 0] == 0


def test_distance_near_one() -> None:
    assert distance(array(1e-9), array(1e-9 + 1e-7), near_one=True)[0, 0] == pytest.approx(0.84, abs=0.01)
    assert distance(array(8.0), array(8.000001), near_one=True)[0, 0] == 1


def expected(tolerance: int = 0) -> Expected:
    return Expected(array(1, 2, 3), array(0.25, 0.5, 0.75), tolerance, near_one=False)


def test_equal_answers_agree() -> None:
    answers = [Answer(Call(1, 2), 0, array(0.5, 0.75)), Answer(Call(0, 3, margin=True), 0, array(1, 2, 3))]
    assert compare(expected(), answers, "here") == 0


def test_predictions_may_differ_by_the_tolerance_only() -> None:
    answer = Answer(Call(0, 1), 0, np.nextafter(array(0.25), np.float32(1)))
    assert compare(expected(1), [answer], "here") == 1
    with pytest.raises(InternalError, match="1 of 1 values differ"):
        compare(expected(0), [answer], "here")


def test_margins_may_not_differ_at_all() -> None:
    answer = Answer(Call(1, 1, margin=True), 0, np.nextafter(array(2), np.float32(3)))
    with pytest.raises(InternalError, match="margin of 1 rows from row 1"):
        compare(expected(9), [answer], "here")


def test_as_float32_rounds_what_is_expected_and_what_was_found() -> None:
    third = array(1 / 3, dtype=np.float64)
    wide = Expected(third, third, 4, near_one=False)
    narrow = wide.as_float32()
    assert [narrow.prediction.dtype.name, narrow.margin.dtype.name] == ["float32", "float64"]
    assert narrow.tolerance_ulps == 1
    assert compare(narrow, [Answer(Call(0, 1), 0, third)], "here") == 0
    assert expected(2).as_float32().tolerance_ulps == 2


def test_lists_row_column_got_and_wanted() -> None:
    answer = Answer(Call(1, 2), 0, array(0.5, 7))
    with pytest.raises(InternalError) as caught:
        compare(expected(), [answer], "native avx2")
    text = str(caught.value)
    assert text.startswith("verification: native avx2: prediction of 2 rows from row 1: 1 of 2 values differ")
    assert "row 2 column 0: got np.float32(7.0), want np.float32(0.75)" in text


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(Call(0, 1), 1, np.empty((0, 1), np.float32)), "status 1"),
        (Answer(Call(0, 2), 0, array(0.25)), r"shape \(1, 1\), not \(2, 1\)"),
    ],
)
def test_refuses_failures_and_wrong_shapes(answer: Answer, text: str) -> None:
    with pytest.raises(InternalError, match=text):
        compare(expected(), [answer], "here")


@pytest.mark.parametrize(
    ("transform", "dtype", "tolerance", "near_one"),
    [
        (Transform.IDENTITY, np.float32, 0, False),
        (Transform.ARGMAX, np.float64, 0, False),
        (Transform.SIGMOID, np.float32, 2, False),
        (Transform.SOFTMAX, np.float64, 4, False),
        (Transform.SIGMOID_PAIR, np.float64, 4, True),
    ],
)
def test_tolerance_depends_on_transform_and_dtype(
    make_model: Callable[..., Model], transform: Transform, dtype: Any, tolerance: int, near_one: bool
) -> None:
    wanted = expect(make_model(transform=transform, dtype=dtype), np.zeros((2, 5), np.float32))
    assert (wanted.tolerance_ulps, wanted.near_one) == (tolerance, near_one)
    assert wanted.margin.dtype == dtype
