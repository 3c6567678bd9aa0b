"""What the input shapes decide: conditions are taken, shapes of values inferred, dead nodes dropped."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from tinsmith.compiler.shaping.constants import known_values
from tinsmith.compiler.shaping.folding import Values
from tinsmith.compiler.shaping.graphs import (
    OWN_DOMAIN,
    canonical_domain,
    free_names,
    graphs,
    is_impossible,
    nodes_within,
    opset_versions,
    replace_nodes,
    subgraphs,
)
from tinsmith.compiler.shaping.impossible import replace_impossible
from tinsmith.compiler.shaping.inference import Types, infer_types
from tinsmith.compiler.shaping.rename import match_outputs, rename_uses

ROUNDS = 200
"""Each round of inference learns from constants and branches of the one before; real models take ten."""
BUDGET = 400_000
"""Nodes that all rounds together may look at, after the first few."""


def specialise(model: onnx.ModelProto) -> Types:
    """Replaces every If of `model` whose condition is known by its branch, removes nodes that no output
    needs, and returns what is then known of the types of all values. A branch that cannot be computed with
    these inputs becomes a node that says so, see `impossible`.

    The inputs of `model` have fixed shapes and no two of its values share a name.
    """
    imported = opset_versions(model.opset_import)
    remove_dead_nodes(model.graph)
    values: Values = {}
    nodes = sum(1 for _ in nodes_within(model.graph.node))
    for _ in range(min(ROUNDS, max(4, BUDGET // max(1, nodes)))):
        types = infer_types(model, values)
        found = known_values(model, types, imported, values)
        taken = _take_branches(model.graph, found)
        if not taken and found.keys() == values.keys() and not replace_impossible(model, types, values):
            break
        values = found
        remove_dead_nodes(model.graph)
    if any(map(is_impossible, graphs(model.graph))):
        model.opset_import.add(domain=OWN_DOMAIN, version=1)
    return types


def remove_dead_nodes(graph: onnx.GraphProto) -> None:
    """Removes nodes and initializers that no output of `graph` needs, in its subgraphs too."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.isdisjoint(node.output):
            continue
        for inner in subgraphs(node):
            remove_dead_nodes(inner)
        needed |= free_names(node)
        kept.append(node)
    if len(kept) < len(graph.node):
        replace_nodes(graph, reversed(kept))
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    if len(constants) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(constants)


def _take_branches(graph: onnx.GraphProto, values: Values) -> bool:
    """Whether there was an If with a known condition in `graph` or inside it."""
    taken = False
    new: list[onnx.NodeProto] = []
    for node in graph.node:
        branch = _branch(node, values)
        if branch is not None:
            graph.initializer.extend(branch.initializer)
            new += _spliced(node, branch)
            taken = True
            continue
        for inner in subgraphs(node):
            taken = _take_branches(inner, values) or taken
        new.append(node)
    if taken:
        replace_nodes(graph, new)
    return taken


def _branch(node: onnx.NodeProto, values: Values) -> onnx.GraphProto | None:
    if node.op_type != "If" or canonical_domain(node.domain) or node.input[0] not in values:
        return None
    condition = values[node.input[0]]
    if condition.size != 1:
        return None
    wanted = "then_branch" if condition.item() else "else_branch"
    branch = next(attribute.g for attribute in node.attribute if attribute.name == wanted)
    return branch if len(branch.output) == len(node.output) else None


def _spliced(node: onnx.NodeProto, branch: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of `branch`, computing the outputs of `node`."""
    computed = {name for inner in branch.node for name in inner.output}
    outputs = [value.name for value in branch.output]
    renamed, passed_on = match_outputs(outputs, node.output, computed)
    rename_uses(branch.node, renamed)
    yield from branch.node
    for inner, outer in passed_on:
        name = f"{node.name or 'If'}/{outer}"
        yield onnx.helper.make_node("Identity", [renamed.get(inner, inner)], [outer], name=name)
