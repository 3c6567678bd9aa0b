"""Loops cut where a condition on an index changes, so that no element asks.

A concatenation, a pad or an edge is a `select` by an index (or a min, max or mod of one): each piece of the
loop knows which side is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from tinsmith.compiler.backends.native.networks.linear import Linear, linear
from tinsmith.compiler.ir.scalars import (
    BOOL,
    INDEX,
    Apply,
    Expr,
    Literal,
    Load,
    Var,
    binary,
    children,
    substitute,
    walk,
)

MOST_PIECES = 128
"""Of one nest."""
MOST_PARTS = 6000
"""Of the expressions of all pieces of one nest."""
MOST_TURNS = 6
"""Of an index that goes round: how often it may for the loop to be cut there."""

ORDERS = ("lt", "le", "gt", "ge")


@dataclass(frozen=True)
class Piece:
    """A part of a loop nest: its loops, which start at 0, the element that it stores, and the value."""

    vars: tuple[Var, ...]
    place: Load
    value: Expr


def pieces(vars: Sequence[Var], place: Load, value: Expr, most: int = MOST_PIECES) -> list[Piece]:
    """The nest that stores `value` at `place`, cut into `most` pieces or fewer."""
    value = simplified(value)
    cuts = _chosen(vars, value, most)
    if not any(cuts.values()):
        return [Piece(tuple(vars), place, value)]
    ranges = [_ranges(var, cuts.get(var, set())) for var in vars]
    found: list[Piece] = []
    for chosen in product(*ranges):
        values: dict[Var, Expr] = {}
        inner: list[Var] = []
        for var, (start, end) in zip(vars, chosen, strict=True):
            if var not in cuts or not cuts[var]:
                inner.append(var)
                continue
            part = Var(var.name, end - start)
            values[var] = part + start
            inner.append(part)
        index = tuple(substitute(expr, values) for expr in place.index)
        found.append(Piece(tuple(inner), Load(place.tensor, index), substitute(value, values)))
    # In a piece, more may be an index of one loop.
    left = most // len(found)
    return [part for piece in found for part in pieces(piece.vars, piece.place, piece.value, left)]


def _ranges(var: Var, cuts: set[int]) -> list[tuple[int, int]]:
    if not cuts:
        return [(0, -1)]
    assert isinstance(var.extent, int)
    return list(pairwise([0, *sorted(cuts), var.extent]))


def _chosen(vars: Sequence[Var], value: Expr, most: int) -> dict[Var, set[int]]:
    """Where to cut each loop; the innermost first, as long as the pieces stay few."""
    cuts: dict[Var, set[int]] = {var: set() for var in vars}
    parts = walk([value])
    for part in parts:
        if isinstance(part, Apply):
            for var, places in _cuts(part):
                if var in cuts and isinstance(var.extent, int):
                    cuts[var] |= {place for place in places if 0 < place < var.extent}
    count, most = 1, min(most, MOST_PARTS // len(parts))
    for var in reversed(vars):
        if count * (len(cuts[var]) + 1) > most:
            cuts[var] = set()
        count *= len(cuts[var]) + 1
    return cuts


def _cuts(part: Apply) -> list[tuple[Var, list[int]]]:
    """Where the outcome of an operation on one index changes."""
    if not part.args or part.args[0].dtype != INDEX:
        return []
    if part.op in (*ORDERS, "eq", "ne", "min", "max"):
        one = _one_var(linear(part.args[0]) + linear(part.args[1]).scaled(-1))
        if one is None:
            return []
        return [(one[0], _passes(part.op, *one[1:]))]
    if part.op in ("mod", "floordiv") and isinstance(part.args[1], Literal):
        one = _one_var(linear(part.args[0]))
        period = int(part.args[1].value)
        if one is None or period <= 0:
            return []
        return [(one[0], _turns(*one, period))]
    return []


def _passes(op: str, factor: int, constant: int) -> list[int]:
    """Where the outcome of comparing factor * var + constant with 0 changes."""
    at, behind = -(constant // factor), -constant // factor + 1
    if op in ("eq", "ne"):
        return [at, behind]
    if op in ("lt", "ge"):
        return [at if factor > 0 else behind]
    return [behind if factor > 0 else at]


def _one_var(form: Linear) -> tuple[Var, int, int] | None:
    if len(form.terms) != 1:
        return None
    ((var, factor),) = form.terms.items()
    return (var, factor, form.constant) if isinstance(var, Var) else None


def _turns(var: Var, factor: int, constant: int, period: int) -> list[int]:
    """Where factor * var + constant passes a multiple of `period`."""
    if not isinstance(var.extent, int):
        return []
    least, most = Linear(constant, {var: factor}).range
    if most // period - least // period > MOST_TURNS:
        return []
    multiples = [period * turn for turn in range(least // period, most // period + 1)]
    if factor > 0:
        return [-((constant - multiple) // factor) for multiple in multiples]
    return [(constant - multiple) // -factor + 1 for multiple in multiples]


def simplified(expr: Expr) -> Expr:
    """`expr` without the conditions whose outcome the ranges of the loops tell."""
    new: dict[int, Expr] = {}
    for part in walk([expr]):
        new[id(part)] = _simpler(part, [new[id(child)] for child in children(part)])
    return new[id(expr)]


def _simpler(part: Expr, args: Sequence[Expr]) -> Expr:
    if isinstance(part, Load):
        return part if _same(part.index, args) else Load(part.tensor, tuple(args))
    if not isinstance(part, Apply):
        return part
    if part.op == "select" and isinstance(args[0], Literal):
        return args[1] if args[0].value else args[2]
    if part.dtype == BOOL and part.op in ("and", "or"):
        return _logic(part, args)
    if args[0].dtype == INDEX and part.op in (*ORDERS, "eq", "ne"):
        outcome = _outcome(part.op, *(linear(args[0]) + linear(args[1]).scaled(-1)).range)
        if outcome is not None:
            return Literal(outcome, BOOL)
    if part.dtype == INDEX:
        return _index(part, args)
    return part if _same(part.args, args) else Apply(part.op, tuple(args), part.dtype)


def _same(a: Sequence[Expr], b: Sequence[Expr]) -> bool:
    return all(one is other for one, other in zip(a, b, strict=True))


def _logic(part: Apply, args: Sequence[Expr]) -> Expr:
    for one, other in (args, args[::-1]):
        if isinstance(one, Literal):
            decides = bool(one.value) == (part.op == "or")
            return one if decides else other
    return part if _same(part.args, args) else Apply(part.op, tuple(args), BOOL)


def _outcome(op: str, least: int, most: int) -> bool | None:
    """Of comparing a number between `least` and `most` with 0; None where it depends."""
    if op in ("eq", "ne"):
        if least > 0 or most < 0:
            return op == "ne"
        return (op == "eq") if least == most == 0 else None
    holds = {"lt": (most < 0, least >= 0), "le": (most <= 0, least > 0)}
    holds |= {"ge": holds["lt"][::-1], "gt": holds["le"][::-1]}
    true, false = holds[op]
    return True if true else False if false else None


def _index(part: Apply, args: Sequence[Expr]) -> Expr:
    if part.op in ("min", "max"):
        least, most = (linear(args[0]) + linear(args[1]).scaled(-1)).range
        if most <= 0:
            return args[0] if part.op == "min" else args[1]
        if least >= 0:
            return args[1] if part.op == "min" else args[0]
    if part.op in ("mod", "floordiv") and isinstance(args[1], Literal) and int(args[1].value) > 0:
        period, form = int(args[1].value), linear(args[0])
        least, most = form.range
        if least // period == most // period:
            turn = least // period
            return Literal(turn, INDEX) if part.op == "floordiv" else (form + Linear(-turn * period)).expr
    if part.op in ("add", "sub", "mul", "floordiv"):
        return part if _same(part.args, args) else binary(part.op, args[0], args[1])
    return part if _same(part.args, args) else Apply(part.op, tuple(args), INDEX)
