from __future__ import annotations

import math

import numpy as np

from tinsmith.compiler.backends.native.networks.integer_steps import (
    as_floats,
    bounds,
    constants_folded,
    rounded,
    scaled,
    sum_and_start,
)
from tinsmith.compiler.ir.scalars import Apply, Expr, Literal, Load, Tensor, call, literal, variables

SUMS = Tensor("sums", "int32", (2, 3))
VARS = variables(SUMS.shape)
FLOATS = Tensor("floats", "float32", SUMS.shape)
SCALES = Tensor("scales", "float32", (3,), np.array([0.1, 0.2, 0.3], np.float32))


def single(value: float) -> Literal:
    return literal(value, "float32")


def test_constants_are_computed_in_their_own_type() -> None:
    value = SUMS[VARS].cast("float32") * (SCALES[VARS[1]] * single(0.7) / single(0.3))
    folded = constants_folded(value, VARS[1])
    assert isinstance(folded, Apply)
    factor = folded.args[1]
    assert isinstance(factor, Load)
    assert factor.index == (VARS[1],)
    assert SCALES.value is not None
    wanted = SCALES.value * np.float32(0.7) / np.float32(0.3)
    assert factor.tensor.value is not None
    np.testing.assert_array_equal(factor.tensor.value, wanted)
    by_row = constants_folded(FLOATS[VARS] * Tensor("rows", "float32", (2,), np.ones(2))[VARS[0]], VARS[1])
    assert isinstance(by_row, Apply)
    assert isinstance(by_row.args[1], Load)
    assert by_row.args[1].index == (VARS[0],)


def test_what_is_added_to_a_sum() -> None:
    one = Literal(5, "int32")
    found = sum_and_start(SUMS[VARS] + one + one, SUMS, VARS, VARS[1])
    assert found is not None
    assert found.tolist() == [10]
    assert sum_and_start(SUMS[VARS] * one, SUMS, VARS, VARS[1]) is None
    assert sum_and_start(SUMS[(VARS[0], Literal(0, "index"))], SUMS, VARS, VARS[1]) is None


def test_the_way_to_floats() -> None:
    found = as_floats((SUMS[VARS] + Literal(5, "int32")).cast("float32") * 0.5, SUMS, VARS, VARS[1], FLOATS)
    assert found is not None
    value, start = found
    assert start.tolist() == [5]
    assert isinstance(value, Apply)
    assert isinstance(value.args[0], Load)
    assert value.args[0].tensor is FLOATS
    twice = SUMS[VARS].cast("float32") * (SUMS[VARS] + Literal(1, "int32")).cast("float32")
    assert as_floats(twice, SUMS, VARS, VARS[1], FLOATS) is None
    assert as_floats(SUMS[VARS].cast("float64"), SUMS, VARS, VARS[1], FLOATS) is None


def quantised(low: float, high: float, dtype: str = "uint8") -> Expr:
    whole = call("round", FLOATS[VARS]) + single(3)
    return call("max", call("min", whole, single(high)), single(low)).cast(dtype)


def test_rounding_to_bytes() -> None:
    found = rounded(quantised(0, 255))
    assert found is not None
    assert isinstance(found[0], Load)
    assert found[1] == 3
    assert rounded(quantised(-128, 127, "int8")) is not None
    for other in (quantised(0, 254), quantised(0, 255, "int16"), FLOATS[VARS].cast("uint8")):
        assert rounded(other) is None


def test_bounds() -> None:
    x = single(0)
    held = call("min", call("max", x, single(-1)), single(6))
    assert bounds(held, x) == (-1, 6)
    assert bounds(x, x) == (-math.inf, math.inf)
    assert bounds(call("tanh", x), x) is None
    half = scaled(held, x, 0.5)
    assert half is not None
    assert bounds(half, x) == (-0.5, 3)
    assert scaled(call("tanh", x), x, 0.5) is None
