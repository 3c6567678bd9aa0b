"""Operators for ONNX's reference evaluator where its own take minutes for a real network, or err."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun
from onnx.reference.ops import (
    op_batch_normalization,
    op_conv_integer,
    op_dequantize_linear,
    op_erf,
    op_gather_elements,
    op_global_max_pool,
    op_loop,
    op_matmul_integer,
    op_qlinear_conv,
    op_qlinear_matmul,
)

from tinsmith.compiler.verify.networks.boxes import NonMaxSuppression
from tinsmith.compiler.verify.networks.windowed import (
    AveragePool,
    Conv,
    ConvTranspose,
    MaxPool,
    convolve,
    make_window,
)

Array = NDArray[Any]


class BatchNormalization(op_batch_normalization.BatchNormalization_14):  # type: ignore[misc,unused-ignore]
    """The evaluator's own takes the statistics of the batch for opsets 7 to 13; a saved model means the given
    ones, unless it asks for training (opset 14)."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self, x, scale, bias, mean, var, epsilon=None, momentum=None, training_mode=None, spatial=None
    ) -> Any:
        if training_mode:
            return super()._run(  # type: ignore[no-untyped-call,unused-ignore]
                x, scale, bias, mean, var, epsilon=epsilon, momentum=momentum, training_mode=training_mode
            )
        if spatial == 0:
            raise NotImplementedError("BatchNormalization with statistics for every place")
        axes = (-1, *[1] * (x.ndim - 2))
        factor = scale / np.sqrt(var + (1e-5 if epsilon is None else epsilon))
        return (((x - mean.reshape(axes)) * factor.reshape(axes) + bias.reshape(axes)).astype(x.dtype),)


class Impossible(OpRun):  # type: ignore[misc,unused-ignore]
    """A branch that cannot work with the shapes of the inputs."""

    op_domain = "tinsmith"

    def _run(self, *_: Any, reason: str = "") -> Any:
        raise ValueError(f"this branch cannot run: {reason}")


class Loop(op_loop.Loop):  # type: ignore[misc,unused-ignore]
    """The evaluator's own joins what the rounds give along an axis that is there, instead of stacking it."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self, M, cond, *initial, context=None, body=None, attributes=None, bindings=None
    ) -> Any:
        own: Any = self
        number, going, *states = own.body.input_names
        values = {**(context or {}), **dict(zip(states, initial, strict=True))}
        goes = cond is None or bool(np.all(cond))
        rounds: list[list[Array]] = []
        while goes and (M is None or len(rounds) < int(np.ravel(M)[0])):
            values |= {number: np.array(len(rounds), np.int64), going: np.array(goes)}
            kept, *outputs = own._run_body(values, attributes=attributes, bindings=bindings)
            values |= dict(zip(states, outputs[: len(states)], strict=True))
            rounds.append(outputs[len(states) :])
            goes = bool(np.all(kept))
        if not rounds:
            return super()._run(  # type: ignore[no-untyped-call,unused-ignore]
                M, cond, *initial, context=context, body=body, attributes=attributes, bindings=bindings
            )
        return (*(values[name] for name in states), *map(np.stack, zip(*rounds, strict=True)))


_STEPS = 64
_KNOTS = np.arange(6 * _STEPS + 1) / _STEPS
_AT_KNOTS = np.array([math.erf(knot) for knot in _KNOTS])
_SLOPES = 2 / math.sqrt(math.pi) * np.exp(-_KNOTS * _KNOTS)
_TERMS = 7


_BLOCK = 1 << 14
"""Elements at a time, for the caches' sake."""


def erf(x: Array) -> Array:
    """In float64, to the last digits: Taylor series from the nearest of many values of math.erf."""
    flat = np.asarray(x, np.float64).reshape(-1)
    found = np.empty_like(flat)
    for start in range(0, flat.size, _BLOCK):
        found[start : start + _BLOCK] = _erf(flat[start : start + _BLOCK])
    return found.reshape(np.shape(x))


def _erf(x: Array) -> Array:
    size = np.minimum(np.abs(x), _KNOTS[-1])
    nearest = np.rint(np.nan_to_num(size) * _STEPS).astype(np.intp)
    knot = _KNOTS[nearest]
    step = size - knot
    # Of the n-th derivative, the factor beside the first one: Hermite polynomials by their recurrence.
    before, factor, power = np.zeros_like(knot), np.ones_like(knot), step.copy()
    series = power.copy()
    for n in range(1, _TERMS):
        before, factor = factor, -2 * (knot * factor + (n - 1) * before)
        power *= step / (n + 1)
        series += factor * power
    found: Array = np.copysign(_AT_KNOTS[nearest] + _SLOPES[nearest] * series, x)
    return found


class Erf(op_erf.Erf):  # type: ignore[misc,unused-ignore]
    """The evaluator's own goes by element, and answers in float32."""

    def _run(self, x: Array) -> tuple[Array]:  # type: ignore[override,unused-ignore]
        return (erf(x).astype(x.dtype),)


class Gelu(OpRun):  # type: ignore[misc,unused-ignore]
    """The evaluator's own is a function that calls its own Erf."""

    def _run(self, x: Array, approximate: str = "none") -> tuple[Array]:
        wide = x.astype(np.float64)
        if approximate == "tanh":
            inner = np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3))
        else:
            inner = erf(wide / math.sqrt(2))
        return ((0.5 * wide * (1 + inner)).astype(x.dtype),)


