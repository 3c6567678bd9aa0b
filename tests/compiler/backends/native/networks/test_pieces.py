from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinsmith.compiler.backends.native.networks.pieces import MOST_PIECES, Piece, pieces, simplified
from tinsmith.compiler.ir.evaluate import grid
from tinsmith.compiler.ir.scalars import (
    INDEX,
    Apply,
    Expr,
    Literal,
    Load,
    Tensor,
    binary,
    call,
    compare,
    literal,
    select,
    variables,
    walk,
)

SHAPE = (5, 7)
VARS = variables(SHAPE)
PLACE = Load(Tensor("out", "float32", SHAPE), VARS)
SOURCES = [
    Tensor(f"s{k}", "float32", (4, 4), np.random.default_rng(k).normal(size=(4, 4)).astype("f"))
    for k in range(3)
]


def executed(found: list[Piece]) -> np.ndarray[Any, Any]:
    """What the pieces store; every element has to be stored once."""
    out = np.full(SHAPE, np.nan, np.float32)
    for piece in found:
        extents = [var.extent for var in piece.vars if isinstance(var.extent, int)]
        value = np.broadcast_to(grid(piece.value, piece.vars, {}), extents)
        index = tuple(np.broadcast_to(grid(part, piece.vars, {}), extents) for part in piece.place.index)
        assert np.isnan(out[index]).all()
        out[index] = value
    assert not np.isnan(out).any()
    return out


def indices() -> st.SearchStrategy[Expr]:
    one: Any = st.builds(
        lambda var, factor, offset: var * factor + offset,
        st.sampled_from(VARS), st.sampled_from([-2, -1, 1, 1, 2, 3]), st.integers(-8, 8),
    )  # fmt: skip
    return st.one_of(
        one,
        st.builds(lambda a, n: a % n, one, st.integers(1, 9)),
        st.builds(lambda a, n: a // n, one, st.integers(1, 9)),
        st.builds(lambda a, n: call("min", a, Literal(n, INDEX)), one, st.integers(-5, 9)),
        st.builds(lambda a, n: call("max", a, Literal(n, INDEX)), one, st.integers(-5, 9)),
        st.builds(lambda a, b: a + b, one, one),
    )


def conditions() -> st.SearchStrategy[Expr]:
    one: Any = st.builds(
        compare, st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]), indices(), st.integers(-6, 9)
    )
    return st.one_of(
        one, st.builds(lambda op, a, b: binary(op, a, b), st.sampled_from(["and", "or"]), one, one)
    )


def clipped(expr: Expr) -> Expr:
    return call("max", call("min", expr, Literal(3, INDEX)), Literal(0, INDEX))


def values() -> st.SearchStrategy[Expr]:
    load: Any = st.builds(
        lambda tensor, a, b: tensor[clipped(a), clipped(b)], st.sampled_from(SOURCES), indices(), indices()
    )
    return st.recursive(
        st.one_of(load, st.integers(-3, 3).map(lambda n: literal(n, "float32"))),
        lambda inner: st.one_of(
            st.builds(select, conditions(), inner, inner), st.builds(lambda a, b: a + b, inner, inner)
        ),
        max_leaves=5,
    )


@given(values())
@settings(deadline=None)
def test_pieces_store_what_the_whole_stores(value: Expr) -> None:
    wanted = np.broadcast_to(grid(value, VARS, {}), SHAPE)
    np.testing.assert_array_equal(executed(pieces(VARS, PLACE, value)), wanted)
    np.testing.assert_array_equal(np.broadcast_to(grid(simplified(value), VARS, {}), SHAPE), wanted)


def test_a_concatenation_asks_no_element() -> None:
    i, j = VARS
    value = select(j < 2, SOURCES[0][i, j], select(j < 6, SOURCES[1][i, j - 2], SOURCES[2][i, j - 6]))
    found = pieces(VARS, PLACE, value)
    assert [piece.vars[1].extent for piece in found] == [2, 4, 1]
    assert all(isinstance(piece.value, Load) for piece in found)


def test_a_frame_asks_no_element() -> None:
    i, j = VARS
    inside = (i >= 1) & (i < 4) & (j >= 2) & (j < 6)
    found = pieces(VARS, PLACE, select(inside, SOURCES[0][i - 1, j - 2], literal(0, "float32")))
    assert len(found) == 9
    assert sum(isinstance(piece.value, Load) for piece in found) == 1
    assert not any(
        isinstance(part, Apply) and part.op == "select" for piece in found for part in walk([piece.value])
    )


def test_a_mirror_asks_no_element() -> None:
    i, _ = VARS
    turn = (i - 1) % 6
    value = SOURCES[0][select(turn < 4, turn, Literal(6, INDEX) - turn), Literal(0, INDEX)]
    found = pieces(VARS, PLACE, value)
    assert [piece.vars[0].extent for piece in found] == [1, 4]
    kinds = {part.op for piece in found for part in walk([piece.value]) if isinstance(part, Apply)}
    assert kinds <= {"add", "sub", "mul"}


@pytest.mark.parametrize("op", ["lt", "le", "gt", "ge"])
@pytest.mark.parametrize("factor", [-2, -1, 1, 3])
def test_every_comparison_is_decided(op: str, factor: int) -> None:
    j = VARS[1]
    for limit in range(-3, 4):
        value = select(compare(op, j * factor, 3 * factor + limit), *(literal(n, "float32") for n in (1, 2)))
        found = pieces(VARS, PLACE, value)
        assert len(found) <= 2
        assert all(isinstance(piece.value, Literal) for piece in found)


def test_what_depends_on_data_stays() -> None:
    i, j = VARS
    value = select(SOURCES[0][0, 0] < 0, SOURCES[0][clipped(i), 0], SOURCES[1][0, clipped(j)])
    assert any(part is value or getattr(part, "op", "") == "select" for part in walk([simplified(value)]))


def test_pieces_stay_few() -> None:
    vars = variables((4, 1000))
    value: Expr = literal(0, "float32")
    for place in range(400):
        value = select(vars[1] < place, literal(place, "float32"), value)
    out = Tensor("out", "float32", (4, 1000))
    assert len(pieces(vars, Load(out, vars), value)) == 1
    assert len(pieces(vars, Load(out, vars), select(vars[1] % 2 < 1, value, value))) <= MOST_PIECES
