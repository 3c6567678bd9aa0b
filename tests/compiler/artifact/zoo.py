"""A small network of each kind that people have, and what ONNX Runtime makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from bench import networks

Arrays = dict[str, np.ndarray[Any, Any]]


def convolutions() -> onnx.ModelProto:
    """An image in; scores and the class with the best one out."""
    g = networks.Graph("convolutions")
    x = g.add("Relu", g.norm(g.conv(g.input("image", (1, 3, 20, 18)), (3, 8), 3, 2), 8))
    x = g.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    x = networks._bottleneck(g, x, (8, 8), 1)
    scores = g.dense(g.add("Flatten", g.add("GlobalAveragePool", x)), (32, 5))
    return _model(g, scores=scores, best=g.add("ArgMax", scores, axis=1, keepdims=0))


def transformer() -> onnx.ModelProto:
    """Ids of words and a mask in; the last hidden state, and that of the first word, out."""
    g = networks.Graph("transformer")
    ids, mask = (g.input(name, (2, 12), TensorProto.INT64) for name in ("ids", "mask"))
    words = g.constant(g.random.standard_normal((50, 16)).astype(np.float32))
    places = g.constant(g.random.standard_normal((12, 16)).astype(np.float32))
    x = networks._layer_norm(g, g.add("Add", g.add("Gather", words, ids), places), 16)
    bias = g.add("Sub", g.add("Cast", mask, to=TensorProto.FLOAT), g.constant(np.array(1, np.float32)))
    bias = g.add("Mul", bias, g.constant(np.array(1e4, np.float32)))
    bias = g.add("Unsqueeze", bias, g.constant(np.array([1, 2], np.int64)))
    for _ in range(2):
        x = networks._encoder(g, x, bias, (2, 12, 16, 4), 32)
    first = g.add("Gather", x, g.constant(np.array(0, np.int64)), axis=1)
    return _model(g, hidden=x, pooled=g.add("Tanh", g.dense(first, (16, 16))))


def recurrent() -> onnx.ModelProto:
    """A series and a state in; all hidden states and the last state out."""
    g = networks.Graph("recurrent")
    x, h, c = (
        g.input(name, shape) for name, shape in (("x", (9, 2, 6)), ("h0", (1, 2, 8)), ("c0", (1, 2, 8)))
    )
    w, r = g.weight(1, 32, 6), g.weight(1, 32, 8)
    b = g.constant(g.random.uniform(-0.1, 0.1, (1, 64)).astype(np.float32))
    y, last_h, last_c = g.add("LSTM", x, w, r, b, "", h, c, outputs=3, hidden_size=8)
    return _model(g, y=y, h=last_h, c=last_c)


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


def _model(g: networks.Graph, **outputs: str) -> onnx.ModelProto:
    """With outputs of these names; "best" is int64, the others are float32."""
    g.nodes += [helper.make_node("Identity", [inner], [name]) for name, inner in outputs.items()]
    model = g.model(*outputs)
    for info in model.graph.output:
        if info.name == "best":
            info.type.tensor_type.elem_type = TensorProto.INT64
    return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
