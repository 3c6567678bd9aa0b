"""The -symbol.json file: the nodes of a graph, in the spellings of all versions since 0.8."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinsmith.compiler.shaping.findings import Findings, shown

MAX_BYTES = 1 << 26
VARIABLE = "null"

Reference = tuple[int, int]
"""A node and one of its outputs."""

_OLD_STATES = {"BatchNorm": 3, "BatchNorm_v1": 3, "CuDNNBatchNorm": 3}
"""Operators whose states were no inputs before version 0.9, and how many inputs they had then."""
_STATES = ("moving_mean", "moving_var")

_TRAINING = {
    "SoftmaxOutput",
    "Softmax",
    "LinearRegressionOutput",
    "LogisticRegressionOutput",
    "MAERegressionOutput",
    "SVMOutput",
}
"""Heads of training: their second input is the label."""


@dataclass(frozen=True)
class Node:
    """A node, or a variable, whose op is "null"."""

    op: str
    name: str
    attributes: Mapping[str, str]
    inputs: tuple[Reference, ...]

    @property
    def place(self) -> str:
        """For errors."""
        return f"node {shown(self.name)} ({self.op[:120]})"

    @property
    def read(self) -> tuple[Reference, ...]:
        """The inputs that prediction needs: not the labels."""
        return self.inputs[:1] if self.op in _TRAINING else self.inputs


@dataclass(frozen=True)
class Graph:
    """A symbol."""

    nodes: tuple[Node, ...]
    """Each before those that read it."""
    heads: tuple[Reference, ...]
    version: str
    """Of MXNet, as far as the file tells."""

    def reached(self) -> list[int]:
        """The nodes that the outputs need, in order."""
        wanted = {index for index, _ in self.heads}
        for index in range(len(self.nodes) - 1, -1, -1):
            if index in wanted:
                wanted.update(source for source, _ in self.nodes[index].read)
        return sorted(wanted)


def parse(content: bytes, findings: Findings) -> Graph:
    """The graph of a file. Stops with ClientError for what is none."""
    document = _document(content, findings)
    nodes: list[Node] = []
    listed = document.get("nodes")
    if not isinstance(listed, list) or not listed:
        findings.damaged("no MXNet symbol: it has no list of nodes")
        findings.stop()
    places: list[int] = []  # old states shift the numbers of nodes
    for index, entry in enumerate(listed or ()):
        node = _node(index, entry, places, findings)
        if node is None:
            places.append(len(nodes))
            nodes.append(Node(VARIABLE, f"damaged{index}", {}, ()))
            continue
        missing = _OLD_STATES.get(node.op)
        if missing is not None and len(node.inputs) == missing:
            nodes += [Node(VARIABLE, f"{node.name}_{state}", {}, ()) for state in _STATES]
            states = ((len(nodes) - 2, 0), (len(nodes) - 1, 0))
            node = Node(node.op, node.name, node.attributes, (*node.inputs, *states))
        places.append(len(nodes))
        nodes.append(node)
    heads = _references("heads", document.get("heads"), places, findings)
    if not heads:
        findings.damaged("it has no heads, expected at least one output")
    findings.stop()
    return Graph(tuple(nodes), tuple(dict.fromkeys(heads)), _version(document))


def _document(content: bytes, findings: Findings) -> Mapping[str, Any]:
    document: Any = None
    if len(content) > MAX_BYTES:
        findings.damaged(f"{len(content)} bytes, expected at most {MAX_BYTES}")
    else:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as error:
            findings.damaged(f"no JSON, or cut or damaged: {str(error)[:100]}")
    findings.stop()
    if not isinstance(document, dict):
        findings.damaged("no MXNet symbol: expected a JSON object with nodes and heads")
        findings.stop()
    found: Mapping[str, Any] = document
    return found


def _node(index: int, entry: Any, places: list[int], findings: Findings) -> Node | None:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("op", "name")):
        findings.damaged(f"node {index}: expected an object with the texts op and name")
        return None
    attributes: dict[str, str] = {}
    for key in ("param", "attr", "attrs"):
        given = entry.get(key)
        if given is not None and not isinstance(given, dict):
            findings.damaged(f"node {index} ({shown(entry['name'])}): {key} is no object")
        elif given:
            attributes |= {str(name): str(value) for name, value in given.items()}
    if entry.get("subgraphs"):
        findings.refused(
            f"node {index} ({shown(entry['name'])}): {entry['op'][:60]} with subgraphs is not compiled"
        )
    inputs = _references(f"node {index} ({shown(entry['name'])})", entry.get("inputs", []), places, findings)
    return Node(entry["op"], entry["name"], attributes, inputs)


def _references(what: str, given: Any, places: list[int], findings: Findings) -> tuple[Reference, ...]:
    """Pairs of node and output; a third number, of a version, is passed over."""
    found = []
    for item in given if isinstance(given, list) else ():
        if (
            not isinstance(item, list)
            or len(item) < 2
            or not all(isinstance(number, int) for number in item[:2])
            or not 0 <= item[0] < len(places)
            or not 0 <= item[1] < 4096
        ):
            findings.damaged(
                f"{what}: reads {str(item)[:60]}, expected an output of one of the nodes before it. Possible "
                "cycles in the graph"
            )
            continue
        found.append((places[item[0]], item[1]))
    return tuple(found)


def _version(document: Mapping[str, Any]) -> str:
    attributes = document.get("attrs")
    found = attributes.get("mxnet_version") if isinstance(attributes, dict) else None
    if isinstance(found, list) and len(found) == 2 and isinstance(found[1], int):
        return f"{found[1] // 10000}.{found[1] // 100 % 100}.{found[1] % 100}"
    return ""
