"""Copies nodes under other names: how bodies of functions and branches come into the graph around them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import onnx

from tinsmith.compiler.shaping.graphs import canonical_domain, own_names, replace_nodes, subgraphs

Attributes = Mapping[str, onnx.AttributeProto]


class Names:
    """Hands out names that no value of the model has."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: defaultdict[str, int] = defaultdict(lambda: 2)

    def take(self, names: Iterable[str]) -> None:
        """Keeps `names` from being handed out."""
        self._taken.update(names)

    def fresh(self, wanted: str) -> str:
        """`wanted`, with a number behind it where it is taken."""
        name = wanted
        while name in self._taken:
            name = f"{wanted}.{self._next[wanted]}"
            self._next[wanted] += 1
        self._taken.add(name)
        return name


class Copier:
    """Copies nodes of one scope: renames what the scope defines, fills in the attributes of a call.

    `renamed` maps names of the scope to those of the copy; other names belong to the scopes around it and
    stay. Names that the copied nodes define are added to it, fresh ones with `prefix`, unless they are there.
    """

    def __init__(self, names: Names, renamed: dict[str, str], prefix: str = "") -> None:
        self._names = names
        self._renamed = renamed
        self._prefix = prefix

    def node(self, node: onnx.NodeProto, attributes: Attributes | None = None) -> onnx.NodeProto:
        """A copy of `node`; references to attributes of a function are replaced by those in `attributes`."""
        for name in node.output:
            if name and name not in self._renamed:
                self._renamed[name] = self._names.fresh(self._prefix + name)
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = self._prefix + node.name if node.name else ""
        copy.domain = canonical_domain(node.domain)
        copy.input[:] = [self._renamed.get(name, name) for name in node.input]
        copy.output[:] = [self._renamed.get(name, name) for name in node.output]
        if attributes is not None:
            _fill(copy, attributes)
        for attribute in copy.attribute:
            if attribute.HasField("g"):
                self._subgraph(attribute.g, attributes)
            for graph in attribute.graphs:
                self._subgraph(graph, attributes)
        return copy

    def _subgraph(self, graph: onnx.GraphProto, attributes: Attributes | None) -> None:
        """Renames `graph` in place. Its own names hide those around it; outputs become its own."""
        inner = dict(self._renamed)
        for name in own_names(graph):
            inner[name] = self._names.fresh(self._prefix + name)
        own = {inner[name] for name in own_names(graph)}
        for value in (*graph.input, *graph.initializer, *graph.output):
            value.name = inner.get(value.name, value.name)
        copier = Copier(self._names, inner, self._prefix)
        nodes = [copier.node(node, attributes) for node in graph.node]
        for value in graph.output:
            if value.name not in own:
                outer, value.name = value.name, self._names.fresh(f"{value.name}.output")
                nodes.append(onnx.helper.make_node("Identity", [outer], [value.name]))
        replace_nodes(graph, nodes)
        del graph.value_info[:]


def match_outputs(
    inner: Iterable[str], outer: Iterable[str], computed: Collection[str]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """How the outputs of a body become those of the node in whose place it comes.

    Gives the new names of outputs that nodes of the body compute, and pairs for the others, which are inputs
    of the body, values around it or repetitions: the second name is to be a copy of the first one's value.
    """
    renamed: dict[str, str] = {}
    passed_on = []
    for inner_name, outer_name in zip(inner, outer, strict=False):
        if outer_name and inner_name in computed and inner_name not in renamed:
            renamed[inner_name] = outer_name
        elif outer_name:
            passed_on.append((inner_name, outer_name))
    return renamed, passed_on


def rename_uses(nodes: Iterable[onnx.NodeProto], renamed: Mapping[str, str]) -> None:
    """Renames values in `nodes`, subgraphs included, of a model in which every name means one value."""
    for node in nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
        for graph in subgraphs(node):
            rename_uses(graph.node, renamed)
            for value in graph.output:
                value.name = renamed.get(value.name, value.name)


def _fill(node: onnx.NodeProto, attributes: Attributes) -> None:
    """An attribute that the call leaves out, and that has no default, is left out of the node too."""
    filled = []
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            filled.append(attribute)
        elif attribute.ref_attr_name in attributes:
            copy = onnx.AttributeProto()
            copy.CopyFrom(attributes[attribute.ref_attr_name])
            copy.name = attribute.name
            filled.append(copy)
    del node.attribute[:]
    node.attribute.extend(filled)
