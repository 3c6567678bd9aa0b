"""A TFLite model as an ONNX message: operators that are not known are listed, then each becomes its nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper

from tinsmith.compiler.frontends.tflite import schema
from tinsmith.compiler.frontends.tflite.graph import TYPES, Graph, Message, Operand, Refusal, declare
from tinsmith.compiler.frontends.tflite.layer import Arranged, Layer, Result
from tinsmith.compiler.frontends.tflite.model import Model, Operator, Subgraph, Tensor
from tinsmith.compiler.frontends.tflite.registry import Rule, find
from tinsmith.compiler.shaping.findings import Findings, shown

OPSET = 26
LISTED = 20
"""Operators that a refusal names of each kind."""
DEEPEST = 16
"""Subgraphs inside one another."""
MOST_ENTERED = 1000
"""Subgraphs that operators run, each time counted."""

_MISFITS = (ValueError, TypeError, IndexError, KeyError, OverflowError, ZeroDivisionError)
"""What numpy and Python say of shapes and numbers that contradict one another."""
_ACTIVATIONS = {"RELU": (0, None), "RELU_N1_TO_1": (-1, 1), "RELU6": (0, 6)}


def convert(model: Model, findings: Findings) -> tuple[onnx.ModelProto, list[str]]:
    """The message, and what the customer should know. Raises ClientError with everything that is refused."""
    refuse_unknown_operators(model, findings)
    findings.stop()
    message, main = Message(model, findings), model.subgraphs[0]
    if model.other_signatures:
        left = ", ".join(map(shown, model.other_signatures))
        message.warnings.append(f"the first subgraph is compiled, the signatures {left} are left out")
    graph = Graph(message, main)
    inputs = [declare_input(graph, index) for index in dict.fromkeys(main.inputs)]
    names = _output_names(message, main)
    convert_operators(graph)
    findings.stop()
    outputs = [_output(graph, index, name) for index, name in zip(main.outputs, names, strict=True)]
    for state in message.states.values():
        if state.changed:
            inputs.append(declare(state.name, state.dtype, state.shape))
            name = message.fresh(f"{state.name}:next")
            graph.nodes.append(_identity(graph.name(state.value, name), name))
            outputs.append(declare(name, state.dtype, state.shape))
    findings.stop()
    proto = helper.make_graph(graph.nodes, "TFLite network", inputs, outputs, message.initializers)
    made = helper.make_model(
        proto, opset_imports=[helper.make_opsetid("", OPSET)], producer_name=model.description[:100]
    )
    return made, message.warnings


def refuse_unknown_operators(model: Model, findings: Findings) -> None:
    """Notes every kind of operator that is not compiled, with its operators."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for operator, subgraph in ((op, graph) for graph in _running(model) for op in graph.operators):
        if find(operator.kind, operator.is_custom) is None:
            kind = operator.kind if not operator.is_custom else f"custom operator {operator.kind[:80]}"
            found[kind].append(_place(operator, subgraph))
    if not found:
        return
    kinds = ", ".join(repr(kind) for kind in found)
    findings.refused(f"The following operators are not implemented: {{{kinds}}}")
    for kind, places in found.items():
        more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
        advice = (
            "; it is one of TensorFlow's own, convert without SELECT_TF_OPS"
            if kind.startswith("custom operator Flex")
            else ""
        )
        findings.refused(f"{kind}: {', '.join(places[:LISTED])}{more}{advice}")


def _running(model: Model) -> list[Subgraph]:
    """The first subgraph and those that it runs, directly or not."""
    numbers = [0]
    for number in numbers:
        for operator in model.subgraphs[number].operators:
            called = {int(operator.options.get(option, 0)) for option in schema.SUBGRAPHS}
            numbers += [n for n in sorted(called) if 0 < n < len(model.subgraphs) and n not in numbers]
    return [model.subgraphs[number] for number in numbers]


def convert_operators(graph: Graph) -> None:
    """Adds the nodes of every operator; what is refused is noted."""
    for operator in graph.subgraph.operators:
        rule = find(operator.kind, operator.is_custom)
        assert rule is not None
        try:
            _convert(graph, operator, rule)
        except Refusal as refusal:
            graph.message.findings.refused(f"{_place(operator, graph.subgraph)}: {refusal}")
        except _MISFITS as error:
            text = f"{_place(operator, graph.subgraph)}: its inputs and options do not fit together"
            graph.message.findings.damaged(f"{text}: {str(error)[:200]}")
        for index in operator.outputs:
            graph.values.setdefault(index, "")


def enter(layer: Layer, number: int) -> Graph:
    """A graph for subgraph `number`, its operators still to be converted."""
    message = layer.graph.message
    message.entered += 1
    if not 0 < number < len(message.model.subgraphs):
        raise Refusal(f"it runs subgraph {number}, expected one of 1 to {len(message.model.subgraphs) - 1}")
    if layer.graph.depth >= DEEPEST or message.entered > MOST_ENTERED:
        raise Refusal("subgraphs that run one another without end")
    return Graph(message, message.model.subgraphs[number], layer.graph)


def inline(graph: Graph, layer: Layer, number: int, arguments: Sequence[Operand]) -> list[Operand]:
    """Adds the nodes of subgraph `number` to `graph`; gives its outputs."""
    inner = enter(layer, number)
    wanted = inner.subgraph.inputs
    if len(arguments) != len(wanted):
        raise Refusal(f"it gives {len(arguments)} values to subgraph {number}, expected {len(wanted)}")
    inner.nodes = graph.nodes
    inner.values.update(zip(wanted, arguments, strict=True))
    convert_operators(inner)
    return results_of(inner)


