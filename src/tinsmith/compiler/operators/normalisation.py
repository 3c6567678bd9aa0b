"""Operators that bring elements to a common mean, scale or length."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from tinsmith.compiler.ir.scalars import Dim, Expr, Tensor, call, literal, select
from tinsmith.compiler.operators.node import Node, at
from tinsmith.compiler.operators.reductions import Index, kept_index, reduce_axes, wide
from tinsmith.compiler.operators.registry import operator

FLOAT_OF_ONNX = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
"""Type names by ONNX's numbers, for attributes that name the type of a computation."""


def moments(
    node: Node, shape: Sequence[Dim], axes: Sequence[int], value: Callable[[Index], Expr]
) -> tuple[Tensor, Tensor]:
    """The mean and the mean square distance from it, over `axes`, which have length 1 in both."""
    average = mean(node, shape, axes, value)

    def square(i: Index) -> Expr:
        distance = value(i) - average[kept_index(i, axes)]
        return distance * distance

    return average, mean(node, shape, axes, square)


def mean(node: Node, shape: Sequence[Dim], axes: Sequence[int], value: Callable[[Index], Expr]) -> Tensor:
    """The mean of value over `axes`, which have length 1 in it."""
    total = reduce_axes(node, shape, axes, "sum", value)
    count = literal(math.prod(_known(node, shape[axis]) for axis in axes), total.dtype)
    return node.map(total.shape, lambda *i: total[i] / count)


def _known(node: Node, dim: Dim) -> int:
    if not isinstance(dim, int):
        raise node.refuse("an axis to normalise has a size that is known only at run time")
    return dim


def _inverse_deviation(node: Node, variance: Tensor, epsilon: float) -> Tensor:
    """1 / sqrt(variance + epsilon)"""
    one = literal(1, variance.dtype)
    return node.map(variance.shape, lambda *i: one / call("sqrt", variance[i] + epsilon))


def _stash(node: Node, dtype: str) -> str:
    """The type that statistics are computed in; never less than `dtype`."""
    stash = FLOAT_OF_ONNX.get(node.integer("stash_type", 1))
    if stash is None:
        raise node.refuse(f"stash_type {node.integer('stash_type')}")
    return "float64" if dtype == "float64" else stash


@operator("LayerNormalization")
def layer_normalization(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None
) -> tuple[Tensor | None, ...]:
    axes = range(node.axis(x.rank, default=-1), x.rank)
    stash = _stash(node, x.dtype)
    average, variance = moments(node, x.shape, axes, lambda i: x[i].cast(stash))
    inverse = _inverse_deviation(node, variance, node.number("epsilon", 1e-5))

    def value(*i: Expr) -> Expr:
        kept = kept_index(i, axes)
        normal = ((x[i].cast(stash) - average[kept]) * inverse[kept]).cast(x.dtype)
        return _affine(normal, at(scale, i), None if bias is None else at(bias, i))

    declared = FLOAT_OF_ONNX[node.integer("stash_type", 1)]
    return (
        node.map(x.shape, value),
        node.cast(average, declared) if node.wants(1) else None,
        node.cast(inverse, declared) if node.wants(2) else None,
    )


def _affine(normal: Expr, scale: Expr, bias: Expr | None) -> Expr:
    scaled = normal.cast(scale.dtype) * scale
    return scaled if bias is None else scaled + bias


@operator("RMSNormalization")
def rms_normalization(node: Node, x: Tensor, scale: Tensor) -> Tensor:
    axes = range(node.axis(x.rank, default=-1), x.rank)
    stash = _stash(node, x.dtype)

    def square(i: Index) -> Expr:
        element = x[i].cast(stash)
        return element * element

    inverse = _inverse_deviation(node, mean(node, x.shape, axes, square), node.number("epsilon", 1e-5))
    return node.map(
        x.shape,
        lambda *i: _affine(
            (x[i].cast(stash) * inverse[kept_index(i, axes)]).cast(x.dtype), at(scale, i), None
        ),
    )


