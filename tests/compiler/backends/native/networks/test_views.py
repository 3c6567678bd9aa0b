from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tinsmith.compiler.backends.native.networks.views import groups, through
from tinsmith.compiler.ir.evaluate import grid
from tinsmith.compiler.ir.loops import View
from tinsmith.compiler.ir.scalars import Apply, Expr, Literal, Load, Tensor, Var, variables, walk


def seen(source: tuple[int, ...], out: tuple[int, ...], undivided: bool = True) -> Load | None:
    """Element `vars` of a view as an element of its source."""
    view = View(Tensor("out", "float32", out), Tensor("x", "float32", source))
    vars = variables(out)
    return through(view, Load(view.out, vars), vars if undivided else ())


def check(load: Load, out: tuple[int, ...]) -> None:
    vars = [part for part in walk(load.index) if isinstance(part, Var)]
    order = sorted(set(vars), key=lambda var: var.name)
    all_vars = [
        next((v for v in order if v.name == f"i{axis}"), Var(f"i{axis}", dim)) for axis, dim in enumerate(out)
    ]
    index = [np.broadcast_to(grid(part, all_vars, {}), out) for part in load.index]
    shape = load.tensor.static_shape
    assert all((at >= 0).all() and (at < dim).all() for at, dim in zip(index, shape, strict=True))
    place = np.ravel_multi_index(index, shape) if shape else np.zeros(out, int)
    np.testing.assert_array_equal(place, np.arange(math.prod(out)).reshape(out))


@st.composite
def shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes of the same elements, cut differently."""
    factors = draw(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=5))

    def grouped() -> tuple[int, ...]:
        found = [1]
        for factor in factors:
            if draw(st.booleans()):
                found.append(factor)
            else:
                found[-1] *= factor
        return tuple(found)

    return grouped(), grouped()


@given(shapes(), st.booleans())
@settings(deadline=None)
def test_the_same_element(pair: tuple[tuple[int, ...], tuple[int, ...]], undivided: bool) -> None:
    source, out = pair
    load = seen(source, out, undivided)
    if load is not None:
        check(load, out)
    for own, shown in groups(source, out):
        assert math.prod(source[a] for a in own) == math.prod(out[a] for a in shown)


def test_splits_and_added_axes_take_sums_only() -> None:
    for source, out in (
        ((6,), (2, 3)),
        ((4, 6), (4, 1, 2, 3)),
        ((2, 1, 3), (2, 3)),
        ((24, 5), (2, 3, 4, 5)),
        ((), (1, 1)),
    ):
        load = seen(source, out)
        assert load is not None
        assert all(part.op in ("add", "mul") for part in walk(load.index) if isinstance(part, Apply))
        check(load, out)


def test_joined_axes_take_divisions() -> None:
    assert seen((2, 3), (6,)) is None
    load = seen((2, 3), (6,), undivided=False)
    assert load is not None
    check(load, (6,))
    back = seen((2, 2, 60), (2, 4, 5, 6), undivided=False)
    assert back is not None
    divided = [
        part.args[0]
        for part in walk(back.index)
        if isinstance(part, Apply) and part.op in ("mod", "floordiv")
    ]
    assert divided
    assert all(isinstance(part, Var) and part.name == "i1" for part in divided)
    check(back, (2, 4, 5, 6))


def test_a_split_of_a_known_sum_comes_apart_again() -> None:
    view = View(Tensor("out", "float32", (12,)), Tensor("x", "float32", (3, 4)))
    i, j = variables((3, 4))
    load = through(view, view.out[i * 4 + j], (i, j))  # type: ignore[arg-type]
    assert load is not None
    assert list(load.index) == [i, j]
    below: Expr = i * 4 + j - 1
    assert through(view, Load(view.out, (below,)), (i, j)) is None


@given(shapes(), st.data())
@settings(deadline=None)
def test_a_part_of_a_view(pair: tuple[tuple[int, ...], tuple[int, ...]], data: st.DataObject) -> None:
    source, out = pair
    view = View(Tensor("out", "float32", out), Tensor("x", "float32", source))
    # Every axis from some start, in some step; two axes of loops for one of the view.
    vars = variables([data.draw(st.integers(1, dim)) for dim in out])
    extra = Var("i9", 2)
    index: list[Expr] = []
    for var, dim in zip(vars, out, strict=True):
        free = dim - int(var.extent if isinstance(var.extent, int) else 0)
        start = data.draw(st.integers(0, free))
        more = start < free and data.draw(st.booleans())
        index.append(var + start + extra if more else var + start)
    load = through(view, Load(view.out, tuple(index)), ())
    if load is not None:
        loops = [*vars, extra]
        extents = [var.extent for var in loops if isinstance(var.extent, int)]

        def places(parts: tuple[Expr, ...], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
            at = [np.broadcast_to(grid(part, loops, {}), extents) for part in parts]
            return np.asarray(np.ravel_multi_index(at, shape))

        np.testing.assert_array_equal(places(load.index, source), places(tuple(index), out))


def test_an_index_of_the_run_moves_whole_rows_only() -> None:
    rows = Tensor("r", "int64", (1,))[Literal(0, "index")].as_index
    view = View(Tensor("out", "float32", (6, 4)), Tensor("x", "float32", (2, 3, 4)))
    assert through(view, Load(view.out, (rows, Literal(0, "index"))), ()) is None
    apart = View(Tensor("out", "float32", (6, 2, 2)), Tensor("x", "float32", (6, 4)))
    load = through(apart, Load(apart.out, (rows, *variables((2, 2)))), ())
    assert load is not None
    assert load.index[0] is rows
