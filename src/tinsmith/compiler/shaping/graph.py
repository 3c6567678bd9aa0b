"""From the protobuf message to the graph of the IR."""

from __future__ import annotations

import onnx
import onnx_ir

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.shaping.findings import Findings
from tinsmith.compiler.shaping.functions import VERSION
from tinsmith.compiler.shaping.tensors import Weights


def network_graph(model: onnx.ModelProto, weights: Weights, findings: Findings) -> onnx_ir.Model:
    """`model` as onnx_ir has it, its weights back in place and the version of its operator in every node.

    Raises ClientError for what no check before has found.
    """
    try:
        result = onnx_ir.serde.deserialize_model(model)
    except (onnx_ir.serde.SerdeError, ValueError) as error:
        findings.damaged(f"no graph can be made of it: {str(error.__cause__ or error)[:300]}")
        findings.stop()
        raise
    for graph in result.graphs():
        for value in graph.initializers.values():
            if isinstance(value.const_value, onnx_ir.ExternalTensor):
                value.const_value = weights[str(value.const_value.location)]
        for node in graph:
            _complete(node, weights, result.opset_imports)
    return result


def output_specs(model: onnx_ir.Model) -> tuple[TensorSpec, ...]:
    """The outputs of `model`; -1 for sizes that are not known, no sizes at all where not even the rank is."""
    return tuple(
        TensorSpec(
            value.name or "",
            value.dtype.numpy().name if value.dtype is not None else "",
            tuple(size if isinstance(size, int) else -1 for size in value.shape or ()),
        )
        for value in model.graph.outputs
    )


def _complete(node: onnx_ir.Node, weights: Weights, imported: dict[str, int]) -> None:
    version = node.metadata_props.pop(VERSION, None)
    node.version = int(version) if version is not None else imported.get(node.domain)
    for name, attribute in list(node.attributes.items()):
        if attribute.type == onnx_ir.AttributeType.TENSOR and isinstance(
            attribute.value, onnx_ir.ExternalTensor
        ):
            tensor = weights[str(attribute.value.location)]
            node.attributes[name] = onnx_ir.AttrTensor(name, tensor, doc_string=attribute.doc_string)
