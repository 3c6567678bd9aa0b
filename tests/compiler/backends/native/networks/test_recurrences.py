from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.networks.layers import Layer
from tinsmith.compiler.backends.native.networks.recurrences import (
    Part,
    Recurrence,
    find_recurrences,
    sliced,
)
from tinsmith.compiler.ir import loops, scalars
from tinsmith.compiler.ir.loops import Copy, Gemm, Loops, Map, Put, Repeat, Stage
from tinsmith.compiler.ir.scalars import Expr, Literal, Load, Tensor, Var, size, substitute

TURN = Var("turn", 3)
HISTORY = Tensor("history", "float32", (3, 2, 128))


def tensor(name: str, *shape: int) -> Tensor:
    return Tensor(name, "float32", shape)


def layer(x: Tensor, name: str, columns: int) -> Layer:
    weights = np.ones((x.static_shape[1], columns), np.float32)
    return Layer(tensor(name, x.static_shape[0], columns), x, Gemm(), weights, None)


def mapped(name: str, length: int, value: Callable[..., Any]) -> Map:
    vars = scalars.variables((2, length))
    return Map(tensor(name, 2, length), vars, value(*vars))


def phases(*body: Stage, **more: Any) -> list[list[str]]:
    """What the stages of each phase fill; empty: the loop is left as it was."""
    stages = (Repeat(body[-1].out, TURN, body, **more),)
    (found,) = find_recurrences(Loops((), (HISTORY,), stages)).stages
    if not isinstance(found, Recurrence):
        assert found is stages[0]
        return []
    assert loops.writes(found) == loops.writes(stages[0])
    return [[part.stage.out.name for part in phase] for phase in found.phases]


H = tensor("h", 2, 128)
GATES = layer(H, "gates", 256)


def test_a_slice_of_all_gates_goes_on_to_the_states() -> None:
    new = mapped("new", 128, lambda n, j: GATES.out[n, j] * GATES.out[n, j + 128] + H[n, j])
    put = Put(HISTORY, TURN, new.out)
    assert phases(GATES, new, put, Copy(H, new.out)) == [["gates", "new", "history"], ["h"]]


def test_what_needs_the_others_is_another_phase() -> None:
    crossed = mapped("crossed", 128, lambda n, j: GATES.out[n, j + 64])
    assert phases(GATES, crossed, Copy(H, crossed.out)) == [["gates"], ["crossed", "h"]]
    turned = mapped("turned", 128, lambda n, j: GATES.out[n, scalars.size(127) - j])
    assert phases(GATES, turned, Copy(H, turned.out)) == [["gates"], ["turned", "h"]]
    second = layer(GATES.out, "second", 128)
    last = mapped("last", 128, lambda n, j: second.out[n, j])
    assert phases(GATES, second, last, Copy(H, last.out)) == [["gates"], ["second", "last", "h"]]


def test_gates_that_are_no_whole_slices_are_a_phase() -> None:
    h = tensor("h", 2, 100)
    gates = layer(h, "gates", 200)
    new = mapped("new", 100, lambda n, j: gates.out[n, j] + gates.out[n, j + 100])
    assert phases(gates, new, Copy(h, new.out)) == [["gates"], ["new", "h"]]


def test_other_loops_stay() -> None:
    new = mapped("new", 128, lambda n, j: GATES.out[n, j])
    assert phases(new, Copy(H, new.out)) == []
    inner = Repeat(H, Var("inner", 2), (Copy(H, new.out),))
    assert phases(GATES, new, inner) == []
    assert phases(GATES, new, Copy(H, new.out), condition=Tensor("more", "bool", ())) == []


def number(expr: Expr) -> int:
    assert isinstance(expr, Literal)
    return int(expr.value)


def test_slices_are_the_whole_together() -> None:
    source = tensor("given", 2, 150)
    new = mapped("new", 150, lambda n, j: source[n, j])
    for stage in (new, Put(tensor("all", 3, 2, 150), TURN, source), Copy(tensor("copy", 2, 150), source)):
        slice = Var("slice", 2)
        whole, rest = sliced(Part(stage, 150), slice)
        seen = []
        for piece, start in ((whole, 0), (whole, 1), (rest, 0)):
            row, column = piece.vars
            assert piece.out is stage.out
            assert isinstance(piece.value, Load)
            assert (row.extent, column.extent) == (2, 22 if piece is rest else 64)
            for i, j in np.ndindex(2, 22 if piece is rest else 64):
                at: dict[Var, Expr] = {slice: size(start), row: size(i), column: size(j)}
                to, source_at = (
                    tuple(number(substitute(part, at)) for part in index[-2:])
                    for index in (piece.index, piece.value.index)
                )
                assert to == source_at
                seen.append(to)
        assert sorted(seen) == list(np.ndindex(2, 150))
