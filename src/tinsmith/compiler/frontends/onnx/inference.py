"""Types and shapes of the values of a graph, as far as ONNX's own inference knows them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from google.protobuf.message import DecodeError, EncodeError

from tinsmith.compiler.ir.model import TensorSpec

_FAILURES = (
    onnx.shape_inference.InferenceError,
    RuntimeError,
    ValueError,
    TypeError,
    IndexError,
    MemoryError,
    OverflowError,
    DecodeError,
    EncodeError,
)


def fix_inputs(graph: onnx.GraphProto, specs: Sequence[TensorSpec]) -> None:
    """Makes `specs` the inputs of `graph` and forgets all other shapes, which were those of open sizes."""
    shapes = {spec.name: spec.shape for spec in specs}
    kept = [value for value in graph.input if value.name in shapes]
    forget_shapes(graph)
    del graph.input[:]
    graph.input.extend(kept)
    for value in graph.input:
        shape = value.type.tensor_type.shape
        shape.SetInParent()
        del shape.dim[:]
        for size in shapes[value.name]:
            shape.dim.add(dim_value=size)


def forget_shapes(graph: onnx.GraphProto) -> None:
    """Removes what `graph` and its subgraphs say of shapes; the types of inputs and outputs stay."""
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                forget_shapes(attribute.g)
            for subgraph in attribute.graphs:
                forget_shapes(subgraph)


def infer(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` with the types and shapes that could be inferred; without any where inference fails."""
    try:
        return onnx.shape_inference.infer_shapes(model, check_type=False, strict_mode=False, data_prop=True)
    except _FAILURES:
        return model
