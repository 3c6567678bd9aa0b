"""Matrix products and look-ups of rows."""

from __future__ import annotations

from tinsmith.compiler.frontends.tflite import fixed
from tinsmith.compiler.frontends.tflite.layer import Codes, Layer
from tinsmith.compiler.frontends.tflite.registry import operator
from tinsmith.compiler.shaping.builder import Value


@operator("FULLY_CONNECTED")
def fully_connected(layer: Layer) -> Value | Codes:
    """Weights [out, in], a bias. The input is rows of `in` elements, unless its dimensions are kept."""
    if layer.integer("weights_format"):
        raise layer.refuse("its weights are shuffled")
    if layer.rank(1) != 2 or layer.shape(1)[1] < 1:
        raise layer.refuse(f"its weights have the shape {list(layer.shape(1))}, expected 2 dimensions")
    shape, inputs, exact = layer.shape(0), layer.shape(1)[1], fixed.sums_bytes(layer)
    x = layer.stored(0) if exact else layer.real(0)
    if not layer.flag("keep_num_dims") and (len(shape) != 2 or shape[1] != inputs):
        x = x.reshape(-1, inputs)
    if exact:
        return fixed.multiplied(layer, x)
    if layer.known(1) is None:
        weights = layer.real(1).transpose(1, 0)
    else:
        weights = layer.weights(1, lambda w: w.T, axis=1)
    out = layer.emit("MatMul", x, weights)
    if layer.has(2) and layer.known(2) is None:
        return layer.emit("Add", out, layer.real(2))
    bias = layer.bias(2)
    return out if bias is None else layer.emit("Add", out, bias)


@operator("BATCH_MATMUL")
def batch_matmul(layer: Layer) -> Value:
    left, right = _matrix(layer, 0, "adj_x"), _matrix(layer, 1, "adj_y")
    return layer.emit("MatMul", left, right)


def _matrix(layer: Layer, index: int, flag: str) -> Value:
    rank = layer.rank(index)
    last = (*range(rank - 2), rank - 1, rank - 2)
    swapped = layer.flag(flag)
    if index == 1 and layer.known(1) is not None:
        form = layer.tensor(1).quantization
        if form is None or not form.per_axis:
            return layer.weights(1, lambda w: w.transpose(last) if swapped else w, axis=rank - 1)
    return layer.real(index).transpose(*last) if swapped else layer.real(index)


@operator("EMBEDDING_LOOKUP")
def embedding_lookup(layer: Layer) -> Value:
    """Inputs: numbers of rows, the table."""
    return layer.emit("Gather", layer.real(1), layer.stored(0), axis=0)
