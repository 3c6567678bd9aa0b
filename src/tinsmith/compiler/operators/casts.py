"""Values in another type."""

from __future__ import annotations

from collections.abc import Callable

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.scalars import Apply, Expr, Tensor, literal, select
from tinsmith.compiler.operators.elementwise import pointwise
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator

POWERS = "float8_e8m0fnu"
"""Bytes that hold the exponent of a float32 and nothing else."""


@operator("Cast")
def cast(node: Node, x: Tensor) -> Tensor:
    """By the rules of ONNX; to float8 with or without saturation."""
    return converted(node, x, node.dtype("to"), bool(node.integer("saturate", 1)))


@operator("CastLike")
def cast_like(node: Node, x: Tensor, like: Tensor) -> Tensor:
    """To the type of the second input."""
    return converted(node, x, like.dtype, bool(node.integer("saturate", 1)))


def converted(node: Node, x: Tensor, dtype: str, saturate: bool = True) -> Tensor:
    """`x` in another type; without `saturate` what is too large for a float8 becomes infinite or NaN."""
    if dtype == x.dtype:
        return x
    if dtype == POWERS:
        convert = power_of_two(node, node.text("round_mode", "up"), saturate)
        return pointwise(node, convert, x)
    if dtype in dtypes.SMALL_FLOATS and not saturate:
        return pointwise(node, lambda value: Apply("cast_wrap", (value,), dtype), x)
    return pointwise(node, lambda value: value.cast(dtype), x)


def power_of_two(node: Node, mode: str, saturate: bool) -> Callable[[Expr], Expr]:
    """A number's size as float8_e8m0fnu, rounded to a power of two: `up`, `down` or to the `nearest`.

    The sign is lost; infinity and NaN are NaN; with `saturate` no other number becomes NaN.
    """
    if mode not in ("up", "down", "nearest"):
        raise node.refuse(f"round_mode {mode}; up, down or nearest is needed")

    def convert(value: Expr) -> Expr:
        bits = Apply("reinterpret", (value.cast("float32"),), "uint32")
        exponent = Apply("shr", (bits, literal(23, "uint32")), "uint32") & 0xFF
        fraction = bits & 0x7FFFFF
        if mode == "up":
            more = fraction > 0
        elif mode == "nearest":
            half = 0x400000
            more = (fraction > half) | (fraction.equals(half) & (exponent > 0))
        else:
            more = fraction > 0x7FFFFF
        more = more & (exponent < (0xFE if saturate else 0xFF))
        rounded = select(more, exponent + 1, exponent).cast("uint8")
        return Apply("reinterpret", (rounded,), POWERS)

    return convert


@operator("BitCast")
def bit_cast(node: Node, x: Tensor) -> Tensor:
    """The same bits as another type of as many bits."""
    dtype = node.dtype("to")
    if _bits(dtype) != _bits(x.dtype):
        raise node.refuse(f"{x.dtype} has {_bits(x.dtype)} bits and {dtype} {_bits(dtype)}")
    if dtype == x.dtype:
        return x
    return pointwise(node, lambda value: Apply("reinterpret", (value,), dtype), x)


def _bits(dtype: str) -> int:
    return dtypes.BITS.get(dtype) or 8 * dtypes.itemsize(dtype)
