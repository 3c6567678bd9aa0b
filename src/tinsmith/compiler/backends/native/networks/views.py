"""Loads from a view as loads from what it shows, so that the stage behind it may be fused."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from tinsmith.compiler.backends.native.networks.linear import Linear, linear
from tinsmith.compiler.ir.loops import View
from tinsmith.compiler.ir.scalars import INDEX, Expr, Literal, Load, Var, static


def through(view: View, load: Load, undivided: Collection[Var]) -> Load | None:
    """`load` of an element of `view.out` as a load of `view.source`.

    None where that takes more than sums of indices, and quotients and remainders of those not `undivided`.
    """
    source, out = static(view.source.shape), static(view.out.shape)
    if source is None or out is None or 0 in source:
        return None
    index: list[Expr] = []
    for own, shown in groups(source, out):
        place = Linear()
        for axis in shown:
            place = place.scaled(out[axis]) + linear(load.index[axis])
        parts = split(place, [source[axis] for axis in own], undivided)
        if parts is None:
            return None
        index += parts
    return Load(view.source, tuple(index))


def groups(source: Sequence[int], out: Sequence[int]) -> list[tuple[range, range]]:
    """Neighbouring axes of either shape that hold the same elements, as few in a group as can be."""
    found: list[tuple[range, range]] = []
    a = b = 0
    while a < len(source) or b < len(out):
        first_a, first_b = a, b
        size_a = source[a] if a < len(source) else 1
        size_b = out[b] if b < len(out) else 1
        a, b = min(a + 1, len(source)), min(b + 1, len(out))
        while size_a != size_b:
            if size_a < size_b:
                size_a *= source[a]
                a += 1
            else:
                size_b *= out[b]
                b += 1
        found.append((range(first_a, a), range(first_b, b)))
    return found


def split(place: Linear, shape: Sequence[int], undivided: Collection[Var]) -> list[Expr] | None:
    """The index of element number `place` of a row-major array."""
    index: list[Expr] = []
    for axis in range(len(shape)):
        step = math.prod(shape[axis + 1 :])
        if axis == len(shape) - 1:
            index.append(place.expr)
            break
        divided = _divided(place, step, undivided)
        if divided is None:
            return None
        quotient, place = divided
        index.append(quotient.expr if shape[axis] > 1 else Literal(0, INDEX))
    return index


def _divided(place: Linear, step: int, undivided: Collection[Var]) -> tuple[Linear, Linear] | None:
    """Quotient and remainder."""
    whole = Linear(
        place.constant // step, {part: f // step for part, f in place.terms.items() if f % step == 0}
    )
    rest = Linear(place.constant % step, {part: f for part, f in place.terms.items() if f % step})
    least, most = rest.range
    if least >= 0 and most < step:
        return whole, rest
    if least < 0 or not rest.terms:
        return None
    var, factor = max(rest.terms.items(), key=lambda item: item[1])
    small = Linear(rest.constant, {part: f for part, f in rest.terms.items() if part is not var})
    if not isinstance(var, Var) or var in undivided or step % factor or small.range[1] >= factor:
        return None
    turns = step // factor
    return whole + Linear(0, {var // turns: 1}), small + Linear(0, {var % turns: factor})
