"""Networks that classify images of 224 x 224."""

from __future__ import annotations

import numpy as np
import onnx

from bench.graph import Graph
from bench.sequences import gelu, layer_norm


def resnet50(batch: int = 1) -> onnx.ModelProto:
    """He et al. 2015, bottlenecks with the stride in the 3x3."""
    g = Graph("resnet50")
    x = g.input("x", (batch, 3, 224, 224))
    x = g.add("Relu", g.norm(g.conv(x, (3, 64), 7, 2), 64))
    x = g.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for width, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(count):
            x = _bottleneck(g, x, (channels, width), stride if block == 0 else 1)
            channels = 4 * width
    x = g.add("Flatten", g.add("GlobalAveragePool", x))
    return g.model(g.dense(x, (2048, 1000)))


def _bottleneck(g: Graph, x: str, channels: tuple[int, int], stride: int) -> str:
    inside, width = channels
    y = g.add("Relu", g.norm(g.conv(x, (inside, width), 1), width))
    y = g.add("Relu", g.norm(g.conv(y, (width, width), 3, stride), width))
    y = g.norm(g.conv(y, (width, 4 * width), 1), 4 * width)
    if inside != 4 * width:
        x = g.norm(g.conv(x, (inside, 4 * width), 1, stride), 4 * width)
    return g.add("Relu", g.add("Add", y, x))


def mobilenetv2(batch: int = 1) -> onnx.ModelProto:
    """Sandler et al. 2018."""
    g = Graph("mobilenetv2")
    x = mobilenetv2_features(g, g.input("x", (batch, 3, 224, 224)))[-1]
    return g.model(g.dense(g.add("Flatten", g.add("GlobalAveragePool", x)), (1280, 1000)))


def mobilenetv2_features(g: Graph, x: str) -> list[str]:
    """Of 96 channels at 1/16 of the size, and of 1280 at 1/32."""
    x = relu6(g, g.norm(g.conv(x, (3, 32), 3, 2), 32))
    channels, found = 32, []
    settings = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    for expansion, out, count, stride in settings:
        if out == 160:
            found.append(x)
        for block in range(count):
            x = _inverted(g, x, (channels, out), stride if block == 0 else 1, expansion)
            channels = out
    return [*found, relu6(g, g.norm(g.conv(x, (320, 1280), 1), 1280))]


def relu6(g: Graph, x: str) -> str:
    """min(max(x, 0), 6)"""
    return g.add("Clip", x, g.constant(np.float32(0)), g.constant(np.float32(6)))


def _inverted(g: Graph, x: str, channels: tuple[int, int], stride: int, expansion: int) -> str:
    inside, out = channels
    hidden = inside * expansion
    y = x
    if expansion != 1:
        y = relu6(g, g.norm(g.conv(y, (inside, hidden), 1), hidden))
    y = relu6(g, g.norm(g.conv(y, (hidden, hidden), 3, stride, hidden), hidden))
    y = g.norm(g.conv(y, (hidden, out), 1), out)
    return g.add("Add", x, y) if stride == 1 and inside == out else y


