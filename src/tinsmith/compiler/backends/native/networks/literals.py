"""Constants of one element as numbers in the expressions that read them."""

from __future__ import annotations

from dataclasses import replace

from tinsmith.compiler.backends.native.networks.rewrite import rewritten
from tinsmith.compiler.ir.dtypes import SMALL_FLOATS
from tinsmith.compiler.ir.loops import Loops
from tinsmith.compiler.ir.scalars import Expr, Load, literal


def put_literals(loops: Loops) -> Loops:
    """Every load of a constant that has one element becomes that number."""
    return replace(loops, stages=tuple(rewritten(stage, _number, {}) for stage in loops.stages))


def _number(part: Expr) -> Expr | None:
    if not isinstance(part, Load) or part.tensor.value is None or part.tensor.value.size != 1:
        return None
    if part.dtype in SMALL_FLOATS:
        return None
    return literal(part.tensor.value.reshape(()).item(), part.dtype)
