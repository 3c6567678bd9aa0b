"""A small network of each kind that people have, and what ONNX Runtime makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

Arrays = dict[str, np.ndarray[Any, Any]]


class Graph:
    """Collects nodes and random weights."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.constants: list[onnx.TensorProto] = []

    def input(self, name: str, *shape: int, kind: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def weight(self, *shape: int) -> str:
        values = self.random.standard_normal(shape) / np.sqrt(shape[-1])
        return self.constant(values, np.float32)

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def dense(self, x: str, rows: int, columns: int) -> str:
        return self.add("Add", self.add("MatMul", x, self.weight(rows, columns)), self.weight(columns))

    def model(self, **outputs: tuple[str, int]) -> onnx.ModelProto:
        """By names: the value inside, and its type."""
        self.nodes += [helper.make_node("Identity", [inner], [name]) for name, (inner, _) in outputs.items()]
        infos = [helper.make_tensor_value_info(name, kind, None) for name, (_, kind) in outputs.items()]
        graph = helper.make_graph(self.nodes, "zoo", self.inputs, infos, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


def convolutions() -> onnx.ModelProto:
    """An image in; scores and the class with the best one out."""
    g = Graph()
    x = g.add("Conv", g.input("image", 1, 3, 20, 18), g.weight(8, 3, 3, 3), strides=[2, 2], pads=[1] * 4)
    statistics = [g.constant(g.random.uniform(0.5, 1.5, 8), np.float32) for _ in range(4)]
    x = g.add("Relu", g.add("BatchNormalization", x, *statistics))
    x = g.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    y = g.add("Relu", g.add("Conv", x, g.weight(8, 8, 3, 3), g.weight(8), pads=[1] * 4))
    y = g.add("Conv", y, g.weight(8, 1, 3, 3), g.weight(8), pads=[1] * 4, group=8)
    x = g.add("Relu", g.add("Add", x, y))
    scores = g.dense(g.add("Flatten", g.add("GlobalAveragePool", x)), 8, 5)
    best = g.add("ArgMax", scores, axis=1, keepdims=0)
    return g.model(scores=(scores, TensorProto.FLOAT), best=(best, TensorProto.INT64))


def transformer() -> onnx.ModelProto:
    """Ids of words and a mask in; the last hidden state, and that of the first word, out."""
    g = Graph()
    ids, mask = (g.input(name, 2, 12, kind=TensorProto.INT64) for name in ("ids", "mask"))
    x = _normalised(g, g.add("Add", g.add("Gather", g.weight(50, 16), ids), g.weight(12, 16)))
    bias = g.add("Sub", g.add("Cast", mask, to=TensorProto.FLOAT), g.constant(1, np.float32))
    bias = g.add("Unsqueeze", g.add("Mul", bias, g.constant(1e4, np.float32)), g.constant([1, 2]))
    for _ in range(2):
        x = _encoder(g, x, bias)
    first = g.add("Gather", x, g.constant(0), axis=1)
    pooled = g.add("Tanh", g.dense(first, 16, 16))
    return g.model(hidden=(x, TensorProto.FLOAT), pooled=(pooled, TensorProto.FLOAT))


def _normalised(g: Graph, x: str) -> str:
    return g.add("LayerNormalization", x, g.weight(16), g.weight(16))


def _encoder(g: Graph, x: str, bias: str) -> str:
    """Four heads of four elements."""

    def part(*perm: int) -> str:
        split = g.add("Reshape", g.dense(x, 16, 16), g.constant([2, 12, 4, 4]))
        return g.add("Transpose", split, perm=perm)

    scores = g.add("MatMul", part(0, 2, 1, 3), part(0, 2, 3, 1))
    scores = g.add("Add", g.add("Div", scores, g.constant(2, np.float32)), bias)
    context = g.add("MatMul", g.add("Softmax", scores, axis=-1), part(0, 2, 1, 3))
    joined = g.add("Reshape", g.add("Transpose", context, perm=[0, 2, 1, 3]), g.constant([2, 12, 16]))
    x = _normalised(g, g.add("Add", x, g.dense(joined, 16, 16)))
    wide = g.dense(x, 16, 32)
    wide = g.add("Mul", wide, g.add("Sigmoid", wide))
    return _normalised(g, g.add("Add", x, g.dense(wide, 32, 16)))


def recurrent() -> onnx.ModelProto:
    """A series and a state in; all hidden states and the last state out."""
    g = Graph()
    x, h, c = g.input("x", 9, 2, 6), g.input("h0", 1, 2, 8), g.input("c0", 1, 2, 8)
    weights = [g.weight(1, 32, 6), g.weight(1, 32, 8), g.weight(1, 64)]
    states = ["lstm_y", "lstm_h", "lstm_c"]
    g.nodes.append(helper.make_node("LSTM", [x, *weights, "", h, c], states, hidden_size=8))
    return g.model(**{name[-1]: (name, TensorProto.FLOAT) for name in states})


ZOO: dict[str, Callable[[], onnx.ModelProto]] = {
    "convolutions": convolutions,
    "transformer": transformer,
    "recurrent": recurrent,
}


def feed(name: str, seed: int = 0) -> Arrays:
    """Inputs for one of the networks."""
    random = np.random.default_rng(seed)
    if name == "convolutions":
        return {"image": random.standard_normal((1, 3, 20, 18)).astype(np.float32)}
    if name == "transformer":
        lengths = np.array([[12], [random.integers(1, 12)]])
        return {"ids": random.integers(0, 50, (2, 12)), "mask": (np.arange(12) < lengths).astype(np.int64)}
    shapes = {"x": (9, 2, 6), "h0": (1, 2, 8), "c0": (1, 2, 8)}
    return {key: random.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()}


def wanted(name: str, given: Arrays) -> Arrays:
    """By ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(ZOO[name]().SerializeToString(), options)
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, given), strict=True))


def assert_close(found: Arrays, expected: Arrays) -> None:
    """Names, shapes and types too."""
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-5, err_msg=name, strict=True)
