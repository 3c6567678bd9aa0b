"""Types and shapes of the values of a model, as far as ONNX's own inference knows them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.shaping.folding import Values
from tinsmith.compiler.shaping.functions import VERSION
from tinsmith.compiler.shaping.graphs import (
    graphs,
    is_impossible,
    nodes_within,
    opset_versions,
    replace_nodes,
    subgraphs,
)

Types = dict[str, onnx.TypeProto]
"""By name of the value; sizes that are not known have no dim_value."""
Shapes = dict[str, tuple[int | None, ...]]
"""Of those whose rank is known; None for sizes that are not."""

_ERROR = re.compile(r"\(op_type: ?(\w+), node name: ([^)]*)\): (?:\[\w+\] )?([^(\[]+)")
_HIDDEN = "tinsmith.hidden"
_FAILURES = (
    *(onnx.shape_inference.InferenceError, DecodeError, EncodeError),
    *(RuntimeError, ValueError, TypeError, IndexError, MemoryError, OverflowError),
)


def fix_inputs(graph: onnx.GraphProto, specs: Sequence[TensorSpec]) -> None:
    """Makes `specs` the inputs of `graph` and forgets what it says of other values: sizes are open."""
    _forget_types(graph)
    types = {value.name: value.type.tensor_type.elem_type for value in graph.input}
    del graph.input[:]
    graph.input.extend(
        onnx.helper.make_tensor_value_info(spec.name, types[spec.name], spec.shape) for spec in specs
    )


def infer_types(model: onnx.ModelProto, values: Values) -> Types:
    """The types of all values that have one; `values` are known beforehand. No two values share a name."""
    # Not with data_prop: it writes every element of a vector down, be there a thousand million of them.
    copy = _simplified(model, values)
    aliases = _skip_impossible(copy)
    with suppress(*_FAILURES):  # then the types of inputs and initializers are all that is known
        copy = onnx.shape_inference.infer_shapes(copy, check_type=False, strict_mode=False)
    types: Types = {}
    for graph in graphs(copy.graph):
        for value in (*graph.output, *graph.input, *graph.value_info):
            if value.type.WhichOneof("value") is not None:
                types[value.name] = value.type
        for tensor in graph.initializer:
            types[tensor.name] = onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    types.update((name, types[other]) for name, other in aliases.items() if other in types)
    return types


def infer_node(node: onnx.NodeProto, types: Types, values: Values, version: int) -> Types:
    """The types of the outputs of `node`, an operator of `version` of ai.onnx without subgraphs, as far as
    those of its inputs tell them."""
    given = [name for name in dict.fromkeys(node.input) if name]
    if any(name not in types for name in given):
        return {}
    try:
        return onnx.shape_inference.infer_node_outputs(
            onnx.defs.get_schema(node.op_type, version),
            node,
            {name: types[name] for name in given},
            {name: onnx.numpy_helper.from_array(values[name], name) for name in given if name in values},
            opset_imports=[onnx.helper.make_opsetid("", version)],
        )
    except (onnx.defs.SchemaError, onnx.checker.ValidationError, *_FAILURES):
        return {}


def misfit(model: onnx.ModelProto, values: Values) -> str | None:
    """What the strict rules of inference find wrong in `model`; None when they find nothing."""
    try:
        onnx.shape_inference.infer_shapes(_simplified(model, values), strict_mode=True)
    except onnx.shape_inference.InferenceError as error:
        return _first(str(error))
    except _FAILURES:
        return None
    return None


def _first(text: str) -> str:
    """The innermost of the nested errors that inference prints after one another."""
    found = _ERROR.search(" ".join(text.split()))
    return f"node {found[2]!r} ({found[1]}): {found[3]}"[:300] if found else text[:300]


def shapes_of(types: Mapping[str, onnx.TypeProto]) -> Shapes:
    """The shapes of tensors whose number of dimensions is known."""
    return {
        name: tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
        for name, tensor in ((name, value.tensor_type) for name, value in types.items())
        if tensor.HasField("shape")
    }


def note_types(graph: onnx.GraphProto, types: Types) -> None:
    """Writes `types` into `graph` and its subgraphs."""
    for each in graphs(graph):
        for value in (*each.output, *each.input):
            if value.name in types:
                value.type.CopyFrom(types[value.name])
        noted = {value.name for value in (*each.output, *each.input)}
        names = [name for node in each.node for name in node.output if name in types and name not in noted]
        del each.value_info[:]
        each.value_info.extend(onnx.ValueInfoProto(name=name, type=types[name]) for name in names)


def _forget_types(graph: onnx.GraphProto) -> None:
    """Removes what `graph` and its subgraphs say of values, except for the types of inputs.

    The counter and the condition of a Loop have one element, as a scalar or a vector: that stays.
    """
    loops = [node for _, node in nodes_within(graph.node) if node.op_type == "Loop"]
    control = {value.name for node in loops for body in subgraphs(node) for value in body.input[:2]}
    for each in graphs(graph):
        del each.value_info[:]
        for value in each.input:
            if value.type.HasField("tensor_type") and value.name not in control:
                value.type.tensor_type.ClearField("shape")
        for value in each.output:
            value.ClearField("type")


def _simplified(model: onnx.ModelProto, values: Values) -> onnx.ModelProto:
    """A copy whose known values are constants, and all of whose operators are of the versions it imports."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _put_constants(copy.graph, values)
    for _, node in nodes_within(copy.graph.node):
        version = next((entry.value for entry in node.metadata_props if entry.key == VERSION), None)
        if version is not None:
            _make_call(node, int(version), copy)
    used = {node.domain for _, node in nodes_within(copy.graph.node)}
    for domain in sorted(used - opset_versions(copy.opset_import).keys()):
        copy.opset_import.add(domain=domain, version=1)
    return copy


def _make_call(node: onnx.NodeProto, version: int, model: onnx.ModelProto) -> None:
    """Makes `node` call a function of `model` that holds nothing but `node`, of another opset `version`.

    What has subgraphs, which see more than the inputs of the function, becomes an unknown operator.
    """
    function = model.functions.add(domain=_HIDDEN, name=f"{node.op_type}.{len(model.functions)}")
    function.opset_import.add(domain=node.domain, version=version)
    function.input.extend(dict.fromkeys(filter(None, node.input)))
    function.output.extend(filter(None, node.output))
    if next(subgraphs(node), None) is None:
        function.node.append(node)
    else:
        del model.functions[-1]
    node.CopyFrom(onnx.helper.make_node(function.name, function.input, function.output, domain=_HIDDEN))


def _skip_impossible(model: onnx.ModelProto) -> dict[str, str]:
    """Puts the possible branch of an If in the place of the other; gives the names of its outputs there."""
    aliases: dict[str, str] = {}
    for _, node in nodes_within(model.graph.node):
        branches = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
        for branch, other in zip(branches, reversed(branches), strict=True):
            if is_impossible(branch) and not is_impossible(other):
                aliases.update(
                    zip((v.name for v in branch.output), (v.name for v in other.output), strict=False)
                )
                branch.CopyFrom(other)
    return aliases


def _put_constants(graph: onnx.GraphProto, values: Values) -> None:
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "Constant" and all(name in values for name in node.output if name):
            nodes += _constants((name for name in node.output if name), values)
            continue
        for inner in subgraphs(node):
            _put_constants(inner, values)
        nodes.append(node)
    replace_nodes(graph, nodes)


def _constants(names: Iterable[str], values: Values) -> list[onnx.NodeProto]:
    return [
        onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(values[name]))
        for name in names
    ]
