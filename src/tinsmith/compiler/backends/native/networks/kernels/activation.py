"""What a contraction does with each sum before it stores it, as an expression of C over vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinsmith.errors import InternalError


@dataclass(frozen=True)
class Activation:
    """An elementwise function.

    `expression` gives a `ts_vf` from the `ts_vf` named x; `headers` declare what it calls beyond
    contract_vector.h. The C compiler inlines it where its functions are always inlined.
    """

    expression: str = "x"
    headers: tuple[str, ...] = ()
    long: bool = False
    """More than some ten instructions: kernels hold fewer copies of it, and read what they wrote again."""


IDENTITY = Activation()
RELU = Activation("ts_at_least(x, 0)")
"""NaN stays NaN."""


def clip(low: float | None, high: float | None) -> Activation:
    """ONNX Clip: first at least `low`, then at most `high`; None: no bound. NaN stays NaN."""
    expression = "x"
    if low is not None and low != -math.inf:
        expression = f"ts_at_least({expression}, {literal(low)})"
    if high is not None and high != math.inf:
        expression = f"ts_at_most({expression}, {literal(high)})"
    return Activation(expression)


def leaky_relu(alpha: float) -> Activation:
    """x where x >= 0, else alpha * x."""
    return Activation(f"ts_leaky(x, {literal(alpha)})")


def lanewise(value: str, headers: tuple[str, ...], setting: str = "") -> Activation:
    """Any function: `value` is an expression of the float `v` after the statements `setting`.

    Clang makes vectors of it where the functions in it have no branches.
    """
    return Activation(f"TS_LANEWISE(x, v, {setting}, {value})", headers, long=True)


def literal(value: float) -> str:
    """A float of C with exactly this value."""
    if not math.isfinite(value):
        raise InternalError(f"no literal for {value}")
    return f"{float(value).hex()}f"
