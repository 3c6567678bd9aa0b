"""Sums of integers times mantissas of 31 bits, as LiteRT has them: written in float64, done in integers.

    y = cast(clip(round(floor((sum + start) * first + 1/2) * second) + zero))

`first` is mantissa / 2^31 and `second` 2^-right times a hair more than 1, so that halves are rounded away
from zero. What the frontend of TFLite writes so is computed in int64 by contract_integer_store.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.networks.absorb import Absorber
from tinsmith.compiler.backends.native.networks.addresses import same_place
from tinsmith.compiler.backends.native.networks.integer_steps import constant, constants_folded
from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.loops import Map, Stage
from tinsmith.compiler.ir.scalars import Apply, Expr, Load, Tensor, Var, rebuild, substitute

Array = np.ndarray[Any, Any]
BITS = 31
MOST_RIGHT = 30
AWAY = 1 + 2.0**-40
HAIR = (2.0**-45, 2.0**-36)
"""Between these, `second` is more than a power of two. AWAY stands for it where nothing is shifted."""


@dataclass(frozen=True)
class Fixed:
    """round(round(sum * mantissa / 2^31) / 2^right) within `bounds`; the first halves are rounded up, the
    second ones away from zero."""

    mantissa: Array
    """int32, as `right` one per output channel."""
    right: Array
    bounds: tuple[int, int]
    """Before the zero point is added."""


@dataclass(frozen=True)
class Found:
    """What follows a sum."""

    parts: list[Stage]
    out: Tensor
    fixed: Fixed
    start: Array
    """int64, of every channel."""
    zero: int


def find_fixed(first: Stage, source: Tensor, channel: int, absorber: Absorber) -> Found | None:
    """None where what follows `source`, that `first` computes, is anything else."""
    parts, out = [first], source
    value: Expr | None = None
    vars: Sequence[Var] = ()
    while out.dtype == "float64" or out is source:
        reader = absorber.follower(parts, out)
        if reader is None or reader.out.shape != source.shape:
            return None
        value = _joined(value, vars, out, reader)
        if value is None:
            return None
        parts.append(reader)
        vars, out = reader.vars, reader.out
    assert value is not None
    return _matched(parts, out, constants_folded(value, vars[channel]), source, vars, channel)


def _joined(before: Expr | None, vars: Sequence[Var], out: Tensor, reader: Map) -> Expr | None:
    """What `reader` computes, with `before` in place of `out`; None where it reads that elsewhere."""
    if before is None:
        return reader.value
    moved = substitute(before, dict(zip(vars, reader.vars, strict=True)))
    strays: list[Load] = []

    def change(part: Expr) -> Expr | None:
        if not isinstance(part, Load) or part.tensor is not out:
            return None
        if not same_place(part, reader.vars):
            strays.append(part)
        return moved

    joined = rebuild(reader.value, change)
    return None if strays else joined


def _matched(
    parts: list[Stage], out: Tensor, value: Expr, source: Tensor, vars: Sequence[Var], channel: int
) -> Found | None:
    count, at = source.static_shape[channel], _Peel(value, vars[channel])
    if out.dtype not in ("int8", "uint8") or not at.peel("cast"):
        return None
    low, high = (float(limit) for limit in dtypes.limits(out.dtype))
    high, low = min(at.number("min", high), high), max(at.number("max", low), low)
    zero = at.number("add", 0)
    second = at.values("mul", count) if at.peel("round") else np.full(count, AWAY)
    if not at.peel("floor") or at.number("add", 0) != 0.5:
        return None
    first = at.values("mul", count)
    start = at.values("add", count, 0.0)
    if not at.peel("cast") or not _is_sum(at.value, source, vars):
        return None
    right = -np.round(np.log2(second, where=second > 0, out=np.full(count, np.nan)))
    mantissa, hair = first * 2.0**BITS, second * np.exp2(right) - 1
    fits = (mantissa % 1 == 0) & (mantissa >= 0) & (mantissa < 2.0**BITS) & (right >= 0)
    if not (fits & (right <= MOST_RIGHT) & (hair > HAIR[0]) & (hair < HAIR[1]) & (start % 1 == 0)).all():
        return None
    bounds = int(low - zero), int(high - zero)
    fixed = Fixed(mantissa.astype(np.int32), right.astype(np.int32), bounds)
    return Found(parts, out, fixed, start.astype(np.int64), int(zero))


def _is_sum(value: Expr, source: Tensor, vars: Sequence[Var]) -> bool:
    return isinstance(value, Load) and value.tensor is source and same_place(value, vars)


class _Peel:
    """An expression that is taken apart from the outside."""

    def __init__(self, value: Expr, channel: Var) -> None:
        self.value = value
        self._channel = channel

    def peel(self, op: str) -> bool:
        """Whether a function of one number stood there, which is gone then."""
        if isinstance(self.value, Apply) and self.value.op == op:
            self.value = self.value.args[0]
            return True
        return False

    def values(self, op: str, count: int, default: float = np.nan) -> Array:
        """The constants, one per channel, on one side of `op`, which is gone then; `default` without it."""
        if isinstance(self.value, Apply) and self.value.op == op:
            for rest, known in (self.value.args, self.value.args[::-1]):
                found = constant(known, self._channel)
                if found is not None:
                    self.value = rest
                    return np.broadcast_to(found.astype(np.float64), (count,))
        return np.full(count, default)

    def number(self, op: str, default: float) -> float:
        """The same of one number for all channels; NaN where they differ."""
        found = self.values(op, 1, default) if not self._varies(op) else np.full(1, np.nan)
        return float(found[0])

    def _varies(self, op: str) -> bool:
        if not isinstance(self.value, Apply) or self.value.op != op:
            return False
        known = [constant(part, self._channel) for part in self.value.args]
        return any(values is not None and values.size > 1 for values in known)
