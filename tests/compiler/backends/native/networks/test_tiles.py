from __future__ import annotations

from tinsmith.compiler.backends.native.networks.addresses import Element, flat, flatten, merge
from tinsmith.compiler.backends.native.networks.tiles import Turn, tiled, turn
from tinsmith.compiler.ir.scalars import Expr, Load, Tensor, Var, call, literal, variables


def nest(
    shape: tuple[int, ...], perm: tuple[int, ...], dtype: str = "float32"
) -> tuple[list[Var], Element, Element]:
    """The loops of a transpose into `shape`."""
    source = [0] * len(shape)
    for axis, origin in enumerate(perm):
        source[origin] = shape[axis]
    vars = variables(shape)
    value = Load(
        Tensor("x", dtype, tuple(source)), tuple(vars[perm.index(axis)] for axis in range(len(perm)))
    )
    merged, (where, read) = merge(vars, [flat(Load(Tensor("y", dtype, shape), vars)), flatten(value)])
    assert isinstance(where, Element)
    assert isinstance(read, Element)
    return list(merged), where, read


def turned(shape: tuple[int, ...], perm: tuple[int, ...]) -> Turn | None:
    return turn(*nest(shape, perm))


def test_images_between_channels_first_and_last() -> None:
    found = turned((2, 56, 56, 64), (0, 2, 3, 1))
    assert found is not None
    assert (found.row.extent, found.column.extent) == (56 * 56, 64)
    assert (found.out_step, found.in_step, found.bits) == (64, 56 * 56, 32)
    assert [var.extent for var in found.outer] == [2]


def test_rows_that_stay_rows_are_copied() -> None:
    assert turned((2, 12, 8, 64), (0, 2, 1, 3)) is None
    assert turned((4, 5), (0, 1)) is None
    assert turned((3, 100), (1, 0)) is None


def test_only_what_is_moved_unchanged() -> None:
    vars, where, value = nest((40, 50), (1, 0))
    assert turn(vars, where, call("neg", value)) is None
    assert turn([], where, value) is None
    shifted = Element(value.tensor, (value.rest + vars[0] % 2,), value.terms)
    assert turn(vars, where, shifted) is None


def test_tiles_for_large_matrices_read_across() -> None:
    vars, _, value = nest((400, 500), (1, 0))
    sum: Expr = value + literal(1, "float32")
    assert tiled(vars, sum) == (vars[0], vars[1])
    small, _, value = nest((20, 20), (1, 0))
    assert tiled(small, value + literal(1, "float32")) is None
    along, _, value = nest((400, 500), (0, 1))
    assert tiled(along, value + literal(1, "float32")) is None
