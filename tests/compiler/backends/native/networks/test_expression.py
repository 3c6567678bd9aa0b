from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tinsmith.compiler.backends.native.networks.addresses import Element, flat
from tinsmith.compiler.backends.native.networks.expression import (
    Writer,
    cast_text,
    encoded,
    literal_text,
    reinterpreted,
    stored,
)
from tinsmith.compiler.ir.scalars import Apply, Expr, Literal, Load, Tensor, Var, call, literal, select

I = Var("i", 100)  # noqa: E741


def write(*exprs: Expr) -> tuple[list[str], list[str]]:
    """As a stage does that calls every tensor by its name."""

    def address(load: Load, text: Callable[[Expr], str]) -> str:
        element = load if isinstance(load, Element) else flat(load)
        parts = [var.name for var, _ in element.terms]
        if not isinstance(element.rest, Literal):
            parts.append(text(element.rest))
        return f"{element.tensor.name}[{' + '.join(parts)}]"

    return Writer(address, {I: "i"}).write(exprs)


def vector(name: str, dtype: str = "float32") -> Tensor:
    return Tensor(name, dtype, (100,))


def test_what_is_used_twice_gets_a_name() -> None:
    value = call("exp", vector("x")[I])
    lines, texts = write(value * value + 1)
    assert lines == ["const float t1 = ts_expf(x[i]);"]
    assert texts == ["((t1 * t1) + 0x1.0000000000000p+0f)"]


def test_a_side_of_a_select_keeps_its_names() -> None:
    value = call("exp", vector("x")[I])
    lines, texts = write(select(vector("c", "bool")[I], value * value, 0))
    assert lines == []
    assert texts == ["((c[i] != 0) ? ({ const float t1 = ts_expf(x[i]); (t1 * t1); }) : 0x0.0p+0f)"]


def test_what_may_be_out_of_range_stays_in_the_sides_of_selects() -> None:
    value = vector("x")[I]
    first, second = (select(vector(name, "bool")[I], value, 0) for name in "ab")
    lines, texts = write(first + second)
    assert lines == []
    assert texts == ["(((a[i] != 0) ? x[i] : 0x0.0p+0f) + ((b[i] != 0) ? x[i] : 0x0.0p+0f))"]


def test_what_every_side_needs_is_computed_before() -> None:
    value = call("exp", vector("x")[I])
    lines, texts = write(select(vector("c", "bool")[I], value + 1, value - 1))
    assert lines == ["const float t1 = ts_expf(x[i]);"]
    assert "t1 + 0x1" in texts[0]
    assert "t1 - 0x1" in texts[0]


def test_a_name_is_not_used_where_it_is_not_known() -> None:
    """A select that two sides share is written twice and may not lean on the names of one of them."""
    x = vector("x")[I]
    squared = x * x
    inner = select(x > 1, squared * squared, x)
    outer = [select(vector(name, "bool")[I], inner + squared, 0) for name in "ab"]
    lines, texts = write(outer[0] * outer[1])
    assert lines == []
    for text in texts[0].split(" * ((b[i]"):
        for name in ("t1", "t2", "t3", "t4"):
            assert text.count(f"{name} =") >= (name in text)


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (1.0, "float32", "0x1.0000000000000p+0f"),
        (-0.0, "float64", "-0x0.0p+0"),
        (1e300, "float32", "__builtin_inff()"),
        (-np.inf, "float64", "(-__builtin_inf())"),
        (np.nan, "float16", '__builtin_nanf("")'),
        (0.1, "float16", "0x1.9980000000000p-4f"),
        (-(2**63), "int64", "INT64_MIN"),
        (2**64 - 1, "uint64", "((uint64_t)18446744073709551615ULL)"),
        (-(2**31), "int32", "INT32_MIN"),
        (2**32 - 1, "uint32", "4294967295u"),
        (-5, "int8", "((int8_t)-5)"),
        (1, "bool", "true"),
        (-7, "index", "-7"),
    ],
)
def test_literals(value: float, dtype: str, text: str) -> None:
    assert literal_text(literal(value, dtype)) == text


def test_narrow_floats_that_move_are_not_converted() -> None:
    half, other = vector("x", "float16")[I], vector("y", "float16")[I]
    assert write(encoded(half))[1] == ["x[i]"]
    moved = select(vector("c", "bool")[I], half, other)
    assert write(encoded(moved))[1] == ["((c[i] != 0) ? x[i] : y[i])"]
    assert write(Apply("reinterpret", (half,), "int16"))[1] == ["((int16_t)x[i])"]
    assert write(encoded(Apply("reinterpret", (vector("b", "uint16")[I],), "float16")))[1] == ["b[i]"]


def test_narrow_floats_are_rounded_once_when_stored() -> None:
    half = vector("x", "float16")[I]
    (text,) = write(encoded(half + half))[1]
    assert text.count("ts_float_to_half") == 1
    assert "ts_round" not in text
    assert stored("bfloat16", "ts_round_bfloat16(a) + ts_round_bfloat16(b)").count("ts_round") == 2


def test_conversions() -> None:
    assert cast_text("float32", "int4", "x", True) == "ts_wrap_int4(ts_int8_fromf(x))"
    assert cast_text("float64", "index", "x", True) == "((ts_index)ts_int64_from(x))"
    assert cast_text("float64", "float16", "x", True) == "ts_round_half_double(x)"
    assert cast_text("int64", "bool", "x", True) == "(x != 0)"
    assert reinterpreted("int4", "uint4", "x") == "ts_wrap_uint4(((uint8_t)((uint8_t)(x & 15))))"
    assert reinterpreted("float32", "uint32", "x") == "((uint32_t)ts_bitsf(x))"
