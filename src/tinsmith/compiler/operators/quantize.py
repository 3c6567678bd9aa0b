"""Numbers as small integers or floats times a scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.loops import Map
from tinsmith.compiler.ir.scalars import (
    INDEX,
    Apply,
    Expr,
    Literal,
    Load,
    Quantised,
    Tensor,
    call,
    literal,
    select,
    variables,
)
from tinsmith.compiler.operators.activations import clamped
from tinsmith.compiler.operators.elementwise import FLOATS, check_type
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator


@operator("QuantizeLinear")
def quantize_linear(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """The quotient is taken in the type of the scale, unless `precision` says another."""
    dtype = node.dtype("output_dtype", "uint8" if zero is None else zero.dtype)
    if zero is not None and zero.dtype != dtype:
        raise node.refuse(f"output_dtype {dtype}, but a zero point of type {zero.dtype}")
    precision = node.dtype("precision", scale.dtype if scale.dtype in FLOATS else "float32")
    grain = _Grain(node, x, scale, zero)
    saturate = bool(node.integer("saturate", 1))

    def value(*i: Expr) -> Expr:
        quotient = x[i].cast(precision) / grain.element(scale, i).cast(precision)
        offset = None if zero is None else grain.element(zero, i)
        return quantized(quotient, offset, dtype, saturate)

    return node.map(x.shape, value)


def quantized(quotient: Expr, zero: Expr | None, dtype: str, saturate: bool = True) -> Expr:
    """The quotient of a number and its scale as a `dtype`."""
    if dtype == "float4_e2m1fn":
        return (quotient if zero is None else quotient + zero.cast(quotient.dtype)).cast(dtype)
    if dtype in dtypes.SMALL_FLOATS:
        return quotient.cast(dtype) if saturate else Apply("cast_wrap", (quotient,), dtype)
    wide = "float64" if quotient.dtype == "float64" else "float32"
    whole = call("round", quotient).cast(wide)
    if zero is not None:
        whole = whole + zero.cast(wide)
    low, high = dtypes.limits(dtype)
    return clamped(whole, low, high).cast(dtype)


@operator("DequantizeLinear")
def dequantize_linear(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """(x - zero) * scale, rounded once to the type of the output."""
    if zero is not None and zero.dtype != x.dtype:
        raise node.refuse(f"a zero point of type {zero.dtype} for values of type {x.dtype}")
    if scale.dtype not in FLOATS and "output_dtype" not in node.attributes:
        raise node.refuse(f"a scale of type {scale.dtype} without output_dtype")
    dtype = node.dtype("output_dtype", scale.dtype)
    wide = "float64" if dtype == "float64" else "float32"
    grain = _Grain(node, x, scale, zero)

    def value(*i: Expr) -> Expr:
        offset = None if zero is None else grain.element(zero, i)
        return (centred(x[i], offset, wide) * grain.element(scale, i).cast(wide)).cast(dtype)

    vars = variables(x.shape)
    out = replace(node.tensor(x.shape, dtype), quantised=grain.quantised(x, scale, zero))
    return node.add(Map(out, vars, value(*vars), origin=node.origin))


def centred(x: Expr, zero: Expr | None, dtype: str) -> Expr:
    """x - zero in a float type; integers are subtracted as int32."""
    if zero is None:
        return x.cast(dtype)
    if dtypes.is_integer(x.dtype):
        return (x.cast("int32") - zero.cast("int32")).cast(dtype)
    return x.cast(dtype) - zero.cast(dtype)


class _Grain:
    """Which elements of a tensor share a scale: all of them, those of an index along the axis, or a block."""

    def __init__(self, node: Node, x: Tensor, scale: Tensor, zero: Tensor | None) -> None:
        single = ((), (1,))
        self._single = scale.static_shape in single
        fits = zero is None or zero.static_shape == scale.static_shape
        if zero is not None and not fits and not (self._single and zero.static_shape in single):
            raise node.refuse(f"a zero point of shape {zero.shape} for a scale of shape {scale.shape}")
        self._block = node.integer("block_size", 0)
        if self._single:
            return
        self._axis = node.axis(x.rank, default=1)
        if self._block:
            self._check_blocks(node, x, scale)
        elif scale.rank != 1 or scale.shape[0] != x.shape[self._axis]:
            raise node.refuse(
                f"a scale of shape {scale.shape} for an input of shape {x.shape} along axis {self._axis}"
            )

    def _check_blocks(self, node: Node, x: Tensor, scale: Tensor) -> None:
        expected = list(x.static_shape)
        expected[self._axis] = -(-expected[self._axis] // self._block)
        if list(scale.static_shape) != expected:
            raise node.refuse(
                f"a scale of shape {scale.shape} for an input of shape {x.shape} in blocks of {self._block} "
                f"along axis {self._axis}; {tuple(expected)} is needed"
            )

    def quantised(self, x: Tensor, scale: Tensor, zero: Tensor | None) -> Quantised | None:
        """What `x` with this scale and zero point stands for; None where they are by block."""
        if self._block and not self._single:
            return None
        return Quantised(x, scale, zero, None if self._single else self._axis)

    def element(self, tensor: Tensor, index: Sequence[Expr]) -> Expr:
        """That of the scale or zero point for the element at `index`."""
        if self._single:
            return Load(tensor, (Literal(0, INDEX),) * tensor.rank)
        if not self._block:
            return tensor[index[self._axis]]
        place = list(index)
        place[self._axis] = index[self._axis] // self._block
        return tensor[tuple(place)]


@operator("DynamicQuantizeLinear")
def dynamic_quantize_linear(node: Node, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """To uint8, by the range of the values and 0. The scale of all zeros is 1."""
    dtype = check_type(node, FLOATS, x)
    high = node.reduce((), x.shape, "max", lambda *i: x[i])
    low = node.reduce((), x.shape, "min", lambda *i: x[i])
    none = literal(0, dtype)

    def scale_of() -> Expr:
        extent = call("max", high[()], none) - call("min", low[()], none)
        return select(extent.equals(0), literal(1, dtype), extent / 255)

    scale = node.map((), scale_of)

    def zero_of() -> Expr:
        place = -call("min", low[()], none) / scale[()]
        return call("round", clamped(place, 0, 255)).cast("uint8")

    zero = node.map((), zero_of)
    return node.map(x.shape, lambda *i: quantized(x[i] / scale[()], zero[()], "uint8")), scale, zero
