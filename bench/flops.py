"""Floating-point operations of an ONNX network: two for each multiply-and-add of its contractions.

Convolutions, matrix products and recurrences are counted; the rest is small beside them. A network whose
shapes only a run can tell, or that hides its work in branches, has no count.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path

import onnx
import onnxruntime
from onnx import helper

Shapes = Mapping[str, tuple[int, ...]]


def count(path: Path) -> int | None:
    """Of one run of the ONNX file; None where that cannot be told."""
    model = onnx.shape_inference.infer_shapes(_folded(path), data_prop=True)
    shapes = _shapes(model.graph)
    try:
        found = sum(RULES[node.op_type](node, shapes) for node in model.graph.node if node.op_type in RULES)
    except (KeyError, IndexError):
        return None
    return found or None


def _folded(path: Path) -> onnx.ModelProto:
    """As ONNX Runtime has it when constants are folded and branches taken: still standard ONNX."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """Of all tensors whose every size is known."""
    found = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = tuple(node.attribute[0].t.dims)
    for value in (*graph.input, *graph.output, *graph.value_info):
        dims = value.type.tensor_type.shape.dim
        if all(dim.HasField("dim_value") for dim in dims):
            found[value.name] = tuple(dim.dim_value for dim in dims)
    return found


def _convolution(node: onnx.NodeProto, shapes: Shapes) -> int:
    return 2 * prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])


def _transposed(node: onnx.NodeProto, shapes: Shapes) -> int:
    return 2 * prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])


def _product(node: onnx.NodeProto, shapes: Shapes) -> int:
    return 2 * prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]


def _gemm(node: onnx.NodeProto, shapes: Shapes) -> int:
    turned = next((helper.get_attribute_value(a) for a in node.attribute if a.name == "transA"), 0)
    return 2 * prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if turned else -1]


def _recurrence(node: onnx.NodeProto, shapes: Shapes) -> int:
    steps, batch, _ = shapes[node.input[0]]
    return 2 * steps * batch * sum(prod(shapes[name]) for name in node.input[1:3])


def _refuse(node: onnx.NodeProto, shapes: Shapes) -> int:
    raise KeyError(node.op_type)


RULES: dict[str, Callable[[onnx.NodeProto, Shapes], int]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "GRU": _recurrence,
    "Gemm": _gemm,
    "If": _refuse,
    "LSTM": _recurrence,
    "Loop": _refuse,
    "MatMul": _product,
    "Scan": _refuse,
}
