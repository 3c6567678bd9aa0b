"""Index arithmetic: sums of constant * part, and the ranges of their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinsmith.compiler.ir.scalars import INDEX, Apply, Expr, Literal, Var

UNKNOWN = (-(2**62), 2**62)
"""The range of what could be any index."""


@dataclass(frozen=True)
class Linear:
    """constant + the sum of factor * part."""

    constant: int = 0
    terms: Mapping[Expr, int] = field(default_factory=dict)

    def __add__(self, other: Linear) -> Linear:
        terms = dict(self.terms)
        for part, factor in other.terms.items():
            terms[part] = terms.get(part, 0) + factor
        kept = {part: factor for part, factor in terms.items() if factor}
        return Linear(self.constant + other.constant, kept)

    def scaled(self, factor: int) -> Linear:
        """`factor` times this."""
        if not factor:
            return Linear()
        return Linear(self.constant * factor, {part: own * factor for part, own in self.terms.items()})

    @property
    def expr(self) -> Expr:
        """As an expression."""
        total: Expr = Literal(0, INDEX)
        for part, factor in self.terms.items():
            total = total + part * factor
        return total + self.constant if self.constant >= 0 else total - -self.constant

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest value that the parts allow."""
        least = most = self.constant
        for part, factor in self.terms.items():
            low, high = _range_of(part)
            least += min(low * factor, high * factor)
            most += max(low * factor, high * factor)
        return least, most


def _range_of(part: Expr) -> tuple[int, int]:
    if isinstance(part, Var):
        return 0, (part.extent if isinstance(part.extent, int) else part.extent.most) - 1
    if isinstance(part, Apply) and part.op == "mod" and isinstance(part.args[1], Literal):
        return 0, int(part.args[1].value) - 1
    return UNKNOWN


def linear(expr: Expr) -> Linear:
    """An index taken apart; what is not a sum or a multiple is a part."""
    if isinstance(expr, Literal):
        return Linear(int(expr.value))
    if isinstance(expr, Apply) and expr.dtype == INDEX:
        if expr.op in ("add", "sub"):
            left, right = map(linear, expr.args)
            return left + (right if expr.op == "add" else right.scaled(-1))
        if expr.op == "neg":
            return linear(expr.args[0]).scaled(-1)
        if expr.op == "mul":
            left, right = map(linear, expr.args)
            if not right.terms:
                return left.scaled(right.constant)
            if not left.terms:
                return right.scaled(left.constant)
    return Linear(0, {expr: 1})
