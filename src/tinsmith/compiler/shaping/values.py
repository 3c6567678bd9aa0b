"""Refuses values that are not tensors of numbers, or that no machine holds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx

from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.graphs import node_name, nodes_within, operator_name
from tinsmith.compiler.shaping.inference import Types, shapes_of
from tinsmith.compiler.shaping.inputs import MAX_ELEMENTS, declared_shape, dtype_name, model_shape
from tinsmith.compiler.shaping.tensors import is_type

LISTED = 20

_KINDS = {
    "sequence_type": "sequence",
    "map_type": "map",
    "optional_type": "optional",
    "sparse_tensor_type": "sparse tensor",
    "opaque_type": "opaque value",
}


def check_interface(graph: onnx.GraphProto, findings: Findings) -> None:
    """Notes inputs and outputs of `graph` that are not tensors of numbers."""
    for value in graph.input:
        kind = _kind(value.type)
        if kind is None and not value.type.tensor_type.elem_type:
            findings.damaged(f"the input {shown(value.name)} has no type")
        _check(value, kind, "input", findings)
    for value in graph.output:
        _check(value, _kind(value.type), "output", findings)


def check_outputs(
    graph: onnx.GraphProto, declared: Mapping[str, onnx.TypeProto], types: Types, findings: Findings
) -> None:
    """Notes outputs whose element type is not the `declared` one; completes `types` by declared ones."""
    for value in graph.output:
        said = declared[value.name].tensor_type.elem_type
        found = types[value.name].tensor_type.elem_type if value.name in types else 0
        if said and found and said != found:
            findings.damaged(
                f"the output {shown(value.name)} is declared as {dtype_name(said)}, but its node gives "
                f"{dtype_name(found)}"
            )
        elif said and not found:
            types[value.name] = onnx.helper.make_tensor_type_proto(said, None)
        if value.name in types and not types[value.name].tensor_type.HasField("shape"):
            _complete_rank(types[value.name].tensor_type, declared[value.name].tensor_type)


def check_sizes(graph: onnx.GraphProto, types: Types, findings: Findings) -> None:
    """Notes values inside `graph` whose sizes are not possible."""
    shapes = shapes_of(types)
    for index, node in nodes_within(graph.node):
        for name in filter(None, node.output):
            _check_size(f"{node_name(node, index)}: its output {shown(name)}", shapes.get(name), findings)


def check_kinds(graph: onnx.GraphProto, types: Types, findings: Findings) -> None:
    """Notes operators inside `graph` that take or give what is no tensor of numbers, with their nodes."""
    other: dict[tuple[str, str], list[str]] = {}
    for index, node in nodes_within(graph.node):
        kinds = [_kind(types[name]) for name in (*node.output, *node.input) if name in types]
        kind = next(filter(None, kinds), None)
        if kind is not None:
            other.setdefault((kind, operator_name(node)), []).append(node_name(node, index))
    for (kind, operator), nodes in other.items():
        more = f" and {len(nodes) - LISTED} more" if len(nodes) > LISTED else ""
        findings.refused(
            f"the operator {operator} works on a value of type {kind}, which is not compiled: "
            f"{', '.join(nodes[:LISTED])}{more}"
        )


def _check(value: onnx.ValueInfoProto, kind: str | None, role: str, findings: Findings) -> None:
    if kind is not None:
        described = f"{shown(value.name)} ({kind}{_shape(value.type)})"
        advice = "turn the text into numbers outside of the model" if kind == "string" else "use tensors"
        findings.refused(
            f"{kind} {role}: the model has the {role} {described}, which is not compiled; {advice}"
        )
    elif value.type.tensor_type.elem_type and not is_type(value.type.tensor_type.elem_type):
        findings.damaged(
            f"the {role} {shown(value.name)} has the elem_type {value.type.tensor_type.elem_type}, "
            "which is no known type of ONNX"
        )


def _complete_rank(found: onnx.TypeProto.Tensor, declared: onnx.TypeProto.Tensor) -> None:
    """Sizes are those of this compilation; the number of dimensions is that of any."""
    if declared.HasField("shape"):
        found.shape.SetInParent()
        for _ in declared.shape.dim:
            found.shape.dim.add()


def _kind(value: onnx.TypeProto) -> str | None:
    """The word for what is no tensor of numbers."""
    if value.tensor_type.elem_type == onnx.TensorProto.STRING:
        return "string"
    return _KINDS.get(value.WhichOneof("value") or "")


def _shape(value: onnx.TypeProto) -> str:
    return f" {model_shape(declared_shape(value))}" if value.HasField("tensor_type") else ""


def _check_size(what: str, shape: tuple[int | None, ...] | None, findings: Findings) -> None:
    sizes = [1 if size is None else size for size in shape or ()]
    if any(size < 0 for size in sizes):
        findings.damaged(f"{what} would have the shape {sizes}")
    elif math.prod(sizes) > MAX_ELEMENTS:
        findings.damaged(f"{what} has the shape {sizes}, expected at most {MAX_ELEMENTS} elements")
