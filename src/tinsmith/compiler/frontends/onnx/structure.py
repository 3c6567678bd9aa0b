"""Walks over everything in a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from tinsmith.compiler.frontends.onnx.findings import Findings, shown
from tinsmith.compiler.frontends.onnx.tensors import Tensors, Weights, attribute_tensors


def detach_weights(model: onnx.ModelProto, folder: Path, findings: Findings) -> tuple[Weights, set[str]]:
    tensors = Tensors(folder, findings)
    for graph in graphs(model.graph):
        for tensor in graph.initializer:
            tensors.detach(tensor, f"initializer {shown(tensor.name)}")
        for index, node in enumerate(graph.node):
            for tensor in attribute_tensors(node):
                tensors.detach(tensor, f"tensor of {node_name(node, index)}")
    return tensors.weights, tensors.files


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """`graph` and all its subgraphs."""
    yield graph
    for node in graph.node:
        for subgraph in subgraphs(node):
            yield from graphs(subgraph)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Those of the attributes of `node`."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def node_name(node: onnx.NodeProto, index: int) -> str:
    """How errors call a node: by its name, else by its place."""
    op_type = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    return f"node {shown(node.name)} ({op_type[:80]})" if node.name else f"node {index} ({op_type[:80]})"
