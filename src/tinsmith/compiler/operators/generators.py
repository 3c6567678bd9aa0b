"""Tensors out of nothing but a shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.scalars import Dim, Expr, Literal, Tensor, call, literal, select
from tinsmith.compiler.operators.activations import REPRODUCIBLE
from tinsmith.compiler.operators.elementwise import FLOATS, NUMBERS, check_type
from tinsmith.compiler.operators.node import Node, element
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.sizes import computed_shape, dimension, traced


@operator("Constant")
def constant(node: Node) -> Tensor:
    """A tensor of the file, of numbers."""
    for name in ("value_float", "value_floats", "value_int", "value_ints"):
        dtype = "float32" if "float" in name else "int64"
        if node.has(name):
            return node.constant(node.attributes[name], dtype)
    if not node.has("value"):
        raise node.refuse(f"a constant by {', '.join(node.attributes) or 'no attribute'}")
    array = np.asarray(node.attributes["value"])
    _check_known_type(node, array.dtype.name)
    return node.constant(array)


def _check_known_type(node: Node, dtype: str) -> None:
    if not dtypes.is_known(dtype):
        raise node.refuse(f"values of type {dtype}")


@operator("Identity")
def identity(node: Node, x: Tensor) -> Tensor:
    """The input."""
    return x


@operator("ConstantOfShape")
def constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    """One value everywhere, 0.0 by default."""
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32)))
    _check_known_type(node, value.dtype.name)
    if value.size != 1:
        raise node.refuse(f"attribute value has {value.size} elements; one is needed")
    scalar = node.constant(value.reshape(()))
    dims = node.known(0)
    out = computed_shape(node, 0, "shape") if dims is None else tuple(int(dim) for dim in dims)
    return node.map(out, lambda *i: scalar[()])


def _declared(node: Node, what: str) -> tuple[int, ...]:
    if not node.declared or node.declared[0] is None:
        raise node.refuse(
            f"its {what} is neither a constant nor does the file declare the shape of the result"
        )
    return node.declared[0]


@operator("EyeLike")
def eye_like(node: Node, x: Tensor) -> Tensor:
    """Ones on the k-th diagonal."""
    if x.rank != 2:
        raise node.refuse(f"an input of shape {x.shape}; a matrix is needed")
    dtype, diagonal = node.dtype("dtype", x.dtype), node.integer("k", 0)

    def value(row: Expr, column: Expr) -> Expr:
        return select(column.equals(row + diagonal), literal(1, dtype), literal(0, dtype))

    return node.map(x.shape, value)


@operator("Range")
def range_(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """start + i * delta; floats are computed in float64 and rounded once."""
    dtype = check_type(node, NUMBERS, start, limit, delta)
    known = [node.known(position) for position in range(3)]
    if any(value is None for value in known):
        shape: Sequence[Dim] = _run_range(node, start, limit, delta)
    else:
        shape = (_steps(node, *(value.item() for value in known if value is not None)),)
    wide = "float64" if dtype in FLOATS else dtype

    def value(i: Expr) -> Expr:
        return (element(start).cast(wide) + i.cast(wide) * element(delta).cast(wide)).cast(dtype)

    return node.map(shape, value)


def _run_range(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Sequence[Dim]:
    """Of a range whose ends the run computes, in constant steps."""
    if node.declared[0] is not None or start.dtype in FLOATS:
        return _declared(node, "range")
    first, last, step = (traced(node, element(tensor)) for tensor in (start, limit, delta))
    by = int(step.value) if isinstance(step, Literal) else 0
    if by <= 0:
        return _declared(node, "step")
    return (dimension(node, (last - first + (by - 1)) // by, "the length of the range"),)


def _steps(node: Node, start: float, limit: float, delta: float) -> int:
    if delta == 0 or not all(map(math.isfinite, (start, limit, delta))):
        raise node.refuse(f"a range from {start} to {limit} in steps of {delta}")
    if isinstance(start, int) and isinstance(limit, int) and isinstance(delta, int):
        return max(-((start - limit) // delta), 0)
    return max(math.ceil((limit - start) / delta), 0)


def _window(name: str, value: Callable[[Expr], Expr]) -> None:
    """`value` of the angle 2 pi i / N, as a float64."""

    @operator(name)
    def rule(node: Node, size: Tensor) -> Tensor:
        dtype = node.dtype("output_datatype", "float32")
        known = node.known(0)
        shape = _declared(node, "size") if known is None else (int(known.item()),)
        length = element(size).as_index - (0 if node.integer("periodic", 1) else 1)
        step = literal(2 * math.pi, "float64") / length.cast("float64")
        return node.map(shape, lambda i: value(i.cast("float64") * step).cast(dtype))


def _cosines(*factors: float) -> Callable[[Expr], Expr]:
    """The sum of factor k times the cosine of k times the angle."""

    def value(angle: Expr) -> Expr:
        total: Expr = literal(factors[0], "float64")
        for number, factor in enumerate(factors[1:], 1):
            total = total + call("cos", angle * number) * factor
        return total

    return value


_window("HannWindow", _cosines(0.5, -0.5))
_window("HammingWindow", _cosines(25 / 46, -21 / 46))
_window("BlackmanWindow", _cosines(0.42, -0.5, 0.08))


@operator(
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"
)
def random(node: Node, *inputs: Tensor) -> NoReturn:
    """Refused."""
    raise node.refuse(f"it draws random numbers; {REPRODUCIBLE}")
