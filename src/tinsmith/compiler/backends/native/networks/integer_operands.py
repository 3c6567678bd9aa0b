"""Contractions whose operands are bytes: what they are, and which of them a kernel takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinsmith.compiler.backends.native.networks.kernels.integer import Source
from tinsmith.compiler.ir import dtypes, evaluate
from tinsmith.compiler.ir.loops import Contract, Conv, Gemm
from tinsmith.compiler.ir.scalars import Apply, Expr, Literal, Load, Tensor, Var, walk

Array = np.ndarray[Any, Any]

BYTES = ("int8", "uint8")


@dataclass(frozen=True)
class Operands:
    """Of a sum of (x - zero) * weights."""

    x: Tensor
    source: Source
    weights: Array
    """Signed bytes, less their zero point. Conv: [out channels, in channels / groups, kernel..]; Gemm:
    [k, n]."""
    scale: Array | None
    """Of the sum, per output channel, where the stage is one of floats."""
    moving: Expr | None = None
    """The zero point of x, in int32, where only the run can tell; that of `source` is 0 then."""


def operands_of(stage: Contract) -> Operands | None:
    """None where no kernel of integers takes the stage."""
    if (
        stage.form is None
        or len(stage.operands) != 2
        or not stage.out.is_static
        or 0 in stage.out.static_shape
    ):
        return None
    found = {"float32": _dequantised, "int32": _centred}.get(stage.out.dtype, _nothing)(stage)
    if found is None or found.x.value is not None or not found.x.is_static or not _fits(found):
        return None
    form = stage.form
    if isinstance(form, Conv):
        padded = any(form.pads)
        if found.x.rank not in (3, 4) or min(form.pads) < 0 or (found.moving is not None and padded):
            return None
    return found


def _nothing(stage: Contract) -> Operands | None:
    return None


def _fits(operands: Operands) -> bool:
    """No sum overflows."""
    low, high = dtypes.limits(operands.x.dtype)
    reach = (
        255 if operands.moving is not None else max(high - operands.source.zero, operands.source.zero - low)
    )
    over = tuple(range(1, operands.weights.ndim)) if operands.weights.ndim > 2 else 0
    most = np.abs(operands.weights.astype(np.int64)).sum(axis=over).max(initial=0)
    return bool(reach * most < 2**30)


def _dequantised(stage: Contract) -> Operands | None:
    x, w = (operand.quantised for operand in stage.operands)
    if x is None or w is None or w.codes.value is None or x.axis is not None:
        return None
    zero, scale = _number(x.zero, 0), _number(x.scale, 1)
    axis = _channel_axis(stage, w.codes)
    if {x.codes.dtype, w.codes.dtype}.difference(BYTES) or zero is None or scale is None:
        return None
    if w.axis not in (None, axis) or w.scale.value is None or (w.zero is not None and w.zero.value is None):
        return None
    zeros = None if w.zero is None else _along(w.zero.value, axis, w.codes.rank)
    weights = _weights(stage, w.codes.value, zeros)
    if weights is None:
        return None
    channels = w.codes.static_shape[axis]
    scales = np.broadcast_to(np.asarray(w.scale.value, np.float64).ravel(), (channels,)) * scale
    return Operands(x.codes, Source(x.codes.dtype == "int8", int(zero)), weights, scales)


def _channel_axis(stage: Contract, w: Tensor) -> int:
    if isinstance(stage.form, Gemm):
        return w.rank - (2 if stage.form.transposed else 1)
    return 0


def _number(tensor: Tensor | None, default: float) -> float | None:
    """The only element of a constant."""
    if tensor is None:
        return default
    return None if tensor.value is None or tensor.value.size != 1 else float(tensor.value.reshape(()))


def _along(values: Array | None, axis: int, rank: int) -> Array:
    assert values is not None
    return values.reshape([-1 if place == axis else 1 for place in range(rank)])


def _weights(stage: Contract, codes: Array, zeros: Array | None) -> Array | None:
    """As Operands holds them; None where they are no signed bytes."""
    wide = codes.astype(np.int64) - (0 if zeros is None else zeros.astype(np.int64))
    if not wide.size or wide.min() < -128 or wide.max() > 127:
        return None
    weights = wide.astype(np.int8)
    if isinstance(stage.form, Gemm):
        if math.prod(weights.shape[:-2]) != 1:
            return None
        weights = weights.reshape(weights.shape[-2:])
        return weights.T if stage.form.transposed else weights
    return weights


def _centred(stage: Contract) -> Operands | None:
    x, w = stage.operands
    left, right = _less_zero(stage.lhs, x), _less_zero(stage.rhs, w)
    if left is None or right is None or w.value is None or {x.dtype, w.dtype}.difference(BYTES):
        return None
    axis = _channel_axis(stage, w)
    channel = stage.vars[-1 if isinstance(stage.form, Gemm) else 1]
    zeros = _evaluated(right, (channel,))
    if zeros is None:
        return None
    weights = _weights(stage, w.value, _along(zeros, axis, w.rank))
    if weights is None:
        return None
    signed = x.dtype == "int8"
    zero = _evaluated(left, ())
    if zero is not None:
        return Operands(x, Source(signed, int(zero)), weights, None)
    if any(isinstance(part, Var) for part in walk([left])):
        return None
    return Operands(x, Source(signed, 0), weights, None, left)


def _less_zero(expr: Expr, operand: Tensor) -> Expr | None:
    """The zero point of a factor: an element of `operand` less that, or 0 in the padding."""
    if isinstance(expr, Apply) and expr.op == "select" and _is_zero(expr.args[2]):
        expr = expr.args[1]
    zero: Expr = Literal(0, "int32")
    if isinstance(expr, Apply) and expr.op == "sub":
        expr, zero = expr.args
    if not isinstance(expr, Apply) or expr.op != "cast" or not isinstance(expr.args[0], Load):
        return None
    return zero if expr.args[0].tensor is operand else None


def _is_zero(expr: Expr) -> bool:
    return isinstance(expr, Literal) and expr.value == 0


def _evaluated(expr: Expr, vars: tuple[Var, ...]) -> Array | None:
    """The values of a constant expression over `vars`; None where it is none."""
    try:
        return np.asarray(evaluate.grid(expr, vars, {}))
    except (evaluate.CannotEvaluate, ValueError, KeyError):
        return None
