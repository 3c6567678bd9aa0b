"""Comparisons, truth values and bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.scalars import BOOL, Expr, Literal, Tensor, call, compare, literal, select
from tinsmith.compiler.operators.elementwise import FLOATS, INTEGERS, NUMBERS, check_type, pointwise, unary
from tinsmith.compiler.operators.node import Node, broadcast
from tinsmith.compiler.operators.registry import operator

BOOLS = frozenset([BOOL])


def _binary(name: str, allowed: frozenset[str], value: Callable[[Expr, Expr], Expr]) -> None:
    @operator(name)
    def rule(node: Node, a: Tensor, b: Tensor) -> Tensor:
        check_type(node, allowed, a, b)
        return pointwise(node, value, a, b)


_binary("And", BOOLS, lambda x, y: x & y)
_binary("Or", BOOLS, lambda x, y: x | y)
_binary("Xor", BOOLS, lambda x, y: x ^ y)
_binary("BitwiseAnd", INTEGERS, lambda x, y: x & y)
_binary("BitwiseOr", INTEGERS, lambda x, y: x | y)
_binary("BitwiseXor", INTEGERS, lambda x, y: x ^ y)
_binary("Equal", NUMBERS | BOOLS, lambda x, y: compare("eq", x, y))
_binary("Less", NUMBERS, lambda x, y: compare("lt", x, y))
_binary("LessOrEqual", NUMBERS, lambda x, y: compare("le", x, y))
_binary("Greater", NUMBERS, lambda x, y: compare("gt", x, y))
_binary("GreaterOrEqual", NUMBERS, lambda x, y: compare("ge", x, y))

unary("Not", BOOLS)(lambda node, x: ~x)
unary("BitwiseNot", INTEGERS)(lambda node, x: ~x)


@operator("BitShift")
def bit_shift(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """Shifting by a negative number, or by the width of the type or more, leaves only copies of the sign."""
    check_type(node, INTEGERS, a, b)
    direction = node.text("direction")
    if direction not in ("LEFT", "RIGHT"):
        raise node.refuse(f"direction {direction}; LEFT or RIGHT is needed")
    op = "shl" if direction == "LEFT" else "shr"
    return pointwise(node, lambda x, y: call(op, x, y), a, b)


@operator("IsNaN")
def is_nan(node: Node, x: Tensor) -> Tensor:
    """Of any float type."""
    dtype = x.dtype
    if dtype in dtypes.SMALL_FLOATS:
        return pointwise(node, lambda value: value.cast("float32").differs(value.cast("float32")), x)
    check_type(node, FLOATS, x)
    return pointwise(node, lambda value: value.differs(value), x)


@operator("IsInf")
def is_inf(node: Node, x: Tensor) -> Tensor:
    """Of any float type; either sign may be left out."""
    signs = [node.integer("detect_positive", 1), node.integer("detect_negative", 1)]
    wanted = [value for value, flag in zip((np.inf, -np.inf), signs, strict=True) if flag]

    def value(element: Expr) -> Expr:
        wide = element.cast("float32") if element.dtype in dtypes.SMALL_FLOATS else element
        found: Expr = Literal(False, BOOL)
        for number in wanted:
            found = found | wide.equals(literal(number, wide.dtype))
        return found

    check_type(node, FLOATS | frozenset(dtypes.SMALL_FLOATS), x)
    return pointwise(node, value, x)


@operator("Where")
def where(node: Node, condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Elements of one input or of another."""
    check_type(node, BOOLS, condition)
    if yes.dtype != no.dtype:
        raise node.refuse(f"inputs of different types: {yes.dtype}, {no.dtype}")
    broadcast(node, condition.shape, yes.shape, no.shape)
    return pointwise(node, select, condition, yes, no)
