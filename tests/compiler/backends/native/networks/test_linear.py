from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tinsmith.compiler.backends.native.networks.linear import UNKNOWN, linear
from tinsmith.compiler.ir.evaluate import grid
from tinsmith.compiler.ir.scalars import INDEX, Expr, Literal, Tensor, Var, call, variables

VARS = variables((4, 3, 5))


def expressions(depth: int = 3) -> st.SearchStrategy[Expr]:
    leaves: Any = st.one_of(st.sampled_from(VARS), st.integers(-4, 4).map(lambda n: Literal(n, INDEX)))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda a, b: a + b, inner, inner),
            st.builds(lambda a, b: a - b, inner, inner),
            st.builds(lambda a, n: a * n, inner, st.integers(-3, 3)),
            st.builds(lambda a: -a, inner),
            st.builds(lambda a, n: a % n, inner, st.integers(1, 6)),
        ),
        max_leaves=depth * 3,
    )


@given(expressions())
@settings(deadline=None)
def test_the_same_number_and_in_range(expr: Expr) -> None:
    form = linear(expr)
    wanted = np.broadcast_to(grid(expr, VARS, {}), (4, 3, 5))
    np.testing.assert_array_equal(np.broadcast_to(grid(form.expr, VARS, {}), (4, 3, 5)), wanted)
    least, most = form.range
    assert least <= wanted.min()
    assert wanted.max() <= most


def test_equal_parts_are_one_term() -> None:
    i = Var("i", 7)
    form = linear((i + 2) * 3 - i * 3 + i)
    assert (form.constant, dict(form.terms)) == (6, {i: 1})
    assert form.range == (6, 12)
    assert linear(i - i).range == (0, 0)


def test_what_a_run_finds_out_has_no_range() -> None:
    found = Tensor("x", "int64", (3,))[Literal(0, INDEX)].as_index
    assert linear(found).range == UNKNOWN
    assert linear(call("min", found, Literal(3, INDEX))).range == UNKNOWN
