"""Functions, of the model and of ONNX, replaced by their bodies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.graphs import (
    VERSIONED,
    FunctionKey,
    call_key,
    canonical_domain,
    function_key,
    node_name,
    nodes_within,
    opset_versions,
    own_names,
    replace_nodes,
    subgraphs,
)
from tinsmith.compiler.shaping.rename import Copier, Names, match_outputs

MAX_NODES = 200_000
"""Of a model, with every call of a function replaced by its body."""
MAX_DEPTH = 64
"""Functions that call one another in a chain."""
VERSION = "tinsmith.opset"
"""Key in the metadata of nodes that mean the operator of another version than the model imports."""

Functions = Mapping[FunctionKey, onnx.FunctionProto]


def check_functions(model: onnx.ModelProto, findings: Findings) -> None:
    """Notes functions defined twice, without end, of unreasonable size, and calls that do not fit."""
    for key, count in Counter(map(function_key, model.functions)).items():
        if count > 1:
            text = f"the function {shown(key[1])} of the domain {shown(key[0])} is defined {count} times"
            findings.damaged(text)
    functions = {function_key(function): function for function in model.functions}
    calls = {key: _calls(function.node, functions) for key, function in functions.items()}
    try:
        order = list(TopologicalSorter(calls).static_order())
    except CycleError as error:
        circle = " -> ".join(key[1][:80] for key in error.args[1][:10])
        findings.damaged(f"functions call one another without end: {circle}")
        return
    _check_size(model, functions, calls, order, findings)
    bodies = [("", model.graph.node)]
    bodies += [(f" of the function {shown(function.name)}", function.node) for function in model.functions]
    for where, nodes in bodies:
        for index, node in nodes_within(nodes):
            function = functions.get(call_key(node))
            if function is not None:
                _check_call(node, function, f"{node_name(node, index)}{where}", findings)


def expand_functions(model: onnx.ModelProto) -> None:
    """Replaces all calls in `model`, which `check_functions` approved, by the nodes of the functions.

    Afterwards no two values have one name, subgraphs included. Nodes that mean an operator of another
    version than `model` imports carry it in their metadata, see `VERSION`.
    """
    for _, node in (
        *nodes_within(model.graph.node),
        *(n for f in model.functions for n in nodes_within(f.node)),
    ):
        del node.metadata_props[:]
    imported = opset_versions(model.opset_import)
    for function in model.functions:
        versions = opset_versions(function.opset_import)
        _mark_versions(function, versions, imported)
        imported = {**versions, **imported}
    del model.opset_import[:]
    model.opset_import.extend(map(onnx.helper.make_opsetid, imported.keys(), imported.values()))
    expansion = _Expansion({function_key(function): function for function in model.functions})
    expansion.names.take(own_names(model.graph))
    copier = Copier(expansion.names, {name: name for name in own_names(model.graph)})
    replace_nodes(model.graph, expansion.expand(copier.node(node) for node in model.graph.node))
    del model.functions[:]


def expand_previews(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with operators of ai.onnx.preview replaced by the bodies that ONNX defines them with.

    Those whose body depends on types that are not declared stay.
    """
    used = {call_key(node)[:2] for _, node in nodes_within(model.graph.node)}
    previews = sorted(key for key in used if key[0] == "ai.onnx.preview")
    if not previews:
        return model
    try:
        return onnx.inliner.inline_selected_functions(model, previews, inline_schema_functions=True)
    except (RuntimeError, ValueError, DecodeError):
        return model


class _Expansion:
    """Replaces calls in copies of nodes."""

    def __init__(self, functions: Functions) -> None:
        self.names = Names()
        self._functions = functions

    def expand(self, nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
        for index, node in enumerate(nodes):
            function = self._functions.get(call_key(node))
            if function is not None:
                yield from self.expand(self._body(node, function, index))
                continue
            for inner in subgraphs(node):
                replace_nodes(inner, self.expand(inner.node))
            yield node

    def _body(
        self, call: onnx.NodeProto, function: onnx.FunctionProto, index: int
    ) -> Iterator[onnx.NodeProto]:
        """The nodes of `function` with the inputs, outputs and attributes of `call`."""
        computed = {name for node in function.node for name in node.output if name}
        renamed, passed_on = match_outputs(function.output, call.output, computed)
        renamed.update(dict.fromkeys(function.input, ""))
        renamed.update(zip(function.input, call.input, strict=False))
        attributes = {attribute.name: attribute for attribute in function.attribute_proto}
        attributes.update((attribute.name, attribute) for attribute in call.attribute)
        copier = Copier(self.names, renamed, f"{call.name or f'{function.name}.{index}'}/")
        for node in function.node:
            yield copier.node(node, attributes)
        for inner, outer in passed_on:
            yield onnx.helper.make_node("Identity", [renamed[inner]], [outer])


def _calls(nodes: Iterable[onnx.NodeProto], functions: Functions) -> Counter[FunctionKey]:
    return Counter(key for _, node in nodes_within(nodes) if (key := call_key(node)) in functions)


def _check_size(
    model: onnx.ModelProto,
    functions: Functions,
    calls: Mapping[FunctionKey, Counter[FunctionKey]],
    order: Iterable[FunctionKey],
    findings: Findings,
) -> None:
    """`order` has called functions before those that call them."""
    sizes: dict[FunctionKey, int] = {}
    depths: dict[FunctionKey, int] = {}
    for key in order:
        own = sum(1 for _ in nodes_within(functions[key].node))
        sizes[key] = own + sum(sizes[called] * count for called, count in calls[key].items())
        depths[key] = 1 + max((depths[called] for called in calls[key]), default=0)
    called = _calls(model.graph.node, functions)
    total = sum(1 for _ in nodes_within(model.graph.node)) + sum(sizes[k] * n for k, n in called.items())
    if total > MAX_NODES:
        findings.damaged(
            f"the model has {total:.6g} nodes, with functions expanded; expected at most {MAX_NODES}"
        )
    if max((depths[key] for key in called), default=0) > MAX_DEPTH:
        findings.damaged(f"functions call one another more than {MAX_DEPTH} deep")


def _check_call(node: onnx.NodeProto, function: onnx.FunctionProto, place: str, findings: Findings) -> None:
    for kind, found, expected in (
        ("inputs", len(node.input), len(function.input)),
        ("outputs", len(node.output), len(function.output)),
    ):
        if found > expected:
            findings.damaged(f"{place} has {found} {kind}, expected at most {expected}, as the function has")


def _mark_versions(
    function: onnx.FunctionProto, versions: Mapping[str, int], imported: Mapping[str, int]
) -> None:
    for _, node in nodes_within(function.node):
        domain = canonical_domain(node.domain)
        own, other = versions.get(domain), imported.get(domain)
        if domain not in VERSIONED or own is None or other is None or own == other:
            continue
        if _since(node.op_type, domain, own) != _since(node.op_type, domain, other):
            node.metadata_props.add(key=VERSION, value=str(own))


def _since(op_type: str, domain: str, version: int) -> int | None:
    """The version that brought the operator as it is in `version`; None where there is none."""
    try:
        return onnx.defs.get_schema(op_type, version, domain).since_version
    except onnx.defs.SchemaError:
        return None