def results_of(graph: Graph) -> list[Operand]:
    """What the outputs of a converted subgraph hold."""
    return [graph.stored(graph.subgraph.tensors[index]) for index in graph.subgraph.outputs]


def finish(graph: Graph, inputs: Sequence[onnx.ValueInfoProto], values: Sequence[Operand]) -> onnx.GraphProto:
    """The body with `values` as its outputs."""
    name = graph.subgraph.name or "subgraph"
    outputs = []
    for value in values:
        result = graph.message.fresh(f"{name}/output")
        graph.nodes.append(_identity(graph.name(value, name), result))
        outputs.append(onnx.ValueInfoProto(name=result))
    return helper.make_graph(graph.nodes, name, inputs, outputs)


def _output_names(message: Message, subgraph: Subgraph) -> list[str]:
    return [message.fresh(tensor_name(subgraph.tensors[index])) for index in subgraph.outputs]


def tensor_name(tensor: Tensor) -> str:
    """How inputs and outputs are called."""
    return tensor.name or f"tensor_{tensor.index}"


def declare_input(graph: Graph, index: int) -> onnx.ValueInfoProto:
    """Makes tensor `index` an input of `graph`."""
    tensor = graph.subgraph.tensors[index]
    name = graph.message.fresh(tensor_name(tensor))
    graph.values[index] = name
    if tensor.dtype not in TYPES:
        graph.message.findings.refused(
            f"{tensor.dtype} input: the model has the input {shown(name)}, which is not compiled"
        )
        return declare(name, "float32", tensor.shape)
    return declare(name, tensor.dtype, tensor.shape)


def _output(graph: Graph, index: int, name: str) -> onnx.ValueInfoProto:
    tensor = graph.subgraph.tensors[index]
    try:
        value = graph.name(graph.stored(tensor), name)
    except Refusal:
        graph.message.findings.damaged(f"the output {shown(name)} is computed by no operator")
        value = ""
    graph.nodes.append(_identity(value, name))
    if tensor.dtype not in TYPES:
        graph.message.findings.refused(
            f"{tensor.dtype} output: the model has the output {shown(name)}, which is not compiled"
        )
        return declare(name, "float32", None)
    return helper.make_tensor_value_info(name, TYPES[tensor.dtype], None)


def _identity(value: str, name: str) -> onnx.NodeProto:
    return helper.make_node("Identity", [value], [name], name=name)


def _convert(graph: Graph, operator: Operator, rule: Rule) -> None:
    activation = schema.ACTIVATIONS[0]
    if rule.activates:
        number = int(operator.options.get("activation", 0))
        known = 0 <= number < len(schema.ACTIVATIONS)
        activation = schema.ACTIVATIONS[number] if known else f"number {number}"
    layer = Layer(graph, operator, rule.moves and activation == "NONE" and _one_scale(graph, operator))
    results = rule.convert(layer)
    results = results if isinstance(results, tuple) else (results,)
    if len(results) < len(layer.outputs):
        raise Refusal(f"it has {len(layer.outputs)} outputs, expected {len(results)}")
    for tensor, result in zip(layer.outputs, results, strict=False):
        graph.values[tensor.index] = _stored(layer, tensor, result, activation)


def _one_scale(graph: Graph, operator: Operator) -> bool:
    tensors = [graph.subgraph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
    forms = [tensor.quantization for tensor in tensors if tensor.is_quantised and tensor.dtype != "int32"]
    return all(form is not None and form.same(forms[0]) for form in forms)


def _stored(layer: Layer, tensor: Tensor, result: Result, activation: str) -> Operand:
    """What the tensor holds: the result behind its activation, as integers where the tensor is quantised."""
    order = result.order if isinstance(result, Arranged) else None
    value = result.value if isinstance(result, Arranged) else result
    if isinstance(value, np.ndarray):
        if activation == "NONE" and (value.dtype.name == tensor.dtype or not tensor.is_quantised):
            return value
        value = layer.put(value)
    if activation == "TANH":
        raise Refusal("its fused activation is TANH, which LiteRT leaves out; make it a layer of its own")
    if activation != "NONE":
        value = activate(layer, value, activation, tensor.dtype)
    if tensor.is_quantised and tensor.dtype != "int32" and not layer.gives_codes:
        form = tensor.quantization
        assert form is not None
        if form.per_axis or tensor.dtype not in TYPES:
            raise Refusal(f"its output {tensor.name!r} is {tensor.dtype} with {form.scale.size} scales")
        value = layer.emit(
            "QuantizeLinear", value, form.scale.reshape(()), form.zero.astype(tensor.dtype).reshape(())
        )
    return value if order is None else layer.transpose(value, order)


def activate(layer: Layer, value: str, activation: str, dtype: str = "float32") -> str:
    """The activation that TFLite knows by this name."""
    if activation == "NONE":
        return value
    if activation == "TANH":
        return layer.emit("Tanh", value)
    if activation not in _ACTIVATIONS:
        raise Refusal(f"its activation is {activation}")
    low, high = _ACTIVATIONS[activation]
    if high is None:
        return layer.emit("Relu", value)
    kind = dtype if dtype in ("int32", "int64", "float16") else "float32"
    return layer.emit("Clip", value, np.array(low, kind), np.array(high, kind))


def _place(operator: Operator, subgraph: Subgraph) -> str:
    names = [subgraph.tensors[index].name for index in operator.outputs if 0 <= index < len(subgraph.tensors)]
    named = next((f" {shown(name)}" for name in names if name), "")
    return f"operator {operator.index} ({operator.kind[:80]}){named}"
