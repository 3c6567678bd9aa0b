"""Loops whose neighbours come from far apart, in square tiles: what is fetched is used at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tinsmith.compiler.backends.native.networks.addresses import Element
from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.scalars import Expr, Var, walk

LEAST = 4
"""Rows and columns of a matrix that is worth turning."""
TILE = 16
"""Rows and columns of a tile of loops that do more than move."""
FAR = 16
"""Elements between neighbours that come from different lines of memory."""
MOST_KEPT = 2**12
"""Elements that stay in the nearest cache anyway."""


@dataclass(frozen=True)
class Turn:
    """out[row * out_step + column] = in[column * in_step + row] inside the `outer` loops."""

    outer: tuple[Var, ...]
    row: Var
    column: Var
    out_step: int
    in_step: int
    bits: int


def turn(vars: Sequence[Var], where: Element, value: Expr) -> Turn | None:
    """The nest as transposed matrices, if that is all it does."""
    if not vars or not isinstance(value, Element) or value.dtype != where.dtype:
        return None
    column, to, source = vars[-1], dict(where.terms), dict(value.terms)
    in_step = source.get(column, 0)
    rows = [var for var in vars[:-1] if source.get(var) == 1]
    if to.get(column) != 1 or in_step < 2 or len(rows) != 1:
        return None
    row = rows[0]
    if any(part in (row, column) for part in walk([where.rest, value.rest])):
        return None
    if not _at_least(LEAST, row, column):
        return None
    outer = tuple(var for var in vars if var not in (row, column))
    return Turn(outer, row, column, to[row], in_step, 8 * dtypes.itemsize(value.dtype))


def tiled(vars: Sequence[Var], value: Expr) -> tuple[Var, Var] | None:
    """Two loops to run in tiles: one along which `value` reads side by side; the innermost, along which it
    reads far apart."""
    if not vars:
        return None
    inner = vars[-1]
    elements = [dict(part.terms) for part in walk([value]) if isinstance(part, Element)]
    far = [terms for terms in elements if terms.get(inner, 0) >= FAR]
    for var in reversed(vars[:-1]):
        if any(terms.get(var) == 1 for terms in far) and _at_least(TILE, var, inner):
            return (var, inner) if math.prod(_extents(var, inner)) > MOST_KEPT else None
    return None


def _at_least(least: int, *vars: Var) -> bool:
    return all(extent >= least for extent in _extents(*vars))


def _extents(*vars: Var) -> list[int]:
    """0 for those that only the run can tell."""
    return [var.extent if isinstance(var.extent, int) else 0 for var in vars]
