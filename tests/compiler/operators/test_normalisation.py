from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def normal(x: Array, axes: tuple[int, ...], epsilon: float = 1e-5) -> Array:
    """Of mean 0 and variance 1 over `axes`."""
    wide = x.astype(np.float64)
    return np.asarray(
        (wide - wide.mean(axes, keepdims=True)) / np.sqrt(wide.var(axes, keepdims=True) + epsilon)
    )


def test_layers(nodes: Nodes) -> None:
    x = numbers(3, 5, 40) * 3 + 100
    for axis in (0, 1, -1):
        axes = tuple(range(axis % 3, 3))
        scale, bias = numbers(*x.shape[axis:], seed=1), numbers(*x.shape[axis:], seed=2)
        wanted = (normal(x, axes) * scale + bias).astype(np.float32)
        nodes.add("LayerNormalization", x, scale, bias, expected=wanted, axis=axis, tolerance=2e-4)
        nodes.add("LayerNormalization", x, scale, expected=wanted - bias, axis=axis, tolerance=2e-4)
        size = np.sqrt((x.astype(np.float64) ** 2).mean(axes, keepdims=True) + 1e-5)
        wanted = (x / size * scale).astype(np.float32)
        nodes.add("RMSNormalization", x, scale, expected=wanted, axis=axis, tolerance=1e-5)
    nodes.run()


def test_statistics_of_layers(nodes: Nodes) -> None:
    x, scale = numbers(4, 6), np.ones(6, np.float32)
    mean = x.mean(1, keepdims=True)
    inverse = 1 / np.sqrt(x.var(1, keepdims=True) + np.float32(0.25))
    wanted = [(x - mean) * inverse, mean, inverse]
    nodes.add("LayerNormalization", x, scale, expected=wanted, epsilon=0.25, tolerance=1e-5)
    narrow = x.astype(ml_dtypes.bfloat16)
    wide = narrow.astype(np.float32)
    mean, inverse = wide.mean(1, keepdims=True), 1 / np.sqrt(wide.var(1, keepdims=True) + np.float32(1e-5))
    y = ((wide - mean) * inverse).astype(ml_dtypes.bfloat16)
    ones = scale.astype(ml_dtypes.bfloat16)
    nodes.add("LayerNormalization", narrow, ones, expected=[y, mean, inverse], tolerance=2**-7)
    nodes.run()


def test_instances_and_groups(nodes: Nodes) -> None:
    x, channels = numbers(2, 6, 5, 4), (1, 6, 1, 1)
    scale, bias = numbers(6, seed=1), numbers(6, seed=2)
    wanted = normal(x, (2, 3)) * scale.reshape(channels) + bias.reshape(channels)
    nodes.add("InstanceNormalization", x, scale, bias, expected=wanted.astype(np.float32), tolerance=1e-5)
    groups = normal(x.reshape(2, 3, 2, 5, 4), (2, 3, 4)).reshape(x.shape)
    wanted = groups * scale.reshape(channels) + bias.reshape(channels)
    single = wanted.astype(np.float32)
    nodes.add("GroupNormalization", x, scale, bias, expected=single, num_groups=3, tolerance=1e-5)
    nodes.run()


def test_groups_once_had_a_scale_each(nodes: Nodes) -> None:
    nodes.opset = 18
    x, scale, bias = numbers(2, 6, 5), numbers(3, seed=1), numbers(3, seed=2)
    groups = normal(x.reshape(2, 3, 2, 5), (2, 3))
    wanted = (groups * scale.reshape(1, 3, 1, 1) + bias.reshape(1, 3, 1, 1)).reshape(x.shape)
    single = wanted.astype(np.float32)
    nodes.add("GroupNormalization", x, scale, bias, expected=single, num_groups=3, tolerance=1e-5)
    nodes.run()


def test_batches(nodes: Nodes) -> None:
    x = numbers(3, 4, 5, 2)
    scale, bias, mean, variance = (numbers(4, seed=seed) for seed in range(4))
    variance = np.abs(variance)
    column = (1, 4, 1, 1)
    a, b, m, v = (value.astype(np.float64).reshape(column) for value in (scale, bias, mean, variance))
    wanted = ((x - m) / np.sqrt(v + 1e-5) * a + b).astype(np.float32)
    given = (x, scale, bias, mean, variance)
    nodes.add("BatchNormalization", *given, expected=wanted, tolerance=2e-5)
    nodes.add("BatchNormalization", *given, expected=wanted, tolerance=2e-5, constant=[1, 2, 3, 4])
    flat = wanted[:, :, 0, 0].copy()
    nodes.add("BatchNormalization", x[:, :, 0, 0].copy(), *given[1:], expected=flat, tolerance=2e-5)
    axes = (0, 2, 3)
    now = (normal(x, axes) * a + b).astype(np.float32)
    means = (mean * 0.75 + x.mean(axes) * 0.25).astype(np.float32)
    variances = (variance * 0.75 + x.var(axes) * 0.25).astype(np.float32)
    nodes.add(
        "BatchNormalization", *given, expected=[now, means, variances], tolerance=2e-5,
        momentum=0.75, training_mode=1,
    )  # fmt: skip
    nodes.run()


def test_lengths_and_neighbours(nodes: Nodes) -> None:
    x = numbers(2, 7, 3, 4)
    x[0, :, 0, 0] = 0
    for axis in (1, -1):
        for p in (1, 2):
            norm = np.linalg.norm(x, p, axis=axis, keepdims=True)
            wanted = np.divide(x, norm, out=np.zeros_like(x), where=norm != 0)
            nodes.add("LpNormalization", x, expected=wanted, axis=axis, p=p)
    wanted = (normal(x, (0, 2, 3), 0)).astype(np.float32)
    nodes.add("MeanVarianceNormalization", x, expected=wanted, tolerance=1e-5)
    for width in (2, 3, 5):
        around = [x[:, max(c - (width - 1) // 2, 0) : c + width // 2 + 1] for c in range(7)]
        squares = np.stack([(part.astype(np.float64) ** 2).sum(1) for part in around], 1)
        response = (x / (2 + 0.5 / width * squares) ** 0.6).astype(np.float32)
        nodes.add("LRN", x, expected=response, size=width, alpha=0.5, beta=0.6, bias=2.0, tolerance=1e-5)
    nodes.run()


def test_bad_attributes_are_refused(nodes: Nodes) -> None:
    x, ones = numbers(2, 6, 4), np.ones(6, np.float32)
    nodes.add("GroupNormalization", x, ones, ones, expected=x, num_groups=4)
    nodes.add("LpNormalization", x, expected=x, p=3)
    nodes.add("LayerNormalization", x, np.ones(4, np.float32), expected=x, stash_type=7)
    with pytest.raises(ClientError) as error:
        nodes.run()
    for part in ("6 channels in 4 groups", "p = 3", "stash_type 7"):
        assert part in str(error.value)
