"""Whether the nodes of a model are operators of ONNX, with the inputs and attributes that these have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import onnx

from tinsmith.compiler.shaping.findings import Findings
from tinsmith.compiler.shaping.functions import VERSION
from tinsmith.compiler.shaping.graphs import (
    OWN_DOMAIN,
    VERSIONED,
    canonical_domain,
    node_name,
    nodes_within,
    operator_name,
    opset_versions,
)

OLDEST = 7
"""Version of ai.onnx: operators of older ones are compiled if they did not change until then."""
LISTED = 20
"""Nodes that a refusal names for each operator."""


def check_operators(model: onnx.ModelProto, findings: Findings) -> None:
    """Notes nodes that are not as their operators want them. Operators that are not known are passed over."""
    imported = opset_versions(model.opset_import)
    for index, node in nodes_within(model.graph.node):
        domain = canonical_domain(node.domain)
        place = node_name(node, index)
        if domain == OWN_DOMAIN:
            findings.damaged(f"{place}: the domain {OWN_DOMAIN} is reserved for the compiler")
        if domain not in VERSIONED:
            continue
        version = node_version(node, imported)
        if version is None:
            findings.damaged(f"{place}: opset_import does not tell the version of {VERSIONED[domain]}")
            continue
        schema = _schema(node, version)
        if schema is not None and not schema.deprecated:
            for problem in _problems(node, schema, version, model.ir_version):
                findings.damaged(f"{place}: {problem}")


def refuse_unknown_operators(model: onnx.ModelProto, findings: Findings) -> None:
    """Notes every operator that the imported version of ai.onnx or ai.onnx.ml lacks, with its nodes."""
    imported = opset_versions(model.opset_import)
    nodes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for index, node in nodes_within(model.graph.node):
        reason = _refusal(node, imported)
        if reason:
            nodes[operator_name(node), reason].append(node_name(node, index))
    if nodes:
        kinds = ", ".join(dict.fromkeys(operator for operator, _ in nodes))
        findings.refused(f"The following operators are not supported for frontend ONNX: {kinds}")
    for (operator, reason), names in nodes.items():
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        findings.refused(f"the operator {operator} {reason}: {', '.join(names[:LISTED])}{more}")


def node_version(node: onnx.NodeProto, imported: Mapping[str, int]) -> int | None:
    """The version of the operator set that `node` is of; `imported` has those of the model."""
    for entry in node.metadata_props:
        if entry.key == VERSION:
            return int(entry.value)
    return imported.get(canonical_domain(node.domain))


def _refusal(node: onnx.NodeProto, imported: Mapping[str, int]) -> str | None:
    domain = canonical_domain(node.domain)
    if domain == OWN_DOMAIN:
        return None
    if domain not in VERSIONED:
        return f"is of the domain {domain[:80]}, which is not compiled (ai.onnx and ai.onnx.ml are)"
    version = node_version(node, imported)
    if version is None:
        return None
    schema = _schema(node, version)
    if schema is None:
        return f"does not exist in version {version} of {VERSIONED[domain]}"
    if schema.deprecated:
        return f"was withdrawn before version {version} of {VERSIONED[domain]}"
    if domain == "" and version < OLDEST and _since(schema) != _since(_schema(node, OLDEST)):
        return f"of opset {version} is not compiled, but that of opset {OLDEST} and later is"
    return None


def _schema(node: onnx.NodeProto, version: int) -> onnx.defs.OpSchema | None:
    try:
        return onnx.defs.get_schema(node.op_type, version, canonical_domain(node.domain))
    except onnx.defs.SchemaError:
        return None


def _since(schema: onnx.defs.OpSchema | None) -> int | None:
    return None if schema is None else schema.since_version


def _problems(node: onnx.NodeProto, schema: onnx.defs.OpSchema, version: int, ir_version: int) -> list[str]:
    """The first thing that ONNX's own checker finds, and required inputs that are left out."""
    problems = [
        f"its input {formal.name} is left out"
        for formal, name in zip(schema.inputs, node.input, strict=False)
        if not name and formal.option != onnx.defs.OpSchema.FormalParameterOption.Optional
    ]
    problems += _subgraph_problems(node, version)
    if not any(node.output):
        problems.append("it has no output")
    context = onnx.checker.C.CheckerContext()
    context.ir_version = ir_version
    context.opset_imports = {canonical_domain(node.domain): version}
    try:
        onnx.checker.check_node(_outline(node), context)
    except onnx.checker.ValidationError as error:
        problems.append(str(error).split("\n")[0][:300])
    return problems


def _subgraph_problems(node: onnx.NodeProto, version: int) -> list[str]:
    """Branches and bodies take and give as many values as their node. Scan had lengths before version 9."""
    expected = {
        "If": (0, len(node.output)),
        "Loop": (len(node.input), len(node.output) + 1),
        "Scan": (len(node.input) - (version < 9), len(node.output)),
    }.get(node.op_type)
    if expected is None:
        return []
    return [
        f"its {attribute.name} has {found} {kind}, expected {count}"
        for attribute in node.attribute
        if attribute.HasField("g")
        for kind, found, count in (
            ("inputs", len(attribute.g.input), expected[0]),
            ("outputs", len(attribute.g.output), expected[1]),
        )
        if found != count
    ]


def _outline(node: onnx.NodeProto) -> onnx.NodeProto:
    """`node` with empty subgraphs and small tensors, which are checked elsewhere."""
    outline = onnx.NodeProto()
    outline.CopyFrom(node)
    for attribute in outline.attribute:
        if attribute.HasField("g"):
            attribute.g.CopyFrom(onnx.GraphProto(name="subgraph"))
        for graph in attribute.graphs:
            graph.CopyFrom(onnx.GraphProto(name="subgraph"))
        for tensor in ([attribute.t] if attribute.HasField("t") else []) + list(attribute.tensors):
            tensor.CopyFrom(onnx.TensorProto(data_type=onnx.TensorProto.FLOAT, dims=[0]))
    return outline
