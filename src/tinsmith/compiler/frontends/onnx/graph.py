"""From the protobuf message to the graph of the IR."""

from __future__ import annotations

import onnx
import onnx_ir

from tinsmith.compiler.frontends.onnx.findings import Findings
from tinsmith.compiler.frontends.onnx.tensors import Weights
from tinsmith.compiler.ir.model import TensorSpec


def network_graph(model: onnx.ModelProto, weights: Weights, findings: Findings) -> onnx_ir.Model:
    """`model` as onnx_ir has it, with its weights back in place."""
    try:
        result = onnx_ir.serde.deserialize_model(model)
    except onnx_ir.serde.SerdeError as error:
        findings.damaged(f"no graph can be made of it: {error.__cause__ or error}")
        findings.stop()
        raise
    for graph in result.graphs():
        for value in graph.initializers.values():
            tensor = value.const_value
            if isinstance(tensor, onnx_ir.ExternalTensor):
                value.const_value = weights[str(tensor.location)]
        for node in graph:
            for name, attribute in node.attributes.items():
                if attribute.type == onnx_ir.AttributeType.TENSOR and isinstance(
                    attribute.value, onnx_ir.ExternalTensor
                ):
                    node.attributes[name] = onnx_ir.AttrTensor(name, weights[str(attribute.value.location)])
    return result


def output_specs(model: onnx_ir.Model) -> tuple[TensorSpec, ...]:
    """The outputs of the graph as far as their types and shapes are known."""
    return tuple(_spec(value) for value in model.graph.outputs)


def _spec(value: onnx_ir.Value) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else -1 for size in value.shape) if value.shape else ()
    dtype = value.dtype.numpy().name if value.dtype is not None else ""
    return TensorSpec(value.name or "", dtype, shape)
