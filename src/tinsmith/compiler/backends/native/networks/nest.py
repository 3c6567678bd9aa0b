"""Loops around statements, and what C calls the things in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tinsmith.compiler.backends.native.networks.addresses import Element, flat, flatten, merge
from tinsmith.compiler.backends.native.networks.expression import (
    Writer,
    encoded,
)
from tinsmith.compiler.backends.native.networks.parallel import EVEN, Share
from tinsmith.compiler.backends.native.networks.pieces import Piece, pieces
from tinsmith.compiler.backends.native.networks.tiles import TILE, Turn, tiled, turn
from tinsmith.compiler.ir.scalars import Expr, Literal, Load, Size, Tensor, Var


@dataclass(frozen=True)
class Names:
    """What C calls the tensors, run-time sizes and outer loops that a stage uses."""

    tensors: Mapping[Tensor, str]
    outer: Mapping[Expr, str]
    share: Share | None = None
    """How threads share the loops; None: they do not."""


def target(out: Tensor, vars: Sequence[Expr]) -> Element:
    """The element that a stage writes."""
    return flat(Load(out, tuple(vars)))


def assign(place: Load, vars: Sequence[Var], value: Expr, names: Names) -> list[str]:
    """Loops over `vars` that store `value` at `place`."""
    return [line for piece in pieces(vars, place, value) for line in _assign(piece, names)]


def _assign(piece: Piece, names: Names) -> list[str]:
    merged, (where, value) = merge(piece.vars, [flat(piece.place), flatten(piece.value)])
    assert isinstance(where, Element)
    nest = Nest(names, merged)
    matrix = turn(merged, where, value)
    if matrix is not None:
        if nest.share is None or nest.share.cuts(matrix.outer):
            return nest.shared(matrix.outer, _turned(nest, matrix, where, value))
        return _turned_part(nest, nest.share, matrix, where, value)
    lines, (text,) = nest.writer.write([encoded(value)])
    store = f"{nest.element(where)} = {text};"
    tile = tiled(merged, value)
    if tile is not None:
        return nest.tiles(merged, tile, [*lines, store])
    return nest.shared(merged, [*lines, store])


def _turned(nest: Nest, matrix: Turn, where: Element, value: Expr, cut: Var | None = None) -> list[str]:
    """The call that transposes one matrix, or what of it follows index `cut`, up to index `<cut>_end`."""
    assert isinstance(value, Element)
    gone = {matrix.row, matrix.column} - {cut}
    starts = [
        Element(part.tensor, part.index, tuple(term for term in part.terms if term[0] not in gone))
        for part in (where, value)
    ]
    lines, source = nest.stored(starts[1])
    out, steps = nest.element(starts[0]), (matrix.out_step, matrix.in_step)
    rows, columns = (
        f"{nest.names[side]}_end - {nest.names[side]}" if side is cut else nest.extent(side.extent)
        for side in (matrix.row, matrix.column)
    )
    return [
        *lines,
        f"ts_transpose_{matrix.bits}(&{out}, {steps[0]}, &{source}, {steps[1]}, {rows}, {columns});",
    ]


def _turned_part(nest: Nest, share: Share, matrix: Turn, where: Element, value: Expr) -> list[str]:
    """Transposes a thread's part of every matrix."""
    cut = share.loop((matrix.row, matrix.column))
    assert cut is not None
    name, bounds = nest.names[cut], share.bounds(nest.extent(cut.extent), TILE)
    return [
        "{",
        f"\tconst ts_index {name} = {bounds[0]}, {name}_end = {bounds[1]};",
        *("\t" + line for line in nest.around(matrix.outer, _turned(nest, matrix, where, value, cut))),
        "}",
    ]


class Nest:
    """Loops over some variables and the text of what is inside."""

    def __init__(self, names: Names, vars: Sequence[Var], prefix: str = "") -> None:
        self._names = names
        self.share = names.share
        self.names: dict[Expr, str] = dict(names.outer)
        self.names.update({var: f"{prefix}{var.name}" for var in vars})
        self.writer = Writer(self._address, self.names)

    def _address(self, load: Load, text: Callable[[Expr], str]) -> str:
        element = load if isinstance(load, Element) else flat(load)
        parts = [_scaled(self.names[var], factor) for var, factor in element.terms]
        if not (isinstance(element.rest, Literal) and element.rest.value == 0):
            parts.append(text(element.rest))
        return f"{self._names.tensors[element.tensor]}[{' + '.join(parts) or '0'}]"

    def element(self, element: Element) -> str:
        """C text of an element whose offset needs no statements before it."""
        lines, text = self.stored(element)
        assert not lines
        return text

    def stored(self, element: Element) -> tuple[list[str], str]:
        """Statements to stand first, and C text of an element as it lies in memory."""
        lines, (rest,) = Writer(self._address, self.names).write([element.rest])
        parts = [_scaled(self.names[var], factor) for var, factor in element.terms]
        if rest != "0":
            parts.append(rest)
        return lines, f"{self._names.tensors[element.tensor]}[{' + '.join(parts) or '0'}]"

    def around(self, vars: Sequence[Var], lines: list[str]) -> list[str]:
        """Loops over `vars`, outermost first."""
        for var in reversed(vars):
            lines = self.loop(var, lines)
        return lines

    def shared(self, vars: Sequence[Var], lines: list[str]) -> list[str]:
        """As `around`, for loops that are independent: threads share one of them."""
        if self.share is None:
            return self.around(vars, lines)
        cut = self.share.loop(vars)
        if cut is None:
            return self.share.once(self.around(vars, lines))
        for var in reversed(vars):
            grain = EVEN if var is vars[-1] else 1
            header = (
                self.part(self.share, self.names[var], self.extent(var.extent), grain) if var is cut else ""
            )
            lines = self.loop(var, lines, header)
        return lines

    @staticmethod
    def part(share: Share, name: str, extent: str, grain: int, step: str = "++") -> str:
        """The header of a loop over a thread's part of an extent, in multiples of `grain`."""
        first, last = share.bounds(extent, grain)
        return f"for (ts_index {name} = {first}, {name}_end = {last}; {name} < {name}_end; {name}{step})"

    def tiles(self, vars: Sequence[Var], tile: tuple[Var, Var], lines: list[str]) -> list[str]:
        """As `around`, two loops in square tiles inside all others."""
        for var in reversed(tile):
            name, extent = self.names[var], self.extent(var.extent)
            end = f"ts_index_min({name}_tile + {TILE}, {extent})"
            lines = self.loop(var, lines, f"for (ts_index {name} = {name}_tile; {name} < {end}; {name}++)")
        outer = [var for var in vars if var not in tile]
        for var in reversed(tile):
            name, extent = f"{self.names[var]}_tile", self.extent(var.extent)
            header = f"for (ts_index {name} = 0; {name} < {extent}; {name} += {TILE})"
            if self.share is not None and var is tile[0] and not self.share.cuts(outer):
                return self.around(
                    outer, self.loop(var, lines, self.part(self.share, name, extent, TILE, f" += {TILE}"))
                )
            lines = self.loop(var, lines, header)
        return self.shared(outer, lines)

    def loop(self, var: Var, lines: list[str], header: str = "") -> list[str]:
        name, extent = self.names[var], self.extent(var.extent)
        head = header or f"for (ts_index {name} = 0; {name} < {extent}; {name}++)"
        return [f"{head} {{", *("\t" + line for line in lines), "}"]

    def extent(self, dim: int | Size) -> str:
        return str(dim) if isinstance(dim, int) else self.names[dim]


def _scaled(name: str, factor: int) -> str:
    return name if factor == 1 else f"{name} * {factor}"
