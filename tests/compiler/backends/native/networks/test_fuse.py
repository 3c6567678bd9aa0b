from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tinsmith.compiler.backends.native.networks.fuse import fuse
from tinsmith.compiler.ir.loops import Loops, Map
from tinsmith.compiler.ir.scalars import Expr, Tensor, call, literal, select
from tinsmith.compiler.operators.movement import joined, permuted
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.pad import framed

A, B = Tensor("a", "float32", (2, 4, 6)), Tensor("b", "float32", (2, 3, 6))


def stages(build: Callable[[Node], Tensor | Sequence[Tensor]]) -> list[str]:
    """What is left of the stages of a network."""
    node = Node("n", "Test", 1, {}, (A, B), ("y",))
    built = build(node)
    outputs = (built,) if isinstance(built, Tensor) else tuple(built)
    return [type(stage).__name__ for stage in fuse(Loops((A, B), outputs, tuple(node.stages))).stages]


def relu(node: Node, x: Tensor) -> Tensor:
    return node.map(x.shape, lambda *i: call("max", x[i], literal(0, "float32")))


def exp(node: Node, x: Tensor) -> Tensor:
    return node.map(x.shape, lambda *i: call("exp", x[i]))


def total(node: Node, x: Tensor) -> Tensor:
    return node.reduce(x.shape[:-1], x.shape[-1:], "sum", lambda *i: x[i])


def zeros(node: Node, x: Tensor) -> Tensor:
    none = [literal(1, "index")] * 3
    return framed(
        node, x, [int(dim) + 2 for dim in x.shape if isinstance(dim, int)], none, literal(0, "float32")
    )


def test_movement_becomes_part_of_its_reader() -> None:
    assert stages(lambda n: relu(n, joined(n, (exp(n, A), B), 1))) == ["Map"]
    assert stages(lambda n: relu(n, permuted(n, exp(n, A), (2, 0, 1)))) == ["Map"]
    assert stages(lambda n: relu(n, zeros(n, exp(n, A)))) == ["Map"]
    assert stages(lambda n: total(n, permuted(n, A, (0, 2, 1)))) == ["Reduce"]


def test_a_reduction_does_not_choose_by_index() -> None:
    assert stages(lambda n: total(n, joined(n, (A, B), 1))) == ["Map", "Reduce"]
    assert stages(lambda n: total(n, zeros(n, A))) == ["Map", "Reduce"]


def test_what_is_transposed_for_two_is_stored_once() -> None:
    def both(n: Node) -> list[Tensor]:
        turned = permuted(n, A, (2, 1, 0))
        return [relu(n, turned), exp(n, turned)]

    assert stages(both) == ["Map"] * 3


def test_what_is_read_again_and_again_is_stored_once() -> None:
    def windows(n: Node) -> Tensor:
        whole = joined(n, (A, B), 1)
        return n.map((2, 6, 6), lambda i, j, k: whole[i, j, k] + whole[i, j + 1, k])

    assert stages(windows) == ["Map", "Map"]


def test_overlapping_windows_read_what_is_stored() -> None:
    def windows(n: Node) -> Tensor:
        whole = exp(n, A)
        return n.map((2, 3, 2, 6), lambda i, j, k, m: whole[i, j + k, m])

    def tiles(n: Node) -> Tensor:
        whole = exp(n, A)
        return n.map((2, 2, 2, 6), lambda i, j, k, m: whole[i, j * 2 + k, m])

    assert stages(windows) == ["Map", "Map"]
    assert stages(tiles) == ["Map"]


def test_views_do_not_stand_between() -> None:
    assert stages(lambda n: relu(n, n.view(exp(n, A), (2, 1, 4, 2, 3)))) == ["Map"]
    assert stages(lambda n: relu(n, n.view(n.view(exp(n, A), (2, 24)), (2, 4, 6)))) == ["Map"]
    assert stages(lambda n: relu(n, n.view(exp(n, A), (8, 6)))) == ["Map"]
    assert stages(lambda n: relu(n, n.view(exp(n, A), (48,)))) == ["Map", "View", "Map"]


def test_a_view_that_is_read_twice_counts_twice() -> None:
    def twice(n: Node) -> list[Tensor]:
        shown = n.view(exp(n, A), (2, 4, 2, 3))
        return [relu(n, shown), total(n, shown)]

    assert stages(twice) == ["Map", "Map", "Reduce"]


@pytest.mark.parametrize("always", [True, False])
def test_conditions_that_ranges_tell_go(always: bool) -> None:
    node = Node("n", "Test", 1, {}, (A, B), ("y",))

    def value(*i: Expr) -> Expr:
        return select(i[0] < (2 if always else 0), A[i], exp_of[i])

    exp_of = exp(node, A)
    out = node.map(A.shape, value)
    (*before, last) = fuse(Loops((A, B), (out,), tuple(node.stages))).stages
    assert not before
    assert isinstance(last, Map)
    assert not any(getattr(part, "op", "") == "select" for part in [last.value])
