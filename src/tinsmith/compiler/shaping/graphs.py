"""Walking through the graphs of a model: nodes, subgraphs, the names they see, how errors call them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

from tinsmith.compiler.shaping.findings import shown

VERSIONED = {"": "ai.onnx", "ai.onnx.ml": "ai.onnx.ml"}
"""The domains whose operators may be compiled, and how errors call them."""
OWN_DOMAIN = "tinsmith"
IMPOSSIBLE = "Impossible"
"""The one operator that is not of ONNX: see the module of that name."""

FunctionKey = tuple[str, str, str]
"""Domain, name and overload."""


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """`graph` and all graphs inside it, outer ones first."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from graphs(inner)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs among the attributes of `node`."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def nodes_within(nodes: Iterable[onnx.NodeProto]) -> Iterator[tuple[int, onnx.NodeProto]]:
    """`nodes` and all nodes inside them, each with its place in its own graph."""
    for index, node in enumerate(nodes):
        yield index, node
        for inner in subgraphs(node):
            yield from nodes_within(inner.node)


def free_names(node: onnx.NodeProto) -> set[str]:
    """The values that `node` takes from its graph or those around it, also inside its subgraphs."""
    names = set(node.input)
    for inner in subgraphs(node):
        taken = {output.name for output in inner.output}.union(*map(free_names, inner.node))
        names |= taken.difference(own_names(inner))
    names.discard("")
    return names


def own_names(graph: onnx.GraphProto) -> Iterator[str]:
    """The values that `graph` itself defines, each once unless defined twice; subgraphs not included.

    An initializer may give an input its value.
    """
    inputs = {value.name for value in graph.input}
    yield from (value.name for value in graph.input)
    yield from (tensor.name for tensor in graph.initializer if tensor.name not in inputs)
    for node in graph.node:
        yield from filter(None, node.output)


def replace_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Makes copies of `nodes`, which may be some of its own, the nodes of `graph`."""
    new = list(nodes)
    del graph.node[:]
    graph.node.extend(new)


def is_impossible(graph: onnx.GraphProto) -> bool:
    """Whether `graph` is a branch that cannot be computed."""
    return any(node.domain == OWN_DOMAIN for node in graph.node)


def call_key(node: onnx.NodeProto) -> FunctionKey:
    """The function that `node` calls if the model has one of that name."""
    return canonical_domain(node.domain), node.op_type, node.overload


def function_key(function: onnx.FunctionProto) -> FunctionKey:
    """How nodes refer to `function`."""
    return canonical_domain(function.domain), function.name, function.overload


def canonical_domain(domain: str) -> str:
    """The default domain has two spellings."""
    return "" if domain == "ai.onnx" else domain


def opset_versions(imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """Version by domain of a model's or function's opset imports."""
    versions: dict[str, int] = {}
    for entry in imports:
        domain = canonical_domain(entry.domain)
        versions[domain] = max(entry.version, versions.get(domain, 0))
    return versions


def operator_name(node: onnx.NodeProto) -> str:
    """The type of `node` with its domain, where that is not the default one."""
    domain = canonical_domain(node.domain)
    return (f"{domain}.{node.op_type}" if domain else node.op_type)[:120]


def node_name(node: onnx.NodeProto, index: int) -> str:
    """How errors call a node: by its name, else by its place in its graph."""
    if node.name:
        return f"node {shown(node.name)} ({operator_name(node)})"
    return f"node {index} ({operator_name(node)})"
