"""Branches of an If that no run can take to its end, because the sizes of the inputs do not fit them.

An exporter that serves several input sizes by one graph leaves such branches behind. Inside one, the nodes
are replaced by a single node of the type `IMPOSSIBLE`, whose attribute `reason` says what does not fit: a run
that takes the branch has to fail. Its outputs have the types of those of the other branch.
"""

from __future__ import annotations

import onnx

from tinsmith.compiler.shaping.folding import Values
from tinsmith.compiler.shaping.graphs import (
    IMPOSSIBLE,
    OWN_DOMAIN,
    free_names,
    graphs,
    is_impossible,
    node_name,
    nodes_within,
    replace_nodes,
)
from tinsmith.compiler.shaping.inference import Types, misfit, shapes_of


def replace_impossible(model: onnx.ModelProto, types: Types, values: Values) -> bool:
    """Whether there was a new impossible branch in `model`: one of unknown shape that inference rejects."""
    shapes = shapes_of(types)
    found = False
    for _, node in nodes_within(model.graph.node):
        if node.op_type != "If" or all(name in shapes for name in node.output if name):
            continue
        branches = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
        reasons = [_reason(model, branch, types, values) for branch in branches]
        if len(branches) == 2 and reasons.count(None) == 1:
            branch, reason = next((b, r) for b, r in zip(branches, reasons, strict=True) if r is not None)
            outputs = [value.name for value in branch.output]
            node = onnx.helper.make_node(IMPOSSIBLE, [], outputs, domain=OWN_DOMAIN, reason=reason)
            replace_nodes(branch, [node])
            del branch.initializer[:]
            found = True
    return found


def describe_impossible(graph: onnx.GraphProto) -> list[str]:
    """A sentence for each impossible branch."""
    return [
        f"{node_name(node, index)}: its {attribute.name} cannot be computed with these input shapes; a run "
        f"that takes it fails: {onnx.helper.get_node_attr_value(attribute.g.node[0], 'reason').decode()}"
        for index, node in nodes_within(graph.node)
        for attribute in node.attribute
        if attribute.HasField("g") and is_impossible(attribute.g)
    ]


def _reason(model: onnx.ModelProto, branch: onnx.GraphProto, types: Types, values: Values) -> str | None:
    """What inference says against `branch`, None when it finds nothing."""
    if is_impossible(branch) or all(value.name in shapes_of(types) for value in branch.output):
        return None
    alone = onnx.ModelProto(ir_version=model.ir_version)
    alone.opset_import.extend(model.opset_import)
    alone.graph.CopyFrom(branch)
    own = {name for each in graphs(branch) for node in each.node for name in node.output}
    needed = set().union(*map(free_names, branch.node)) - own - {t.name for t in branch.initializer}
    for name in sorted(needed):
        alone.graph.input.add(name=name)
        if name in types:
            alone.graph.input[-1].type.CopyFrom(types[name])
        if name in values:
            alone.graph.initializer.append(onnx.numpy_helper.from_array(values[name], name))
    return misfit(alone, values)
