"""Numbers rounded to few steps, as training for integers does it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.things import Unsupported
from tinsmith.compiler.shaping.builder import Value


@converts("FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def fake_quant(op: Op, x: Value, *limits: Value) -> Any:
    if limits:
        low, high = (
            op.known(limit, name).astype(np.float32)
            for limit, name in zip(limits, ("min", "max"), strict=True)
        )
    else:
        low, high = (np.array(op.real(*each), np.float32) for each in (("min", -6.0), ("max", 6.0)))
    first, last = float(op.flag("narrow_range")), float(2 ** op.integer("num_bits", 8) - 1)
    if not np.any(high - low):
        return op.add("Mul", x, op.like(0, x))
    scale = ((high - low) / np.float32(last - first)).astype(np.float32)
    zero = np.float32(first) - low / scale
    nudged = np.where(zero < first, first, np.where(zero > last, last, np.floor(zero + 0.5))).astype(
        np.float32
    )
    bottom, top = (np.float32(first) - nudged) * scale, (np.float32(last) - nudged) * scale
    clipped = op.add("Max", op.add("Min", x, op.constant(np.float32(top))), op.constant(np.float32(bottom)))
    steps = op.add(
        "Mul", op.add("Sub", clipped, op.constant(np.float32(bottom))), op.constant(np.float32(1 / scale))
    )
    rounded = op.add("Floor", op.add("Add", steps, op.constant(np.float32(0.5))))
    return op.add(
        "Add", op.add("Mul", rounded, op.constant(np.float32(scale))), op.constant(np.float32(bottom))
    )


@converts("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4")
def quantize_and_dequantize(op: Op, x: Value, low: Value, high: Value, *bits: Value) -> Any:
    if not op.flag("range_given") or not op.flag("signed_input", True) or op.integer("axis", -1) != -1:
        raise Unsupported("its range is not given, its input not signed, or its scale per axis")
    count = op.known_ints(bits[0], "num_bits")[0] if bits else op.integer("num_bits", 8)
    most = 2 ** (count - 1) - 1
    least = -most if op.flag("narrow_range") else -most - 1
    bottom, top = float(op.known(low, "input_min")), float(op.known(high, "input_max"))
    scales = [
        part for part in (least / bottom if bottom < 0 else 0, most / top if top > 0 else 0) if part > 0
    ]
    if not scales:
        raise Unsupported(f"its range is {bottom} to {top}")
    scale = min(scales)
    limits = [op.like(number / scale, x) for number in (least, most)]
    clipped = op.add("Clip", x, *limits)
    scaled = op.add("Mul", clipped, op.like(scale, x))
    half_even = op.text("round_mode", "HALF_TO_EVEN") == "HALF_TO_EVEN"
    rounded = (
        op.add("Round", scaled) if half_even else op.add("Floor", op.add("Add", scaled, op.like(0.5, x)))
    )
    return op.add("Mul", rounded, op.like(1 / scale, x))


@converts("Dequantize")
def dequantize(op: Op, x: Value, low: Value, high: Value) -> Any:
    if op.text("mode", "MIN_COMBINED") != "MIN_COMBINED" or x.dtype != np.uint8:
        raise Unsupported("its mode is not MIN_COMBINED of quint8")
    bottom, top = float(op.known(low, "min_range")), float(op.known(high, "max_range"))
    numbers = x.cast(np.float32)
    scaled = op.add("Mul", numbers, op.constant(np.float32((top - bottom) / 255)))
    return op.add("Add", scaled, op.constant(np.float32(bottom)))