@operator("InstanceNormalization")
def instance_normalization(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    axes, dtype = range(2, x.rank), wide(x.dtype)
    average, variance = moments(node, x.shape, axes, lambda i: x[i].cast(dtype))
    inverse = _inverse_deviation(node, variance, node.number("epsilon", 1e-5))

    def value(*i: Expr) -> Expr:
        kept = kept_index(i, axes)
        normal = (x[i].cast(dtype) - average[kept]) * inverse[kept]
        return _affine(normal, scale[i[1]].cast(dtype), bias[i[1]].cast(dtype)).cast(x.dtype)

    return node.map(x.shape, value)


@operator("GroupNormalization")
def group_normalization(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Before version 21 scale and bias are per group, since then per channel."""
    groups, channels = node.integer("num_groups"), _known(node, x.shape[1])
    if groups < 1 or channels % groups:
        raise node.refuse(f"{channels} channels in {groups} groups")
    per_group = channels // groups
    stash = _stash(node, x.dtype)
    shape = (x.shape[0], groups, per_group, *x.shape[2:])
    axes = range(2, len(shape))

    def element(i: Index) -> Expr:
        return x[(i[0], i[1] * per_group + i[2], *i[3:])].cast(stash)

    average, variance = moments(node, shape, axes, element)
    inverse = _inverse_deviation(node, variance, node.number("epsilon", 1e-5))

    def value(*i: Expr) -> Expr:
        group = i[1].__floordiv__(per_group)
        kept = kept_index((i[0], group, i[1], *i[2:]), axes)
        normal = ((x[i].cast(stash) - average[kept]) * inverse[kept]).cast(x.dtype)
        which = group if node.version < 21 else i[1]
        return _affine(normal, scale[which], bias[which])

    return node.map(x.shape, value)


@operator("BatchNormalization")
def batch_normalization(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor, running_mean: Tensor, running_variance: Tensor
) -> tuple[Tensor | None, ...]:
    if node.version < 9 and not node.integer("spatial", 1):
        raise node.refuse("spatial = 0")
    training = bool(node.integer("training_mode", 0))
    if node.version < 14 and any(map(node.wants, range(1, 5))):
        raise node.refuse("the outputs of training")
    if not training:
        return (_by_channel(node, x, *_scale_and_shift(node, scale, bias, running_mean, running_variance)),)
    axes = [axis for axis in range(x.rank) if axis != 1]
    dtype = wide(x.dtype)
    average, variance = moments(node, x.shape, axes, lambda i: x[i].cast(dtype))
    channels = (x.shape[1],)
    mean_now, variance_now = node.view(average, channels), node.view(variance, channels)
    y = _by_channel(node, x, *_scale_and_shift(node, scale, bias, mean_now, variance_now))
    momentum = node.number("momentum", 0.9)

    def updated(old: Tensor, now: Tensor) -> Tensor:
        return node.map(
            channels,
            lambda c: (old[c].cast(dtype) * momentum + now[c].cast(dtype) * (1 - momentum)).cast(old.dtype),
        )

    return y, updated(running_mean, mean_now), updated(running_variance, variance_now)


def _scale_and_shift(
    node: Node, scale: Tensor, bias: Tensor, average: Tensor, variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Per channel, what to multiply by and to add then; constants where these four are."""
    epsilon, dtype = node.number("epsilon", 1e-5), wide(average.dtype)
    values = [tensor.value for tensor in (scale, bias, average, variance)]
    if all(value is not None for value in values):
        a, b, m, v = (np.asarray(value, np.float64) for value in values)
        with np.errstate(all="ignore"):
            factors = a / np.sqrt(v + epsilon)
            return node.constant(factors, dtype), node.constant(b - m * factors, dtype)
    inverse = _inverse_deviation(node, node.cast(variance, dtype), epsilon)
    factor = node.map(scale.shape, lambda c: scale[c].cast(dtype) * inverse[c])
    shift = node.map(scale.shape, lambda c: bias[c].cast(dtype) - average[c].cast(dtype) * factor[c])
    return factor, shift


def _by_channel(node: Node, x: Tensor, factor: Tensor, shift: Tensor) -> Tensor:
    def value(*i: Expr) -> Expr:
        channel = i[1] if len(i) > 1 else literal(0, "index")
        return (x[i].cast(factor.dtype) * factor[channel] + shift[channel]).cast(x.dtype)

    return node.map(x.shape, value)


@operator("LpNormalization")
def lp_normalization(node: Node, x: Tensor) -> Tensor:
    """Zero where the norm is."""
    axis, p, dtype = node.axis(x.rank, default=-1), node.integer("p", 2), wide(x.dtype)
    if p not in (1, 2):
        raise node.refuse(f"p = {p}")

    def power(i: Index) -> Expr:
        element = x[i].cast(dtype)
        return call("abs", element) if p == 1 else element * element

    total = reduce_axes(node, x.shape, [axis], "sum", power)
    norm = total if p == 1 else node.map(total.shape, lambda *i: call("sqrt", total[i]))

    def value(*i: Expr) -> Expr:
        length = norm[kept_index(i, [axis])]
        return select(length.equals(0), literal(0, dtype), x[i].cast(dtype) / length).cast(x.dtype)

    return node.map(x.shape, value)


@operator("MeanVarianceNormalization")
def mean_variance_normalization(node: Node, x: Tensor) -> Tensor:
    axes = [node.normal_axis(axis, x.rank) for axis in node.integers("axes", (0, 2, 3))]
    dtype = wide(x.dtype)
    average, variance = moments(node, x.shape, axes, lambda i: x[i].cast(dtype))

    def value(*i: Expr) -> Expr:
        kept = kept_index(i, axes)
        return ((x[i].cast(dtype) - average[kept]) / (call("sqrt", variance[kept]) + 1e-9)).cast(x.dtype)

    return node.map(x.shape, value)


@operator("LRN")
def local_response_normalization(node: Node, x: Tensor) -> Tensor:
    """Over a window of neighbouring channels."""
    width, channels, dtype = node.integer("size"), _known(node, x.shape[1]), wide(x.dtype)
    before = (width - 1) // 2

    def square(*i: Expr) -> Expr:
        channel = i[1] + i[-1] - before
        element = x[(i[0], channel, *i[2:-1])].cast(dtype)
        inside = (channel >= 0) & (channel < channels)
        return select(inside, element * element, literal(0, dtype))

    total = node.reduce(x.shape, [width], "sum", square)
    factor = node.number("alpha", 1e-4) / width
    beta, bias = node.number("beta", 0.75), node.number("bias", 1.0)

    def value(*i: Expr) -> Expr:
        base = total[i] * factor + bias
        return (x[i].cast(dtype) / call("pow", base, literal(beta, dtype))).cast(x.dtype)

    return node.map(x.shape, value)
