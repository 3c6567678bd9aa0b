"""The networks of the benchmark: built with onnx.helper from fixed seeds, weights random.

Random weights say nothing about accuracy on a task; numbers are compared with numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Graph:
    """Collects nodes and weights."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name = name
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Sequence[int], kind: int = TensorProto.FLOAT) -> str:
        """A tensor that the caller gives."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """A node; its output, or its outputs."""
        number = len(self.nodes)
        names = [f"{op.lower()}_{number}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{op}_{number}", **attributes))
        return names if outputs > 1 else names[0]

    def constant(self, array: np.ndarray) -> str:
        """A weight of given content."""
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, *shape: int, fan: int | None = None) -> str:
        """A random weight that keeps the size of what passes through it."""
        fan = fan or int(np.prod(shape[1:])) or 1
        return self.constant((self.random.standard_normal(shape) * (2.0 / fan) ** 0.5).astype(np.float32))

    def numbers(self, size: int, low: float, high: float) -> str:
        """A vector of uniform numbers."""
        return self.constant(self.random.uniform(low, high, size).astype(np.float32))

    def conv(self, x: str, channels: tuple[int, int], kernel: int, stride: int = 1, groups: int = 1) -> str:
        """Without bias, padded to keep the size."""
        w = self.weight(channels[1], channels[0] // groups, kernel, kernel)
        pad = [kernel // 2] * 4
        return self.add("Conv", x, w, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pad, group=groups)

    def norm(self, x: str, channels: int) -> str:
        """Batch normalisation with plain statistics."""
        statistics = [
            self.numbers(channels, *bounds) for bounds in ((0.8, 1.2), (-0.1, 0.1), (-0.1, 0.1), (0.5, 1.5))
        ]
        return self.add("BatchNormalization", x, *statistics)

    def dense(self, x: str, columns: tuple[int, int]) -> str:
        """x W + b"""
        product = self.add("MatMul", x, self.weight(*columns, fan=columns[0]))
        return self.add("Add", product, self.numbers(columns[1], -0.1, 0.1))

    def model(self, *outputs: str) -> onnx.ModelProto:
        """The whole, with its shapes inferred."""
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, infos, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model)


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
    x = g.input("x", (batch, 3, 224, 224))
    x = _relu6(g, g.norm(g.conv(x, (3, 32), 3, 2), 32))
    channels = 32
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
        for block in range(count):
            x = _inverted(g, x, (channels, out), stride if block == 0 else 1, expansion)
            channels = out
    x = _relu6(g, g.norm(g.conv(x, (320, 1280), 1), 1280))
    return g.model(g.dense(g.add("Flatten", g.add("GlobalAveragePool", x)), (1280, 1000)))


def _relu6(g: Graph, x: str) -> str:
    return g.add("Clip", x, g.constant(np.float32(0)), g.constant(np.float32(6)))


def _inverted(g: Graph, x: str, channels: tuple[int, int], stride: int, expansion: int) -> str:
    inside, out = channels
    hidden = inside * expansion
    y = x
    if expansion != 1:
        y = _relu6(g, g.norm(g.conv(y, (inside, hidden), 1), hidden))
    y = _relu6(g, g.norm(g.conv(y, (hidden, hidden), 3, stride, hidden), hidden))
    y = g.norm(g.conv(y, (hidden, out), 1), out)
    return g.add("Add", x, y) if stride == 1 and inside == out else y


def yolov3_tiny(batch: int = 1) -> onnx.ModelProto:
    """Redmon 2018, at 416 x 416, both heads without decoding."""
    g = Graph("yolov3_tiny")
    x = g.input("x", (batch, 3, 416, 416))
    for inside, out in ((3, 16), (16, 32), (32, 64), (64, 128)):
        x = g.add("MaxPool", _leaky(g, x, inside, out), kernel_shape=[2, 2], strides=[2, 2])
    middle = _leaky(g, x, 128, 256)
    x = g.add("MaxPool", middle, kernel_shape=[2, 2], strides=[2, 2])
    x = _leaky(g, x, 256, 512)
    x = g.add("Pad", x, g.constant(np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64)))
    x = g.add("MaxPool", x, kernel_shape=[2, 2], strides=[1, 1])
    x = _leaky(g, _leaky(g, x, 512, 1024), 1024, 256, 1)
    first = g.conv(_leaky(g, x, 256, 512), (512, 255), 1)
    up = _leaky(g, x, 256, 128, 1)
    up = g.add(
        "Resize", up, "", g.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    second = g.conv(_leaky(g, g.add("Concat", up, middle, axis=1), 384, 256), (256, 255), 1)
    return g.model(first, second)


def _leaky(g: Graph, x: str, inside: int, out: int, kernel: int = 3) -> str:
    return g.add("LeakyRelu", g.norm(g.conv(x, (inside, out), kernel), out), alpha=0.1)


def bert(
    layers: int, hidden: int, heads: int, inner: int, length: int = 128, batch: int = 1
) -> onnx.ModelProto:
    """Devlin et al. 2018: ids and mask in, last hidden state out."""
    g = Graph(f"bert_{layers}_{hidden}")
    ids = g.input("ids", (batch, length), TensorProto.INT64)
    mask = g.input("mask", (batch, length), TensorProto.INT64)
    words = g.constant((g.random.standard_normal((30522, hidden)) * 0.02).astype(np.float32))
    places = g.constant((g.random.standard_normal((length, hidden)) * 0.02).astype(np.float32))
    x = _layer_norm(g, g.add("Add", g.add("Gather", words, ids), places), hidden)
    bias = g.add("Cast", mask, to=TensorProto.FLOAT)
    bias = g.add("Sub", g.constant(np.float32(1)), bias)
    bias = g.add("Mul", bias, g.constant(np.float32(-1e4)))
    bias = g.add("Unsqueeze", bias, g.constant(np.array([1, 2], np.int64)))
    for _ in range(layers):
        x = _encoder(g, x, bias, (batch, length, hidden, heads), inner)
    return g.model(x)


def _layer_norm(g: Graph, x: str, hidden: int) -> str:
    return g.add("LayerNormalization", x, g.numbers(hidden, 0.8, 1.2), g.numbers(hidden, -0.1, 0.1), axis=-1)


def _encoder(g: Graph, x: str, bias: str, size: tuple[int, int, int, int], inner: int) -> str:
    batch, length, hidden, heads = size
    split = g.constant(np.array([batch, length, heads, hidden // heads], np.int64))
    joined = g.constant(np.array([batch, length, hidden], np.int64))

    def part(perm: Sequence[int]) -> str:
        return g.add("Transpose", g.add("Reshape", g.dense(x, (hidden, hidden)), split), perm=list(perm))

    query, key, value = part((0, 2, 1, 3)), part((0, 2, 3, 1)), part((0, 2, 1, 3))
    scores = g.add("Div", g.add("MatMul", query, key), g.constant(np.float32((hidden // heads) ** 0.5)))
    weights = g.add("Softmax", g.add("Add", scores, bias), axis=-1)
    context = g.add("Transpose", g.add("MatMul", weights, value), perm=[0, 2, 1, 3])
    attended = g.dense(g.add("Reshape", context, joined), (hidden, hidden))
    x = _layer_norm(g, g.add("Add", attended, x), hidden)
    widened = _gelu(g, g.dense(x, (hidden, inner)))
    return _layer_norm(g, g.add("Add", g.dense(widened, (inner, hidden)), x), hidden)


def _gelu(g: Graph, x: str) -> str:
    """As exporters write it before opset 20."""
    half = g.add("Erf", g.add("Div", x, g.constant(np.float32(2**0.5))))
    return g.add(
        "Mul", g.add("Mul", x, g.add("Add", half, g.constant(np.float32(1)))), g.constant(np.float32(0.5))
    )


def mlp(batch: int = 1) -> onnx.ModelProto:
    """128-256-256-10 with a softmax."""
    g = Graph("mlp")
    x = g.input("x", (batch, 128))
    x = g.add("Relu", g.dense(x, (128, 256)))
    x = g.add("Relu", g.dense(x, (256, 256)))
    return g.model(g.add("Softmax", g.dense(x, (256, 10)), axis=-1))


def recurrent(op: str, batch: int = 1) -> onnx.ModelProto:
    """Two layers of 256 over 50 steps of 64, the last step classified; `op` is LSTM or GRU."""
    g = Graph(op.lower())
    x = g.input("x", (50, batch, 64))
    gates = {"LSTM": 4, "GRU": 3}[op]
    for inside in (64, 256):
        w, r = g.weight(1, gates * 256, inside, fan=inside * 4), g.weight(1, gates * 256, 256, fan=1024)
        b = g.constant(g.random.uniform(-0.1, 0.1, (1, 2 * gates * 256)).astype(np.float32))
        y = g.add(op, x, w, r, b, outputs=2, hidden_size=256)[0]
        x = g.add("Squeeze", y, g.constant(np.array([1], np.int64)))
    last = g.add("Gather", x, g.constant(np.array(-1, np.int64)), axis=0)
    return g.model(g.dense(last, (256, 10)))


NETWORKS: dict[str, Callable[[int], onnx.ModelProto]] = {
    "mlp": mlp,
    "lstm": lambda batch: recurrent("LSTM", batch),
    "gru": lambda batch: recurrent("GRU", batch),
    "mobilenetv2": mobilenetv2,
    "resnet50": resnet50,
    "yolov3-tiny": yolov3_tiny,
    "minilm-s128": lambda batch: bert(6, 384, 12, 1536, batch=batch),
    "bert-base-s128": lambda batch: bert(12, 768, 12, 3072, batch=batch),
}


def inputs(model: onnx.ModelProto, seed: int = 1) -> dict[str, np.ndarray]:
    """What a model is fed: normal numbers, ids of words, masks of ones."""
    random = np.random.default_rng(seed)
    fed = {}
    for value in model.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            fed[value.name] = random.standard_normal(shape).astype(np.float32)
        else:
            fed[value.name] = (
                np.ones(shape, np.int64) if value.name == "mask" else random.integers(0, 30000, shape)
            )
    return fed


def save(name: str, folder: Path, batch: int = 1) -> Path:
    """`folder`/model.onnx"""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    onnx.save(NETWORKS[name](batch), path)
    return path
