"""Checks what holds a graph together: every name is defined once, and before its use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, MutableSequence
from graphlib import CycleError, TopologicalSorter

import onnx

from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.graphs import free_names, node_name, own_names, subgraphs


def check_structure(model: onnx.ModelProto, findings: Findings) -> None:
    """Notes contradictions in the graph and functions of `model`; sorts nodes that precede what they use."""
    _check_graph(model.graph, frozenset(), "", findings)
    for function in model.functions:
        _check_function(function, f" of the function {shown(function.name)}", findings)


def _check_graph(graph: onnx.GraphProto, outer: Collection[str], where: str, findings: Findings) -> None:
    """`outer` are the names that the graph sees from inside others; `where` follows names in errors."""
    for sparse in graph.sparse_initializer:
        findings.refused(f"sparse initializer {shown(sparse.values.name)}{where}: expected a dense tensor")
    constants = [tensor.name for tensor in graph.initializer]
    if not all(constants) or not all(value.name for value in graph.input):
        findings.damaged(f"an input or initializer{where} has no name")
    _check_once(constants, f"initializer{where}", findings)
    _check_once(own_names(graph), f"value{where}", findings)
    if not outer:
        _check_once([value.name for value in graph.output], "output", findings)
    visible = set(own_names(graph)).union(outer)
    _check_nodes(graph.node, visible, where, findings)
    _check_outputs([value.name for value in graph.output], visible, where, findings)


def _check_function(function: onnx.FunctionProto, where: str, findings: Findings) -> None:
    names = [*function.input, *(name for node in function.node for name in node.output if name)]
    _check_once(names, f"value{where}", findings)
    _check_nodes(function.node, set(names), where, findings)
    _check_outputs(function.output, set(names), where, findings)


def _check_outputs(outputs: Iterable[str], visible: set[str], where: str, findings: Findings) -> None:
    for name in outputs:
        if name not in visible:
            findings.damaged(f"the output {shown(name)}{where} is computed by no node")


def _check_nodes(
    nodes: MutableSequence[onnx.NodeProto], visible: set[str], where: str, findings: Findings
) -> None:
    for index, node in enumerate(nodes):
        place = f"{node_name(node, index)}{where}"
        for name in dict.fromkeys(node.input):
            if name and name not in visible:
                findings.damaged(f"{place}: its input {shown(name)} is computed by no node")
        for inner in subgraphs(node):
            _check_graph(inner, visible, f" in a subgraph of {place}", findings)
    _sort(nodes, where, findings)


def _sort(nodes: MutableSequence[onnx.NodeProto], where: str, findings: Findings) -> None:
    """Moves nodes behind what they use; an order that is right stays."""
    producer = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needs = [{producer[name] for name in free_names(node) if name in producer} for node in nodes]
    if all(max(before, default=-1) < index for index, before in enumerate(needs)):
        return
    try:
        order = list(TopologicalSorter(dict(enumerate(needs))).static_order())
    except CycleError as error:
        circle = ", ".join(node_name(nodes[index], index) for index in error.args[1][:10])
        findings.damaged(f"nodes{where} wait for one another in a circle: {circle}")
        return
    content = [nodes[index].SerializeToString() for index in order]
    for node, bytes_of_node in zip(nodes, content, strict=True):
        node.ParseFromString(bytes_of_node)


def _check_once(names: Iterable[str], what: str, findings: Findings) -> None:
    for name, count in Counter(names).items():
        if name and count > 1:
            findings.damaged(f"the {what} {shown(name)} is defined {count} times, expected once")
