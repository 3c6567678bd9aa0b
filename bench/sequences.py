"""Networks over sequences and plain vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto

from bench.graph import Graph


def bert(
    layers: int, hidden: int, heads: int, inner: int, length: int = 128, batch: int = 1
) -> onnx.ModelProto:
    """Devlin et al. 2018: ids and mask in, last hidden state out."""
    g = Graph(f"bert_{layers}_{hidden}")
    ids = g.input("ids", (batch, length), TensorProto.INT64)
    mask = g.input("mask", (batch, length), TensorProto.INT64)
    words = g.constant((g.random.standard_normal((30522, hidden)) * 0.02).astype(np.float32))
    places = g.constant((g.random.standard_normal((length, hidden)) * 0.02).astype(np.float32))
    x = layer_norm(g, g.add("Add", g.add("Gather", words, ids), places), hidden)
    bias = g.add("Cast", mask, to=TensorProto.FLOAT)
    bias = g.add("Sub", g.constant(np.float32(1)), bias)
    bias = g.add("Mul", bias, g.constant(np.float32(-1e4)))
    bias = g.add("Unsqueeze", bias, g.constant(np.array([1, 2], np.int64)))
    for _ in range(layers):
        x = _encoder(g, x, bias, (batch, length, hidden, heads), inner)
    return g.model(x)


def layer_norm(g: Graph, x: str, hidden: int) -> str:
    """Over the last axis."""
    return g.add("LayerNormalization", x, g.numbers(hidden, 0.8, 1.2), g.numbers(hidden, -0.1, 0.1), axis=-1)


def _encoder(g: Graph, x: str, bias: str, size: tuple[int, int, int, int], inner: int) -> str:
    batch, length, hidden, heads = size
    split = g.shape(batch, length, heads, hidden // heads)
    joined = g.shape(batch, length, hidden)

    def part(perm: Sequence[int]) -> str:
        return g.add("Transpose", g.add("Reshape", g.dense(x, (hidden, hidden)), split), perm=list(perm))

    query, key, value = part((0, 2, 1, 3)), part((0, 2, 3, 1)), part((0, 2, 1, 3))
    scores = g.add("Div", g.add("MatMul", query, key), g.constant(np.float32((hidden // heads) ** 0.5)))
    weights = g.add("Softmax", g.add("Add", scores, bias), axis=-1)
    context = g.add("Transpose", g.add("MatMul", weights, value), perm=[0, 2, 1, 3])
    attended = g.dense(g.add("Reshape", context, joined), (hidden, hidden))
    x = layer_norm(g, g.add("Add", attended, x), hidden)
    widened = gelu(g, g.dense(x, (hidden, inner)))
    return layer_norm(g, g.add("Add", g.dense(widened, (inner, hidden)), x), hidden)


def gelu(g: Graph, x: str) -> str:
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
    """Two layers of 256 over 50 steps of 64, the last step classified; `op` is LSTM or GRU, PyTorch's."""
    g = Graph(op.lower())
    x = g.input("x", (50, batch, 64))
    gates = {"LSTM": 4, "GRU": 3}[op]
    variant = {"linear_before_reset": 1} if op == "GRU" else {}
    for inside in (64, 256):
        w, r = g.weight(1, gates * 256, inside, fan=inside * 4), g.weight(1, gates * 256, 256, fan=1024)
        b = g.constant(g.random.uniform(-0.1, 0.1, (1, 2 * gates * 256)).astype(np.float32))
        y = g.add(op, x, w, r, b, outputs=2, hidden_size=256, **variant)[0]
        x = g.add("Squeeze", y, g.constant(np.array([1], np.int64)))
    last = g.add("Gather", x, g.constant(np.array(-1, np.int64)), axis=0)
    return g.model(g.dense(last, (256, 10)))