class DequantizeLinear(op_dequantize_linear.DequantizeLinear_25):  # type: ignore[misc,unused-ignore]
    """The evaluator's own begins with opset 19, but is right for opsets 10 to 18 too."""


class GatherElements(op_gather_elements.GatherElements):  # type: ignore[misc,unused-ignore]
    """The evaluator's own takes 64 indices along the axis at most."""

    def _run(self, data: Array, indices: Array, axis: int | None = None) -> tuple[Array]:  # type: ignore[override,unused-ignore]
        along = (axis or 0) % data.ndim
        reached = tuple(slice(None if at == along else size) for at, size in enumerate(indices.shape))
        return (np.take_along_axis(data[reached], indices.astype(np.int64), along),)


class GlobalMaxPool(op_global_max_pool.GlobalMaxPool):  # type: ignore[misc,unused-ignore]
    """The evaluator's own takes other axes than the spatial ones where these are not two."""

    def _run(self, x: Array) -> tuple[Array]:  # type: ignore[override,unused-ignore]
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


def _along(parameter: Array, axis: int, rank: int) -> Array:
    """A scale or zero point of a tensor of `rank` dimensions: of all of it, or, a vector, along `axis`."""
    wide = np.asarray(parameter, np.float64)
    if wide.size == 1:
        return wide.reshape(())
    if wide.ndim == 1:
        return wide.reshape([-1 if place == axis % rank else 1 for place in range(rank)])
    return wide


def _less(array: Array, zero_point: Array | None, axis: int) -> Array:
    """`array` less its zero point; whole numbers, which are exact in float64."""
    wide = array.astype(np.float64)
    return wide if zero_point is None else wide - _along(zero_point, axis, array.ndim)


def _int32(array: Array) -> Array:
    """Whole numbers as int32, which wraps."""
    return array.astype(np.int64).astype(np.int32)


class MatMulInteger(op_matmul_integer.MatMulInteger):  # type: ignore[misc,unused-ignore]
    """By a product of float64, which is exact."""

    def _run(  # type: ignore[override,unused-ignore]
        self, A: Array, B: Array, a_zero_point: Array | None = None, b_zero_point: Array | None = None
    ) -> tuple[Array]:
        return (_int32(np.matmul(_less(A, a_zero_point, -2), _less(B, b_zero_point, -1))),)


class QLinearMatMul(op_qlinear_matmul.QLinearMatMul):  # type: ignore[misc,unused-ignore]
    """By a product of float64, which is exact."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self, a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point
    ) -> tuple[Array]:
        total = np.matmul(_less(a, a_zero_point, -2), _less(b, b_zero_point, -1))
        rank = total.ndim
        scale = _along(a_scale, -2, rank) * _along(b_scale, -1, rank) / _along(y_scale, -2, rank)
        return (_quantised(total * scale, y_zero_point, a.dtype),)


class ConvInteger(op_conv_integer.ConvInteger):  # type: ignore[misc,unused-ignore]
    """By a convolution of float64, which is exact."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self,
        X: Array,
        W: Array,
        x_zero_point=None,
        w_zero_point=None,
        auto_pad=None,
        dilations=None,
        group=None,
        kernel_shape=None,
        pads=None,
        strides=None,
    ) -> tuple[Array]:
        window = make_window(X.shape[2:], W.shape[2:], auto_pad, dilations, pads, strides)
        x, w = _less(X, x_zero_point, 1), _less(W, w_zero_point, 0)
        return (_int32(convolve(x, w, window, group or 1)),)


class QLinearConv(op_qlinear_conv.QLinearConv):  # type: ignore[misc,unused-ignore]
    """By a convolution of float64, which is exact."""

    def _run(  # type: ignore[override,no-untyped-def,unused-ignore]
        self,
        x: Array,
        x_scale,
        x_zero_point,
        w: Array,
        w_scale,
        w_zero_point,
        y_scale,
        y_zero_point,
        B=None,
        auto_pad=None,
        dilations=None,
        group=None,
        kernel_shape=None,
        pads=None,
        strides=None,
    ) -> tuple[Array]:
        window = make_window(x.shape[2:], w.shape[2:], auto_pad, dilations, pads, strides)
        total = convolve(_less(x, x_zero_point, 1), _less(w, w_zero_point, 0), window, group or 1)
        if B is not None:
            total += B.reshape(-1, *[1] * len(window.out))
        scale = _along(x_scale, 1, total.ndim) * _along(w_scale, 1, total.ndim) / _along(y_scale, 1, 1)
        return (_quantised(total * scale, y_zero_point, x.dtype),)


def _quantised(real: Array, zero_point: Array | None, dtype: Any) -> Array:
    """round(real) + zero_point, held within the type."""
    kind = dtype if zero_point is None else zero_point.dtype
    zero = 0 if zero_point is None else _along(zero_point, -2, real.ndim)
    limits = np.iinfo(kind)
    held: Array = np.clip(np.rint(real) + zero, limits.min, limits.max).astype(kind)
    return held


OPERATORS = (
    AveragePool,
    BatchNormalization,
    Conv,
    ConvInteger,
    ConvTranspose,
    DequantizeLinear,
    Erf,
    GatherElements,
    Gelu,
    GlobalMaxPool,
    Impossible,
    Loop,
    MatMulInteger,
    MaxPool,
    NonMaxSuppression,
    QLinearConv,
    QLinearMatMul,
)
"""The evaluator takes these instead of its own, for every version of the operator."""
