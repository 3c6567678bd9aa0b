"""The exporters' ONNX messages in the words of the user's model."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from tinsmith.compiler.frontends.pytorch.inputs import Wanted
from tinsmith.compiler.shaping.rename import rename_uses

HOLDER = "/model"
"""The exported module is a submodule of one of ours."""
_SCOPES = "pkg.torch.onnx.name_scopes"


def tidy(model: onnx.ModelProto, inputs: Sequence[Wanted], outputs: Sequence[str]) -> None:
    """Gives inputs their names and shapes, outputs their names, and nodes the paths of their layers."""
    graph = model.graph
    for node in graph.node:
        node.name = _layer_name(node)
    given = list(graph.input)
    if len(given) < len(inputs):  # the exporter of TorchScript, which knows the names, leaves out unused ones
        by_name = {value.name: value for value in given}
        given = [by_name.get(item.name or "", onnx.ValueInfoProto(name=item.name)) for item in inputs]
    renamed = {value.name: item.name or "" for value, item in zip(given, inputs, strict=True)}
    _make_room(graph, {*renamed.values(), *outputs}, set(renamed), outputs)
    rename_uses(graph.node, {old: new for old, new in renamed.items() if old != new})
    declared = [_declared(value, item, renamed) for value, item in zip(given, inputs, strict=True)]
    for value in graph.output:
        value.name = renamed.get(value.name, value.name)
    del graph.input[:]
    graph.input.extend(declared)
    _name_outputs(graph, outputs)


def _declared(value: onnx.ValueInfoProto, item: Wanted, renamed: Mapping[str, str]) -> onnx.ValueInfoProto:
    kind = value.type.tensor_type.elem_type or onnx.helper.np_dtype_to_tensor_dtype(np.dtype(item.dtype))
    return onnx.helper.make_tensor_value_info(renamed[value.name], kind, item.shape)


def _layer_name(node: onnx.NodeProto) -> str:
    """`/layer1/0/conv1/Conv`, as PyTorch's exporter of TorchScript writes it."""
    if node.name.startswith(f"{HOLDER}/"):
        return node.name.removeprefix(HOLDER)
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            scopes = ast.literal_eval(entry.value)
            path = [str(scope) for scope in scopes[:-1] if scope]
            return "/".join(["", *(path[-1].split(".") if path else ()), node.name])
    return node.name


def _make_room(graph: onnx.GraphProto, names: set[str], inputs: set[str], outputs: Sequence[str]) -> None:
    """Gives other names to values within the graph that have one of `names`, which others shall have."""
    right = {value.name for value, name in zip(graph.output, outputs, strict=True) if value.name == name}
    taken = {name for node in graph.node for name in node.output} | {item.name for item in graph.initializer}
    others = {name: f"{name}.inner" for name in taken & names - inputs - right}
    rename_uses(graph.node, others)
    for item in (*graph.initializer, *graph.value_info, *graph.output):
        item.name = others.get(item.name, item.name)


def _name_outputs(graph: onnx.GraphProto, outputs: Sequence[str]) -> None:
    """Copies each value to an output of its name, unless it has that already."""
    for value, name in zip(graph.output, outputs, strict=True):
        if value.name != name:
            graph.node.append(onnx.helper.make_node("Identity", [value.name], [name], name=f"/{name}"))
            value.name = name
