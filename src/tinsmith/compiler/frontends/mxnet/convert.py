"""Every node in its turn; what the model gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import onnx

from tinsmith.compiler.frontends.mxnet.inputs import Sources
from tinsmith.compiler.frontends.mxnet.node import RULES, AttributeProblem, Node, Unsupported
from tinsmith.compiler.frontends.mxnet.operators import load
from tinsmith.compiler.frontends.mxnet.params import Arrays
from tinsmith.compiler.frontends.mxnet.symbol import VARIABLE, Graph
from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.message import Message, ShapeError

LISTED = 20
"""Nodes that a refusal names for each operator."""

load()


def refuse_unknown(graph: Graph, findings: Findings) -> None:
    """Notes all operators that are not compiled, with their nodes."""
    unknown: defaultdict[str, list[str]] = defaultdict(list)
    for index in graph.reached():
        node = graph.nodes[index]
        if node.op != VARIABLE and node.op not in RULES:
            unknown[node.op[:120]].append(shown(node.name))
    if unknown:
        listed = "; ".join(
            f"{op} (node {', '.join(names[:LISTED])}{' and more' if len(names) > LISTED else ''})"
            for op, names in unknown.items()
        )
        findings.refused(f"The following operators are not supported for frontend MXNET: {listed}")


def convert(graph: Graph, arrays: Arrays, sources: Sources, findings: Findings) -> onnx.ModelProto:
    """The message. Stops with ClientError for nodes that do not fit their inputs or are not compiled."""
    names = _output_names(graph)
    message = Message("mxnet", sources.specs, names)
    values: dict[tuple[int, int], str] = {}
    own = {spec.name for spec in sources.specs}
    for index in graph.reached():
        node = graph.nodes[index]
        if node.op == VARIABLE:
            value = node.name if node.name in own else message.constant(arrays[node.name], node.name)
            values[index, 0] = value
            continue
        if any(source not in values for source in node.read):
            _note_missing(graph, index, values, findings)
            continue
        contents = tuple(arrays.get(graph.nodes[source].name) for source, _ in node.read)
        inputs = tuple(values[source] for source in node.read)
        call = Node(node.name, node.op, node.attributes, inputs, contents, message)
        try:
            outputs = RULES[node.op](call)
        except Unsupported as refusal:
            findings.refused(f"{node.place}: {refusal}")
            continue
        except (AttributeProblem, ShapeError) as problem:
            findings.damaged(f"{node.place}: {problem}{_operands(message, inputs)}")
            continue
        for number, output in enumerate((outputs,) if isinstance(outputs, str) else outputs):
            values[index, number] = output
    for index, number in graph.heads:
        if (index, number) not in values and not findings:
            findings.damaged(f"heads: {graph.nodes[index].place} has no output {number}")
    findings.stop()
    given = {name: values[head] for name, head in zip(names, graph.heads, strict=True)}
    model = message.model(given, "mxnet")
    model.producer_version = graph.version
    return model


def _note_missing(graph: Graph, index: int, values: object, findings: Findings) -> None:
    """Only where nothing else is wrong: what follows from another problem is no news."""
    if not findings:
        findings.damaged(f"{graph.nodes[index].place}: reads an output that the node it names has not")


def _operands(message: Message, inputs: Sequence[str]) -> str:
    shown_inputs = []
    for value in inputs[:8]:
        try:
            shown_inputs.append(f"{message.dtype(value)} {list(message.shape(value))}")
        except ShapeError:
            shown_inputs.append(f"{message.dtype(value)} of unknown size")
    return f"; its inputs are {', '.join(shown_inputs)}" if shown_inputs else ""


def _output_names(graph: Graph) -> list[str]:
    """As MXNet's list_outputs() names them, each once."""
    counts: dict[int, int] = defaultdict(int)
    for node in graph.nodes:
        for source, number in node.inputs:
            counts[source] = max(counts[source], number + 1)
    for index, number in graph.heads:
        counts[index] = max(counts[index], number + 1)
    names: list[str] = []
    for index, number in graph.heads:
        node = graph.nodes[index]
        if node.op == VARIABLE:
            name = node.name
        else:
            several = counts[index] > 1 or node.op in ("SliceChannel", "split", "_split_v2")
            name = f"{node.name}_output{number if several else ''}"
        while name in names:
            name += "_"
        names.append(name)
    return names
