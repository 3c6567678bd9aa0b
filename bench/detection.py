"""Networks that find objects in images, up to the boxes: which of them to keep is left to the caller."""

from __future__ import annotations

import numpy as np
import onnx

from bench.graph import Graph
from bench.vision import mobilenetv2_features, relu6


def yolov3_tiny(batch: int = 1) -> onnx.ModelProto:
    """Redmon 2018, at 416 x 416, both heads without decoding."""
    g = Graph("yolov3_tiny")
    x = g.input("x", (batch, 3, 416, 416))
    for inside, out in ((3, 16), (16, 32), (32, 64), (64, 128)):
        x = g.add("MaxPool", _leaky(g, x, inside, out), kernel_shape=[2, 2], strides=[2, 2])
    middle = _leaky(g, x, 128, 256)
    x = g.add("MaxPool", middle, kernel_shape=[2, 2], strides=[2, 2])
    x = _leaky(g, x, 256, 512)
    x = g.add("Pad", x, g.shape(0, 0, 0, 0, 0, 0, 1, 1), g.constant(np.float32(0)))
    x = g.add("MaxPool", x, kernel_shape=[2, 2], strides=[1, 1])
    x = _leaky(g, _leaky(g, x, 512, 1024), 1024, 256, 1)
    first = g.conv(_leaky(g, x, 256, 512), (512, 255), 1)
    up = _doubled(g, _leaky(g, x, 256, 128, 1))
    second = g.conv(_leaky(g, g.add("Concat", up, middle, axis=1), 384, 256), (256, 255), 1)
    return g.model(first, second)


def _leaky(g: Graph, x: str, inside: int, out: int, kernel: int = 3) -> str:
    return g.add("LeakyRelu", g.norm(g.conv(x, (inside, out), kernel), out), alpha=0.1)


