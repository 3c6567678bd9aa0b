"""Every law, broken once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.backends.native.networks.check import check
from tinsmith.compiler.ir.loops import Copy, Loops, Map, Measure, Put, Repeat, Require, Scatter, Stage, View
from tinsmith.compiler.ir.scalars import INDEX, Load, Size, Tensor, Var, literal, variables
from tinsmith.errors import InternalError

X, A, B, Y = (Tensor(name, "float32", (2, 3)) for name in "xaby")
WEIGHT = Tensor("w", "float32", (2, 3), np.ones((2, 3), np.float32))
COUNT = Size("n", 9)
FLAG = Tensor("flag", "bool", ())


def doubled(out: Tensor, source: Tensor) -> Map:
    vars = variables(out.shape)
    return Map(out, vars, source[vars] + source[vars], origin=f"Add of {out.name}")


def loops(*stages: Stage) -> Loops:
    return Loops((X,), (Y,), stages)


GOOD = loops(doubled(A, X), Require(FLAG, literal(True, "bool"), origin="r"), doubled(Y, A))


def broken(made: Loops, before: Loops = GOOD) -> str:
    with pytest.raises(InternalError) as caught:
        check("fuse", before, made)
    assert str(caught.value).startswith("pass fuse: ")
    return str(caught.value)


def test_good_loops_pass() -> None:
    check("lower", GOOD, GOOD)


def test_a_pass_keeps_the_interface() -> None:
    other = Tensor("other", "float32", (2, 3))
    assert "the inputs are others" in broken(replace(GOOD, inputs=(other, X)))
    wide = Tensor("y", "float64", (2, 3))
    assert "the outputs have other types or shapes" in broken(replace(GOOD, outputs=(wide,)))
    assert "nothing writes the output y" in broken(loops(doubled(A, X)))


def test_demands_are_not_lost() -> None:
    assert "1 of 1 demands on the values of a run are lost" in broken(loops(doubled(Y, X)))
    check("lower", loops(doubled(Y, X)), GOOD)


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ((doubled(Y, A), doubled(A, X)), "Map y (Add of y) reads a, which no stage before it writes"),
        ((doubled(Y, X), doubled(Y, X)), "Map y (Add of y) writes y, which has content"),
        ((doubled(Y, X), doubled(X, Y)), "Map x (Add of x) writes x, which has content"),
        ((doubled(Y, X), doubled(WEIGHT, X)), "writes the constant w"),
        ((doubled(Y, X), Copy(A, B)), "Copy a reads b, which no stage before it writes"),
    ],
)
def test_order(stages: tuple[Stage, ...], problem: str) -> None:
    assert problem in broken(loops(*stages), loops(doubled(Y, X)))


def repeat(*body: Stage, condition: Tensor | None = None) -> Repeat:
    return Repeat(A, Var("round", 4), body, condition, origin="Loop l")


def test_order_in_loops() -> None:
    plain = loops(doubled(Y, X))
    state = Copy(A, X)
    check("fuse", plain, loops(state, repeat(doubled(B, A), Copy(A, B)), doubled(Y, A)))
    assert "Copy a reads b" in broken(loops(state, repeat(Copy(A, B), doubled(B, A)), doubled(Y, A)), plain)
    unasked = loops(state, repeat(Copy(A, X), condition=FLAG), doubled(Y, A))
    assert "Repeat a (Loop l) reads flag, which no stage before it writes" in broken(unasked, plain)


def test_sizes_are_found_out_before_they_are_used() -> None:
    scalar = Tensor("count", "int64", ())
    some = Tensor("some", "float32", (COUNT,))
    vars = variables(some.shape)
    use = Map(some, vars, literal(1.0, "float32"), origin="fill")
    measure = Measure(scalar, COUNT, literal(3, INDEX))
    plain = loops(doubled(Y, X))
    check("fuse", plain, loops(measure, use, doubled(Y, X)))
    text = broken(loops(use, measure, doubled(Y, X)), plain)
    assert "Map some (fill) uses the size n, which no stage before it finds out" in text


ROW = Tensor("row", "float32", (3,))
IDS = Tensor("ids", "int64", (2, 3))
SHAPES: dict[str, tuple[Callable[[], Stage], str]] = {
    "extent": (
        lambda: Map(A, variables((2, 2)), literal(1.0, "float32")),
        "does not run over the whole of what it fills",
    ),
    "load": (
        lambda: replace(doubled(A, X), value=Load(X, variables((2,)))),
        "reads a tensor by too few or too many indices",
    ),
    "view": (lambda: View(Tensor("v", "float32", (7,)), X), "moves a tensor into one of another shape"),
    "copy": (lambda: Copy(Tensor("c", "float32", (3, 2)), X), "moves a tensor into one of another shape"),
    "branch": (
        lambda: Copy(Tensor("c", "float32", (Size("n", 1), 3)), X),
        "moves a tensor into one of another shape",
    ),
    "put": (lambda: Put(A, literal(0, INDEX), X), "moves a tensor into one of another shape"),
    "type": (lambda: Copy(IDS, X), "moves a tensor into one of another type"),
    "scatter": (
        lambda: Scatter(
            A,
            variables((2, 3)),
            literal(0.0, "float32"),
            (),
            (literal(0, INDEX),),
            literal(1.0, "float32"),
            "set",
        ),
        "writes a tensor by too few or too many indices",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    make, problem = SHAPES[name]
    assert problem in broken(loops(make(), doubled(Y, X)), loops(doubled(Y, X)))


def test_shapes_of_views_and_slices_that_fit() -> None:
    plain = loops(doubled(Y, X))
    first = Map(A, variables((2, 3)), literal(0.0, "float32"))
    row = Map(ROW, variables((3,)), literal(1.0, "float32"))
    flat = View(Tensor("flat", "float32", (6,)), X)
    check("fuse", plain, loops(first, row, Put(A, literal(1, INDEX), ROW), flat, doubled(Y, A)))


def test_not_every_problem_is_listed() -> None:
    many: list[Any] = [doubled(Tensor(f"t{number}", "float32", (2, 3)), B) for number in range(15)]
    text = broken(loops(*many, doubled(Y, X)), loops(doubled(Y, X)))
    assert text.count("reads b") == 10
    assert text.endswith("; and 5 more")