def mobilenetv3_large(batch: int = 1) -> onnx.ModelProto:
    """Howard et al. 2019: squeeze and excitation, hard swish."""
    g = Graph("mobilenetv3_large")
    x = g.add("HardSwish", g.norm(g.conv(g.input("x", (batch, 3, 224, 224)), (3, 16), 3, 2), 16))
    channels = 16
    # kernel, hidden, out, squeezed, activation, stride
    settings = (
        (3, 16, 16, False, "Relu", 1),
        (3, 64, 24, False, "Relu", 2),
        (3, 72, 24, False, "Relu", 1),
        (5, 72, 40, True, "Relu", 2),
        (5, 120, 40, True, "Relu", 1),
        (5, 120, 40, True, "Relu", 1),
        (3, 240, 80, False, "HardSwish", 2),
        (3, 200, 80, False, "HardSwish", 1),
        (3, 184, 80, False, "HardSwish", 1),
        (3, 184, 80, False, "HardSwish", 1),
        (3, 480, 112, True, "HardSwish", 1),
        (3, 672, 112, True, "HardSwish", 1),
        (5, 672, 160, True, "HardSwish", 2),
        (5, 960, 160, True, "HardSwish", 1),
        (5, 960, 160, True, "HardSwish", 1),
    )
    for kernel, hidden, out, squeezed, activation, stride in settings:
        y = x if hidden == channels else g.add(activation, g.norm(g.conv(x, (channels, hidden), 1), hidden))
        y = g.add(activation, g.norm(g.conv(y, (hidden, hidden), kernel, stride, hidden), hidden))
        if squeezed:
            y = _squeeze(g, y, hidden)
        y = g.norm(g.conv(y, (hidden, out), 1), out)
        x = g.add("Add", x, y) if stride == 1 and channels == out else y
        channels = out
    x = g.add("GlobalAveragePool", g.add("HardSwish", g.norm(g.conv(x, (160, 960), 1), 960)))
    x = g.add("HardSwish", g.dense(g.add("Flatten", x), (960, 1280)))
    return g.model(g.dense(x, (1280, 1000)))


def _squeeze(g: Graph, x: str, channels: int) -> str:
    """x times what its averages say; inside there are a quarter of the channels, as a multiple of 8."""
    inside = max(8, (channels // 4 + 4) // 8 * 8)
    y = g.add("Relu", g.conv(g.add("GlobalAveragePool", x), (channels, inside), 1))
    gate = g.add("HardSigmoid", g.conv(y, (inside, channels), 1), alpha=1 / 6, beta=0.5)
    return g.add("Mul", x, gate)


def vit_tiny(batch: int = 1) -> onnx.ModelProto:
    """Dosovitskiy et al. 2020, Touvron et al. 2021: patches of 16, width 192, 12 layers, 3 heads."""
    g, width, tokens = Graph("vit_tiny"), 192, 197
    x = g.conv(g.input("x", (batch, 3, 224, 224)), (3, width), 16, 16, pad=0)
    x = g.add("Reshape", x, g.shape(batch, width, tokens - 1))
    first = g.constant(g.random.standard_normal((batch, 1, width)).astype(np.float32))
    x = g.add("Concat", first, g.add("Transpose", x, perm=[0, 2, 1]), axis=1)
    x = g.add("Add", x, g.constant((g.random.standard_normal((1, tokens, width)) * 0.1).astype(np.float32)))
    for _ in range(12):
        y = layer_norm(g, x, width)
        x = g.add("Add", x, _self_attention(g, y, (batch, tokens, width, 3)))
        y = gelu(g, g.dense(layer_norm(g, x, width), (width, 4 * width)))
        x = g.add("Add", x, g.dense(y, (4 * width, width)))
    x = g.add("Gather", layer_norm(g, x, width), g.constant(np.array(0, np.int64)), axis=1)
    return g.model(g.dense(x, (width, 1000)))


def _self_attention(g: Graph, x: str, size: tuple[int, int, int, int]) -> str:
    """One product for queries, keys and values, as timm has it."""
    batch, tokens, width, heads = size
    depth = width // heads
    joined = g.add("Reshape", g.dense(x, (width, 3 * width)), g.shape(batch, tokens, 3, heads, depth))
    joined = g.add("Transpose", joined, perm=[2, 0, 3, 1, 4])
    parts = (g.add("Gather", joined, g.constant(np.array(part, np.int64)), axis=0) for part in range(3))
    query, key, value = parts
    query = g.add("Mul", query, g.constant(np.float32(depth**-0.5)))
    scores = g.add("MatMul", query, g.add("Transpose", key, perm=[0, 1, 3, 2]))
    context = g.add("MatMul", g.add("Softmax", scores, axis=-1), value)
    context = g.add("Transpose", context, perm=[0, 2, 1, 3])
    return g.dense(g.add("Reshape", context, g.shape(batch, tokens, width)), (width, width))
