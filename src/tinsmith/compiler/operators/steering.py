"""Inputs that steer a shape or an index (axes, starts, pads): mostly constants; some models compute them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinsmith.compiler.ir import scalars
from tinsmith.compiler.ir.scalars import BOOL, INDEX, Dim, Expr, Literal, Tensor, literal
from tinsmith.compiler.operators.node import Node


def declared_shape(node: Node, what: str, output: int = 0) -> tuple[int, ...]:
    """The shape that the file tells for an output, where the input `what` is known only at run time."""
    shape = node.declared[output] if output < len(node.declared) else None
    if shape is None:
        raise node.refuse(
            f"{what} is not a constant, and the file does not tell the shape of output {output}"
        )
    return shape


def static_shape(node: Node, tensor: Tensor) -> tuple[int, ...]:
    """The shape, where all of it has to be known."""
    shape = scalars.static(tensor.shape)
    if shape is None:
        raise node.refuse(f"tensor {tensor.name} has a size that is known only at run time")
    return shape


def entries(node: Node, position: int, what: str) -> list[Expr] | None:
    """The elements of an integer input, one dimension at most, as indices; None where it is left out."""
    tensor = node.input(position)
    if tensor is None:
        return None
    if tensor.value is not None:
        return [Literal(int(number), INDEX) for number in tensor.value.ravel()]
    if tensor.rank > 1 or not tensor.is_static:
        raise node.refuse(f"input {position} ({what}) has shape {tensor.shape}, expected one dimension")
    count = math.prod(tensor.static_shape)
    return [tensor[(number,) * tensor.rank].as_index for number in range(count)]


def per_axis(
    node: Node, values: Sequence[Expr], axes: Sequence[Expr] | None, default: Sequence[Expr]
) -> list[Expr]:
    """`default`, one per axis, with `values` for the `axes` (all of them, in order, if None)."""
    rank = len(default)
    chosen = list(default)
    named = [Literal(axis, INDEX) for axis in range(len(values))] if axes is None else axes
    if len(named) != len(values) or len(values) > rank:
        raise node.refuse(f"{len(values)} values for {len(named)} axes of {rank} dimensions")
    for axis, value in zip(named, values, strict=True):
        if (number := number_of(axis)) is not None:
            chosen[node.normal_axis(number, rank)] = value
            continue
        for candidate in range(rank):
            hit = axis.equals(candidate) | axis.equals(candidate - rank)
            chosen[candidate] = scalars.select(hit, value, chosen[candidate])
    return chosen


def number_of(expr: Expr) -> int | None:
    """The value of a constant index."""
    return int(expr.value) if isinstance(expr, Literal) else None


def axes_of(node: Node, rank: int, position: int = 1) -> tuple[int, ...] | None:
    """`axes` as attribute or constant input, each 0 <= axis < rank; None where it is left out."""
    if node.has("axes"):
        axes = node.integers("axes")
    elif node.input(position) is not None:
        axes = node.known_ints(position, "axes")
    else:
        return None
    normal = tuple(node.normal_axis(axis, rank) for axis in axes)
    if len(set(normal)) != len(normal):
        raise node.refuse(f"axes {axes} name an axis twice")
    return normal


def clamped(index: Expr, extent: Dim) -> Expr:
    """`index` moved into 0 .. extent - 1: a wrong index of a run must not read foreign memory."""
    least, most = Literal(0, INDEX), scalars.size(extent) - 1
    return scalars.call("max", least, scalars.call("min", most, index)) if extent != 1 else least


def inside(index: Expr, extent: Dim) -> Expr:
    """0 <= index < extent."""
    return (index >= 0) & (index < scalars.size(extent))


def all_of(conditions: Sequence[Expr]) -> Expr:
    """True where all of them hold."""
    return scalars.both(conditions) or Literal(True, BOOL)


def zero(dtype: str) -> Literal:
    """0, 0.0 or false."""
    return literal(0, dtype)
