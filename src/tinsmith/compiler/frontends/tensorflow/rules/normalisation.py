"""Batch and local response normalisation, Softmax."""

from __future__ import annotations

from typing import Any

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.frontends.tensorflow.rules.convolution import back, channels_first
from tinsmith.compiler.shaping.builder import Value


@converts("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def fused_batch_norm(op: Op, x: Value, scale: Value, offset: Value, mean: Value, variance: Value) -> Any:
    images = channels_first(op, x)
    if op.flag("is_training", True):
        mean, variance = _moments(op, images)
    epsilon = op.real("epsilon", 1e-4)
    result = op.add("BatchNormalization", images, scale, offset, mean, variance, epsilon=epsilon)
    return back(op, result), mean, variance, mean, variance, mean


def _moments(op: Op, images: Value) -> tuple[Value, Value]:
    """Mean and variance per channel of this batch."""
    axes = op.ints(0, *range(2, images.rank))
    mean = op.add("ReduceMean", images, axes, keepdims=1)
    difference = op.add("Sub", images, mean)
    variance = op.add("ReduceMean", op.add("Mul", difference, difference), axes, keepdims=0)
    return mean.reshape(-1), variance


@converts("BatchNormWithGlobalNormalization")
def old_batch_norm(op: Op, x: Value, mean: Value, variance: Value, beta: Value, gamma: Value) -> Any:
    if not op.flag("scale_after_normalization"):
        gamma = op.add("Expand", op.like(1, gamma), op.ints(*gamma.shape))
    images = channels_first(op, x)
    epsilon = op.real("variance_epsilon", 1e-3)
    return back(op, op.add("BatchNormalization", images, gamma, beta, mean, variance, epsilon=epsilon))


@converts("LRN")
def lrn(op: Op, x: Value) -> Any:
    size = 2 * op.integer("depth_radius", 5) + 1
    alpha, beta, bias = op.real("alpha", 1.0), op.real("beta", 0.5), op.real("bias", 1.0)
    images = channels_first(op, x)
    return back(op, op.add("LRN", images, size=size, alpha=alpha * size, beta=beta, bias=bias))


@converts("Softmax", "LogSoftmax")
def softmax(op: Op, x: Value) -> Any:
    return op.add(op.type, x, axis=-1)
