"""Sizes that a model computes: from what tensors hold, back to the run-time sizes they were made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tinsmith.compiler.ir import dtypes, scalars
from tinsmith.compiler.ir.loops import Map, View
from tinsmith.compiler.ir.scalars import INDEX, Apply, Dim, Expr, Literal, Load, Size, Tensor, binary
from tinsmith.compiler.operators.node import Node

DEPTH = 200
"""Expressions that are traced deeper are left to the run."""


def computed_shape(node: Node, position: int, what: str) -> tuple[Dim, ...]:
    """The dimensions that an integer input holds: constants, run-time sizes or numbers with a known bound;
    else those
    that the file declares for the first output."""
    declared = node.declared[0] if node.declared else None
    tensor = node.input(position)
    assert tensor is not None
    if declared is not None:
        return declared
    if tensor.rank > 1 or not tensor.is_static:
        raise node.refuse(f"input {position} ({what}) has shape {tensor.shape}, expected one dimension")
    count = tensor.static_shape[0] if tensor.rank else 1
    elements = [traced(node, tensor[(number,) * tensor.rank]) for number in range(count)]
    return tuple(dimension(node, element, what) for element in elements)


def dimension(node: Node, value: Expr, what: str) -> Dim:
    """A dimension of this size; a negative constant stays as it is."""
    if isinstance(value, Literal):
        return int(value.value)
    if isinstance(value, Size):
        return value
    most = bound(value)
    if most is None:
        raise node.refuse(f"{what} is known only at run time, and nothing bounds it")
    return node.measure(value, max(most, 0))


def traced(node: Node, value: Expr, depth: int = 0) -> Expr:
    """An integer as an index, by what the stages before this node put into the tensors it is read from."""
    if depth > DEPTH:
        return value.cast(INDEX)

    def again(part: Expr) -> Expr:
        return traced(node, part, depth + 1)

    match value:
        case Literal():
            return Literal(int(value.value), INDEX)
        case Size() | scalars.Var():
            return value
        case Load():
            return _loaded(node, value, again)
        case Apply(op="cast") if _whole(value.args[0]):
            return again(value.args[0])
        case Apply(op="add" | "sub" | "mul" | "min" | "max" | "div" | "floordiv") if _whole(value):
            return _calculated(value.op, again(value.args[0]), again(value.args[1]))
        case Apply(op="select"):
            truth = _truth(value.args[0], again)
            if truth is None:
                return scalars.select(value.args[0], again(value.args[1]), again(value.args[2]))
            return again(value.args[1 if truth else 2])
    return value.cast(INDEX)


def _whole(value: Expr) -> bool:
    return value.dtype == INDEX or dtypes.is_integer(value.dtype)


def _loaded(node: Node, load: Load, again: Callable[[Expr], Expr]) -> Expr:
    tensor = load.tensor
    place = [again(part) for part in load.index]
    fixed = [int(part.value) for part in place if isinstance(part, Literal)]
    if tensor.value is not None and len(fixed) == tensor.rank:
        return Literal(int(tensor.value[tuple(fixed)]), INDEX)
    maker = node.makers.get(tensor)
    if isinstance(maker, Map):
        return again(scalars.substitute(maker.value, dict(zip(maker.vars, place, strict=True))))
    if isinstance(maker, View) and len(fixed) == tensor.rank and tensor.is_static and maker.source.is_static:
        number = int(np.ravel_multi_index(fixed, tensor.static_shape)) if fixed else 0
        there = np.unravel_index(number, maker.source.static_shape) if maker.source.rank else ()
        return again(maker.source[tuple(int(part) for part in there)])
    return load.cast(INDEX)


def _calculated(op: str, left: Expr, right: Expr) -> Expr:
    if op == "div":
        if not (
            isinstance(left, Literal) and isinstance(right, Literal) and right.value > 0 and left.value >= 0
        ):
            return Apply("div", (left, right), INDEX)
        op = "floordiv"
    if op == "floordiv" and isinstance(left, Literal) and isinstance(right, Literal) and right.value > 0:
        return Literal(int(left.value) // int(right.value), INDEX)
    if op == "sub" and left is right:
        return Literal(0, INDEX)
    if op == "sub" and isinstance(left, Apply) and left.op == "add" and right in left.args:
        return left.args[1 - left.args.index(right)]
    return binary(op, left, right)


def _truth(condition: Expr, again: Callable[[Expr], Expr]) -> bool | None:
    """What a comparison of constants gives."""
    compare: dict[str, Callable[[int, int], bool]] = {
        "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b,
        "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
    }  # fmt: skip
    if (
        not isinstance(condition, Apply)
        or condition.op not in compare
        or not all(map(_whole, condition.args))
    ):
        return None
    left, right = (again(part) for part in condition.args)
    if not isinstance(left, Literal) or not isinstance(right, Literal):
        return None
    return compare[condition.op](int(left.value), int(right.value))


def bound(value: Expr) -> int | None:
    """A number that an index is not above; None where it is not known."""
    match value:
        case Literal():
            return int(value.value)
        case Size():
            return value.most
        case Apply(op="add"):
            return _both(value, lambda a, b: a + b)
        case Apply(op="mul"):
            return _both(value, lambda a, b: a * b) if all(map(_not_negative, value.args)) else None
        case Apply(op="max" | "select"):
            return _both(Apply("max", value.args[-2:], INDEX), max)
        case Apply(op="min"):
            return min((most for part in value.args if (most := bound(part)) is not None), default=None)
        case Apply(op="sub"):
            most, right = bound(value.args[0]), value.args[1]
            least = int(right.value) if isinstance(right, Literal) else 0 if _not_negative(right) else None
            return None if most is None or least is None else most - least
        case Apply(op="div" | "floordiv"):
            most, right = bound(value.args[0]), value.args[1]
            divides = isinstance(right, Literal) and right.value > 0 and most is not None
            return max(most or 0, 0) // bound(right) if divides else None  # type: ignore[operator]
    return None


def _both(value: Apply, combine: Callable[[int, int], int]) -> int | None:
    left, right = (bound(part) for part in value.args)
    return None if left is None or right is None else combine(left, right)


def _not_negative(value: Expr) -> bool:
    if isinstance(value, Literal):
        return value.value >= 0
    if isinstance(value, Apply) and value.op in ("add", "mul", "min"):
        return all(map(_not_negative, value.args))
    if isinstance(value, Apply) and value.op == "max":
        return any(map(_not_negative, value.args))
    return isinstance(value, Size)


def total(tensors: Sequence[Tensor], axis: int) -> Expr:
    """The sum of their sizes along an axis."""
    result: Expr = Literal(0, INDEX)
    for tensor in tensors:
        result = result + scalars.size(tensor.shape[axis])
    return result
