from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tinsmith.compiler.verify.networks.compare import Difference, Wanted, Wrong, compare, compare_output
from tinsmith.compiler.verify.networks.tolerance import Allowance
from tinsmith.errors import InternalError

NONE = Allowance(0, 0)
SOME = Allowance(1e-2, 0.1)


def agrees(exact: Any, found: Any, allowance: Allowance = NONE, native: Any = None) -> bool:
    try:
        compare_output(np.asarray(exact), native, np.asarray(found), allowance)
    except Wrong:
        return False
    return True


@pytest.mark.parametrize(
    ("exact", "found", "result"),
    [
        ([1.0], [1.109], True),
        ([1.0], [1.12], False),
        ([-1.0], [-1.109], True),
        ([100.0], [101.1], True),
        ([100.0], [101.2], False),
        ([0.0], [0.099], True),
        ([0.0], [-0.0], True),
        ([np.nan], [np.nan], True),
        ([np.inf], [np.inf], True),
        ([np.inf], [-np.inf], False),
        ([np.inf], [3e38], False),
        ([3e38], [np.inf], False),
        ([np.nan], [0.0], False),
        ([0.0], [np.nan], False),
        (np.empty((0, 3)), np.empty((0, 3)), True),
        (np.array(2.0), np.array(2.0), True),
        (np.zeros((2, 3)), np.zeros((3, 2)), False),
        (np.zeros(1), np.zeros(()), False),
    ],
)
def test_floats_agree_within_the_allowance(exact: Any, found: Any, result: bool) -> None:
    assert agrees(exact, np.asarray(found, np.float32), SOME) is result


def test_what_is_expected_is_rounded_to_the_type_of_the_output() -> None:
    assert agrees([1e40, 1 / 3], np.array([np.inf, 1 / 3], np.float32))
    assert agrees([1 / 3, 1e6], np.array([1 / 3, np.inf], np.float16))
    assert agrees([1 / 3], np.array([1 / 3], ml_dtypes.bfloat16))
    assert not agrees([1 / 3], np.array([0.4], ml_dtypes.bfloat16))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "bool"])
def test_integers_are_equal_or_wrong(dtype: str) -> None:
    exact = np.array([0, 1, 1], dtype)
    assert agrees(exact, exact)
    assert not agrees(exact, np.array([0, 1, 0], dtype))


def test_large_integers_are_compared_exactly() -> None:
    exact = np.array([2**63 - 1, -(2**63)])
    assert agrees(exact, exact)
    assert not agrees(exact, exact - np.array([1, 0]))
    unsigned = np.array([2**64 - 1], np.uint64)
    assert not agrees(unsigned, unsigned - np.uint64(1))


def test_integers_of_quantised_networks_may_be_neighbours() -> None:
    assert agrees(np.array([127], np.int8), np.array([126], np.int8), Allowance(0, 1))
    assert not agrees(np.array([127], np.int8), np.array([125], np.int8), Allowance(0, 1))
    assert not agrees(np.array([127], np.int8), np.array([-128], np.int8), Allowance(0, 1))


def test_the_native_answer_counts_where_a_discontinuity_parts_them() -> None:
    assert agrees(np.array([3, 5]), np.array([4, 5]), native=np.array([4, 6]))
    assert not agrees(np.array([3, 5]), np.array([4, 7]), native=np.array([4, 6]))
    assert agrees([1e30], np.array([np.inf], np.float32), native=np.array([np.inf], np.float32))
    assert not agrees([1.0], np.array([5.0], np.float32), native=np.array([5.0], np.float32))
    assert agrees(np.zeros((2, 3)), np.ones((2, 1), np.float32), native=np.ones((2, 1), np.float32))
    assert not agrees(np.zeros((2, 3)), np.ones((2, 2), np.float32), native=np.ones((2, 1), np.float32))


def test_all_elements_together_may_be_less_far_off_than_one() -> None:
    exact, allowance = np.array([1.0, 2.0, np.inf, np.nan]), Allowance(0, 0.5, 0.3)
    assert agrees(exact, np.array([1.4, 2.0, np.inf, np.nan], np.float32), allowance)
    assert not agrees(exact, np.array([1.4, 2.4, np.inf, np.nan], np.float32), allowance)
    assert not agrees(exact, np.array([1.6, 2.0, np.inf, np.nan], np.float32), allowance)


def test_complex_numbers() -> None:
    assert agrees([1 + 2j], np.array([1 + 2.05j], np.complex64), SOME)
    assert not agrees([1 + 2j], np.array([1 + 3j], np.complex64), SOME)


def test_differences_are_absolute_and_relative_to_the_largest() -> None:
    exact = np.array([1.0, -4.0, np.inf])
    found = np.array([1.5, -4.0, np.inf], np.float32)
    assert compare_output(exact, None, found, Allowance(1, 0)) == Difference(0.5, 0.125)


def test_tells_every_wrong_output_with_its_first_elements() -> None:
    wanted = Wanted("uniform", (np.zeros((2, 9)), np.array([True]), np.zeros(2)), None, (NONE, NONE, NONE))
    found = (np.eye(2, 9, dtype=np.float32), np.array([False]), np.zeros(2, np.float32))
    with pytest.raises(InternalError) as caught:
        compare(wanted, found, ["a", "b", "c"], "native avx2")
    text = str(caught.value)
    assert text.startswith(
        "verification: native avx2: uniform inputs: output 'a': 2 of 18 elements are wrong"
    )
    assert "at [1, 1] expected 0, found 1 (error 1, allowed 0)" in text
    assert "output 'b': 1 of 1" in text
    assert "'c'" not in text


def test_boxes_of_equal_scores_may_be_chosen_as_the_types_of_the_network_have_it() -> None:
    exact, native = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[3.0, 4.0], [1.0, 2.0]], np.float32)
    scores = np.array([1.0, 1.0])
    wanted = Wanted("large", (exact, scores), (native, scores.astype(np.float32)), (SOME, NONE))
    for answer in (exact, native):
        compare(wanted, (answer.astype(np.float32), scores.astype(np.float32)), ["boxes", "scores"], "here")
    mixed = np.array([[3.0, 4.0], [3.0, 4.0]], np.float32)
    with pytest.raises(InternalError, match="output 'boxes'"):
        compare(wanted, (mixed, scores.astype(np.float32)), ["boxes", "scores"], "here")


def test_a_settled_reference_is_not_outvoted_by_its_own_types() -> None:
    exact = np.array([1.0, 2.0])
    wanted = Wanted("normal", (exact,), (np.array([1.001, 2.0], np.float32),), (Allowance(1e-2, 0),))
    with pytest.raises(InternalError, match="1 of 2 elements are wrong"):
        compare(wanted, (np.array([1.0105, 2.0], np.float32),), ["y"], "here")
