"""Between real numbers and integers, types, and weights that are stored in another form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite import fixed
from tinsmith.compiler.frontends.tflite.layer import Codes, Layer, scalar
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.frontends.tflite.scope import TYPES, Operand
from tinsmith.compiler.shaping.builder import Value, element


@operator("QUANTIZE")
def quantize(layer: Layer) -> Value | Codes:
    """Bytes of one scale become those of another; else the form of the output does the rest."""
    if not fixed.computes(layer, 0):
        return layer.real(0)
    factor = fixed.Factor.of(
        np.float64(fixed.scale(layer.tensor(0))) / np.float64(fixed.scale(layer.output()))
    )
    return fixed.stored(layer, fixed.multiply(layer, fixed.centred(layer, 0), factor))


@operator("DEQUANTIZE")
def dequantize(layer: Layer) -> Operand:
    """Weights in float16 are constants."""
    known = layer.known(0)
    if known is not None and not layer.is_quantised(0):
        return known.astype(np.float32)
    x = layer.real(0)
    return x if layer.is_quantised(0) else layer.cast(x, "float32")


@operator("DENSIFY", moves=True)
def densify(layer: Layer) -> NDArray[Any]:
    """A sparse constant was filled up where it was read."""
    return layer.constant(0)


@operator("CAST")
def cast(layer: Layer) -> Value:
    """Between types as they are stored; a quantised tensor is integers here."""
    return layer.cast(layer.stored(0), layer.output().dtype)


@operator("BITCAST")
def bitcast(layer: Layer) -> Value:
    """The same bits as another type."""
    source, wanted = layer.tensor(0).dtype, layer.output().dtype
    if not {source, wanted} <= TYPES or np.dtype(source).itemsize != np.dtype(wanted).itemsize:
        raise layer.refuse(f"it makes {wanted} of {source}, which has another size")
    return layer.emit("BitCast", layer.stored(0), to=element(np.dtype(wanted)))


@operator("FAKE_QUANT")
def fake_quant(layer: Layer) -> Value:
    """Rounds to the steps between min and max, of which one is exactly 0."""
    low, high, bits = layer.number("min"), layer.number("max"), layer.integer("num_bits")
    if not (low <= 0 <= high and low < high and 2 <= bits <= 16):
        raise layer.refuse(f"{bits} bits from {low} to {high}")
    first, last = int(layer.flag("narrow_range")), 2**bits - 1
    scale = np.float32((np.float32(high) - np.float32(low)) / np.float32(last - first))
    zero = np.clip(np.round(first - np.float32(low) / scale), first, last)
    step = scalar(float(scale))
    bounds = [scalar(float((limit - zero) * scale)) for limit in (first, last)]
    held = layer.emit("Clip", layer.real(0), *bounds)
    steps = layer.emit("Div", layer.emit("Sub", held, bounds[0]), step)
    steps = layer.emit("Floor", layer.emit("Add", steps, scalar(0.5)))
    return layer.emit("Add", layer.emit("Mul", steps, step), bounds[0])