def ssd_mobilenetv2(batch: int = 1) -> onnx.ModelProto:
    """SSDLite, Sandler et al. 2018, at 300 x 300: six maps, boxes decoded, scores of 91 classes."""
    g = Graph("ssd_mobilenetv2")
    maps = mobilenetv2_features(g, g.input("x", (batch, 3, 300, 300)))
    channels = [96, 1280]
    for width in (512, 256, 256, 128):
        y = relu6(g, g.norm(g.conv(maps[-1], (channels[-1], width // 2), 1), width // 2))
        y = relu6(g, g.norm(g.conv(y, (width // 2, width // 2), 3, 2, width // 2), width // 2))
        maps.append(relu6(g, g.norm(g.conv(y, (width // 2, width), 1), width)))
        channels.append(width)
    sides, boxes, scores = (19, 10, 5, 3, 2, 1), [], []
    for x, width, side in zip(maps, channels, sides, strict=True):
        anchors = 3 if side == 19 else 6
        boxes.append(_predictor(g, x, width, (batch, side * side * anchors, 4), anchors))
        scores.append(_predictor(g, x, width, (batch, side * side * anchors, 91), anchors))
    count = sum(side * side * (3 if side == 19 else 6) for side in sides)
    decoded = _decoded(g, g.add("Concat", *boxes, axis=1), count)
    return g.model(decoded, g.add("Softmax", g.add("Concat", *scores, axis=1), axis=-1))


def _predictor(g: Graph, x: str, width: int, shape: tuple[int, int, int], anchors: int) -> str:
    y = relu6(g, g.norm(g.conv(x, (width, width), 3, 1, width), width))
    y = g.conv(y, (width, anchors * shape[2]), 1)
    return g.add("Reshape", g.add("Transpose", y, perm=[0, 2, 3, 1]), g.shape(*shape))


def _decoded(g: Graph, boxes: str, count: int) -> str:
    """Corners from centres and sizes relative to `count` anchors."""

    def part(first: int) -> str:
        return g.add("Slice", boxes, g.shape(first), g.shape(first + 2), g.shape(2))

    centres = g.constant(g.random.uniform(0, 1, (1, count, 2)).astype(np.float32))
    sizes = g.constant(g.random.uniform(0.1, 0.9, (1, count, 2)).astype(np.float32))
    place = g.add("Mul", g.add("Mul", part(0), g.constant(np.float32(0.1))), sizes)
    place = g.add("Add", place, centres)
    size = g.add("Mul", g.add("Exp", g.add("Mul", part(2), g.constant(np.float32(0.2)))), sizes)
    half = g.add("Mul", size, g.constant(np.float32(0.5)))
    return g.add("Concat", g.add("Sub", place, half), g.add("Add", place, half), axis=2)


def yolov8n(batch: int = 1) -> onnx.ModelProto:
    """After Jocher et al. 2023, at 640 x 640: 80 classes, boxes from distributions of 16 distances."""
    g = Graph("yolov8n")
    x = _silu(g, g.input("images", (batch, 3, 640, 640)), (3, 16), 3, 2)
    x = _split_block(g, _silu(g, x, (16, 32), 3, 2), (32, 32), 1, True)
    third = _split_block(g, _silu(g, x, (32, 64), 3, 2), (64, 64), 2, True)
    fourth = _split_block(g, _silu(g, third, (64, 128), 3, 2), (128, 128), 2, True)
    fifth = _split_block(g, _silu(g, fourth, (128, 256), 3, 2), (256, 256), 1, True)
    fifth = _pyramid(g, fifth)
    up = _split_block(g, g.add("Concat", _doubled(g, fifth), fourth, axis=1), (384, 128), 1, False)
    small = _split_block(g, g.add("Concat", _doubled(g, up), third, axis=1), (192, 64), 1, False)
    down = g.add("Concat", _silu(g, small, (64, 64), 3, 2), up, axis=1)
    middle = _split_block(g, down, (192, 128), 1, False)
    down = g.add("Concat", _silu(g, middle, (128, 128), 3, 2), fifth, axis=1)
    large = _split_block(g, down, (384, 256), 1, False)
    sides = (80, 40, 20)
    heads = zip((small, middle, large), (64, 128, 256), sides, strict=True)
    joined = g.add(
        "Concat", *(_head(g, x, width, (batch, 144, side * side)) for x, width, side in heads), axis=2
    )
    return g.model(_boxes(g, joined, batch, sides))


def _silu(g: Graph, x: str, channels: tuple[int, int], kernel: int = 1, stride: int = 1) -> str:
    y = g.norm(g.conv(x, channels, kernel, stride), channels[1])
    return g.add("Mul", y, g.add("Sigmoid", y))


def _split_block(g: Graph, x: str, channels: tuple[int, int], count: int, residual: bool) -> str:
    """Half of the channels passes by, half goes through `count` pairs of convolutions; all are joined."""
    half = channels[1] // 2
    parts = g.add("Split", _silu(g, x, channels), g.shape(half, half), outputs=2, axis=1)
    for _ in range(count):
        y = _silu(g, _silu(g, parts[-1], (half, half), 3), (half, half), 3)
        parts.append(g.add("Add", parts[-1], y) if residual else y)
    return _silu(g, g.add("Concat", *parts, axis=1), (half * len(parts), channels[1]))


def _pyramid(g: Graph, x: str) -> str:
    """Maxima over 5, 9 and 13 pixels."""
    parts = [_silu(g, x, (256, 128))]
    for _ in range(3):
        parts.append(g.add("MaxPool", parts[-1], kernel_shape=[5, 5], strides=[1, 1], pads=[2] * 4))
    return _silu(g, g.add("Concat", *parts, axis=1), (512, 256))


def _head(g: Graph, x: str, width: int, shape: tuple[int, int, int]) -> str:
    """64 numbers for the distances and 80 for the classes, per place."""
    y = _silu(g, _silu(g, x, (width, 64), 3), (64, 64), 3)
    z = _silu(g, _silu(g, x, (width, 80), 3), (80, 80), 3)
    return g.add(
        "Reshape", g.add("Concat", g.conv(y, (64, 64), 1), g.conv(z, (80, 80), 1), axis=1), g.shape(*shape)
    )


def _boxes(g: Graph, joined: str, batch: int, sides: tuple[int, ...]) -> str:
    """Centres and sizes in pixels, above the scores."""
    count = sum(side * side for side in sides)
    distances, classes = g.add("Split", joined, g.shape(64, 80), outputs=2, axis=1)
    x = g.add("Transpose", g.add("Reshape", distances, g.shape(batch, 4, 16, count)), perm=[0, 2, 1, 3])
    weights = g.constant(np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1))
    x = g.add("Conv", g.add("Softmax", x, axis=1), weights, kernel_shape=[1, 1])
    before, after = g.add(
        "Split", g.add("Reshape", x, g.shape(batch, 4, count)), g.shape(2, 2), outputs=2, axis=1
    )
    rows = [np.stack(np.meshgrid(np.arange(side), np.arange(side)), 0).reshape(2, -1) + 0.5 for side in sides]
    places = g.constant(np.concatenate(rows, 1).astype(np.float32)[None])
    strides = np.concatenate([np.full(side * side, 640 / side) for side in sides]).astype(np.float32)
    low, high = g.add("Sub", places, before), g.add("Add", places, after)
    centre = g.add("Div", g.add("Add", low, high), g.constant(np.float32(2)))
    box = g.add("Concat", centre, g.add("Sub", high, low), axis=1)
    box = g.add("Mul", box, g.constant(strides[None, None]))
    return g.add("Concat", box, g.add("Sigmoid", classes), axis=1)


def _doubled(g: Graph, x: str) -> str:
    return g.add(
        "Resize", x, "", g.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
