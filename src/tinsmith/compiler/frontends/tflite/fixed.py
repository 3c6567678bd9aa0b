"""LiteRT's arithmetic of 8-bit tensors: whole numbers, multiplied by mantissas of 31 bits.

A real factor is mantissa * 2^(shift - 31), as QuantizeMultiplier of LiteRT has it. Its kernels round a
product twice: times mantissa / 2^31, halves up, and then, where `shift` is to the right, divided by that
power of two, halves away from zero. Both roundings are done here in float64, which holds the products; so the
nodes give LiteRT's very numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite.layer import TO_PLANES, Arrange, Codes, Layer
from tinsmith.compiler.frontends.tflite.model import Quantization, Tensor
from tinsmith.compiler.frontends.tflite.scope import Operand
from tinsmith.compiler.shaping.builder import Value

BYTES = ("int8", "uint8")
AWAY = 1 + 2.0**-40
"""Times a number of at most 31 bits before and behind the point: halves are rounded away from zero by what
rounds them to even, and nothing else is rounded to another number."""
_LIMITS = {"NONE": (None, None), "RELU": (0, None), "RELU_N1_TO_1": (-1, 1), "RELU6": (0, 6)}


@dataclass(frozen=True)
class Factor:
    """One for all, or one per channel."""

    mantissa: NDArray[np.int64]
    shift: NDArray[np.int64]
    """To the left."""

    @classmethod
    def of(cls, real: Any) -> Factor:
        """LiteRT's version of positive real numbers."""
        fraction, shift = np.frexp(np.asarray(real, np.float64))
        mantissa = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
        mantissa, shift = np.where(mantissa < 2**31, mantissa, 2**30), shift + (mantissa == 2**31)
        tiny = shift < -31
        return cls(np.where(tiny, 0, mantissa), np.where(tiny, 0, shift))

    def divided(self, count: int) -> Factor:
        """As LiteRT divides the factor of a sum to get that of a mean."""
        more = max(min(count.bit_length() - 1, 32, 31 + int(self.shift)), 0)
        return Factor((self.mantissa << more) // count, self.shift - more)

    def along(self, trailing: int) -> Factor:
        """With `trailing` dimensions of 1 behind the channels."""
        mantissa, shift = (part.reshape(*part.shape, *[1] * trailing) for part in (self.mantissa, self.shift))
        return Factor(mantissa, shift)

    @property
    def first(self) -> NDArray[np.float64]:
        """Times a number, what the first rounding sees."""
        return np.asarray(np.ldexp(self.mantissa.astype(np.float64), np.maximum(self.shift, 0) - 31))

    @property
    def second(self) -> NDArray[np.float64]:
        """Times that, what the second rounding sees: a power of two."""
        return np.asarray(np.ldexp(1.0, np.minimum(self.shift, 0)))


def is_bytes(tensor: Tensor) -> bool:
    """Whether it stores real numbers as bytes of one scale."""
    form = tensor.quantization
    return tensor.dtype in BYTES and form is not None and not form.per_axis and _is_sound(form)


def _is_sound(form: Quantization) -> bool:
    """What damaged files do not have."""
    scales = np.isfinite(form.scale) & (form.scale > 0)
    return bool(scales.all() and (form.zero == form.zero.flat[0]).all() and -128 <= form.zero.flat[0] <= 255)


def computes(layer: Layer, *inputs: int) -> bool:
    """Whether `inputs` and the output are bytes, and what is fused behind is known."""
    tensors = [*(layer.tensor(index) for index in inputs), layer.output()]
    return all(map(is_bytes, tensors)) and layer.activation in _LIMITS


def same_scale(layer: Layer) -> bool:
    """Whether input 0 and the output, for which it `computes`, mean the same by a byte."""
    form = layer.tensor(0).quantization
    return (
        layer.tensor(0).dtype == layer.output().dtype
        and form is not None
        and form.same(layer.output().quantization)
    )


def scale(tensor: Tensor) -> np.float32:
    """Of a tensor that `is_bytes`."""
    assert tensor.quantization is not None
    return np.float32(tensor.quantization.scale.reshape(-1)[0])


def zero(tensor: Tensor) -> int:
    """The same."""
    assert tensor.quantization is not None
    return int(tensor.quantization.zero.reshape(-1)[0])


def multiply(layer: Layer, value: Value, factor: Factor, spare: int = 0) -> Value:
    """Whole numbers, as float64, times 2^`spare` and then `factor`."""
    value = layer.emit("Mul", value, np.asarray(factor.first * 2.0**spare))
    value = layer.emit("Floor", layer.emit("Add", value, np.array(0.5)))
    if (factor.second == 1).all():
        return value
    return layer.emit("Round", layer.emit("Mul", value, np.asarray(factor.second * AWAY)))


def centred(layer: Layer, index: int) -> Value:
    """Input `index` less its zero point, as float64."""
    tensor, codes = layer.tensor(index), layer.known(index)
    if codes is not None:
        return layer.put(codes.astype(np.float64) - zero(tensor))
    value = layer.cast(layer.stored(index), "float64")
    return layer.emit("Sub", value, np.array(float(zero(tensor)))) if zero(tensor) else value


def stored(
    layer: Layer, value: Value, order: tuple[int, ...] | None = None, activation: str | None = None
) -> Codes:
    """Whole numbers, as float64, moved by the output's zero point and held, see `held`."""
    if first := zero(layer.output()):
        value = layer.emit("Add", value, np.array(float(first)))
    return held(layer, value, order, activation)


def held(
    layer: Layer, value: Value, order: tuple[int, ...] | None = None, activation: str | None = None
) -> Codes:
    """Whole numbers held within the type of the output and `activation`, else that which is fused."""
    tensor = layer.output()
    limits = np.iinfo(tensor.dtype)
    least, most = _LIMITS[activation or layer.activation]
    low = limits.min if least is None else max(limits.min, zero(tensor) + _steps(least, tensor))
    high = limits.max if most is None else min(limits.max, zero(tensor) + _steps(most, tensor))
    value = layer.emit("Clip", value, np.array(low, np.float64), np.array(high, np.float64))
    return Codes(layer.cast(value, tensor.dtype), order)


def _steps(real: float, tensor: Tensor) -> int:
    """A number in steps of `tensor`, halves away from zero."""
    return int(np.sign(real) * np.floor(abs(np.float32(real) / scale(tensor)) + 0.5))


def looked_up(layer: Layer, function: Callable[[NDArray[np.int64]], NDArray[Any]]) -> Codes:
    """A function of the byte that input 0 holds, less its zero point: it gives whole numbers, which are then
    moved by the output's zero point."""
    tensor, out = layer.tensor(0), layer.output()
    limits, bounds = np.iinfo(tensor.dtype), np.iinfo(out.dtype)
    codes = np.arange(limits.min, limits.max + 1, dtype=np.int64)
    table = np.clip(function(codes - zero(tensor)) + zero(out), bounds.min, bounds.max).astype(out.dtype)
    place = layer.emit("Sub", layer.cast(layer.stored(0), "int32"), np.array(limits.min, np.int32))
    return Codes(layer.emit("Gather", table, place))


def rounded(layer: Layer, function: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Codes:
    """A function of real numbers of what input 0 holds, rounded to steps of the output, halves away from
    zero."""
    own, fine = scale(layer.tensor(0)), np.float32(1) / scale(layer.output())

    def steps(codes: NDArray[np.int64]) -> NDArray[Any]:
        with np.errstate(all="ignore"):
            found = function(codes.astype(np.float32) * own) * fine
        return np.asarray(np.sign(found) * np.floor(np.abs(found) + 0.5))

    return looked_up(layer, steps)


def hard_swish(codes: NDArray[np.int64], own: np.float32, other: np.float32) -> NDArray[np.int64]:
    """Of bytes less their zero point, of the scale `own`, in steps of `other`: in int16, as LiteRT has it."""
    fine = np.float32(1 / 128) * own
    into, out = (Factor.of(np.float64(fine / step)) for step in (np.float32(3 / 32768), other))
    relu, product = (np.minimum((factor.mantissa + 2**15) >> 16, 2**15 - 1) for factor in (into, out))
    wide, more = codes << 7, int(into.shift)
    gate = _int16(wide << max(more - 1, 0))
    gate = (gate * relu + 2**14) >> 15
    gate = _int16(gate << 1) if more > 0 else _halved(gate, -more)
    gate = (gate + 2**15) >> 1
    result = np.trunc(gate * ((wide * product + 2**14) >> 15) / 2**15).astype(np.int64)
    return _halved(result, -int(out.shift))


def _int16(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.clip(values, -(2**15), 2**15 - 1)


def _halved(values: NDArray[np.int64], times: int) -> NDArray[np.int64]:
    """Divided by 2 to the power of `times`, halves away from zero."""
    return np.asarray(np.sign(values) * ((np.abs(values) + ((1 << times) >> 1)) >> times), np.int64)


def sums_bytes(layer: Layer) -> bool:
    """Whether inputs and output of a convolution or dense layer are bytes, with weights and a bias that are
    constants: then its sums are whole numbers."""
    w = layer.tensor(1)
    if not computes(layer, 0) or w.dtype not in BYTES or w.quantization is None:
        return False
    bias = layer.known(2) if layer.has(2) else np.zeros(1, np.int32)
    known = layer.known(0) is None and layer.known(1) is not None
    return known and _is_sound(w.quantization) and bias is not None and bias.dtype == np.int32


def convolved(layer: Layer, arrange: Arrange, order: tuple[int, ...], **attributes: Any) -> Codes:
    """A convolution for which `sums_bytes`, with the weights that `arrange` makes of those in the file."""
    x = layer.stored(0).transpose(*TO_PLANES)
    total = layer.emit("Conv", *_factors(layer, x, arrange), **attributes)
    return _summed(layer, total, 2, order)


def multiplied(layer: Layer, x: Value) -> Codes:
    """The same of a dense layer, whose input `x` is rows of bytes."""
    return _summed(layer, layer.emit("MatMul", *_factors(layer, x, np.transpose)), 0, None)


def _factors(layer: Layer, x: Value, arrange: Arrange) -> list[Value]:
    """Both sides of a contraction, less their zero points: floats that are whole numbers."""
    weights, form = layer.constant(1), layer.tensor(1).quantization
    assert form is not None
    one = np.array(1, np.float32)
    pairs: list[tuple[Operand, int]] = [
        (x, zero(layer.tensor(0))),
        (arrange(weights), int(form.zero.reshape(-1)[0])),
    ]
    types = layer.tensor(0).dtype, weights.dtype.name
    return [
        layer.builder.add("DequantizeLinear", codes, one, np.array(point, dtype))
        for (codes, point), dtype in zip(pairs, types, strict=True)
    ]


def _summed(layer: Layer, total: Value, trailing: int, order: tuple[int, ...] | None) -> Codes:
    """What becomes of the sums of a layer whose channels have `trailing` dimensions behind them."""
    form = layer.tensor(1).quantization
    assert form is not None
    products = np.float64(scale(layer.tensor(0))) * form.scale.reshape(-1).astype(np.float64)
    value = layer.cast(total, "float64")
    if layer.has(2):
        bias = layer.constant(2).reshape(-1).astype(np.float64)
        value = layer.emit("Add", value, bias.reshape(-1, *[1] * trailing))
    factor = Factor.of(products / np.float64(scale(layer.output()))).along(trailing)
    return stored(layer, multiply(layer, value, factor), order)
