"""A TFLite model as an ONNX message: operators that are not known are listed, then each becomes its nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import onnx

from tinsmith.compiler.frontends.tflite import schema
from tinsmith.compiler.frontends.tflite.layer import Arranged, Codes, Layer, Result
from tinsmith.compiler.frontends.tflite.model import Model, Operator, Subgraph, Tensor
from tinsmith.compiler.frontends.tflite.registry import Rule, find
from tinsmith.compiler.frontends.tflite.scope import TYPES, Conversion, Operand, Refusal, Scope
from tinsmith.compiler.shaping.builder import Graph, Value
from tinsmith.compiler.shaping.findings import Findings, shown

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
    shared, main = Conversion(model, findings), model.subgraphs[0]
    builder = shared.builder
    if model.other_signatures:
        left = ", ".join(map(shown, model.other_signatures))
        shared.warnings.append(f"the first subgraph is compiled, the signatures {left} are left out")
    scope = Scope(shared, main, builder.main)
    inputs = [declare_input(scope, index) for index in dict.fromkeys(main.inputs)]
    names = [builder.unique(tensor_name(main.tensors[index])) for index in main.outputs]
    convert_operators(scope)
    findings.stop()
    outputs = {name: _output(scope, index, name) for index, name in zip(main.outputs, names, strict=True)}
    for state in shared.states.values():
        if state.changed and state.given is not None:
            inputs.append(state.given)
            outputs[builder.unique(f"{state.given.name}:next")] = scope.named(state.value)
    findings.stop()
    return builder.model("TFLite network", inputs, outputs, model.description[:100]), shared.warnings


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


def convert_operators(scope: Scope) -> None:
    """Adds the nodes of every operator; what is refused is noted."""
    with scope.shared.builder.into(scope.graph):
        for operator in scope.subgraph.operators:
            rule = find(operator.kind, operator.is_custom)
            assert rule is not None
            try:
                _convert(scope, operator, rule)
            except Refusal as refusal:
                scope.shared.findings.refused(f"{_place(operator, scope.subgraph)}: {refusal}")
            except _MISFITS as error:
                text = f"{_place(operator, scope.subgraph)}: its inputs and options do not fit together"
                scope.shared.findings.damaged(f"{text}: {str(error)[:200]}")
            for index in operator.outputs:
                if index not in scope.values:  # what follows from this problem is no other
                    scope.values[index] = scope.shared.builder.input("nothing", np.float32, None)


def enter(layer: Layer, number: int, graph: Graph) -> Scope:
    """Subgraph `number` as nodes of `graph`, its operators still to be converted."""
    shared = layer.scope.shared
    shared.entered += 1
    if not 0 < number < len(shared.model.subgraphs):
        raise Refusal(f"it runs subgraph {number}, expected one of 1 to {len(shared.model.subgraphs) - 1}")
    if layer.scope.depth >= DEEPEST or shared.entered > MOST_ENTERED:
        raise Refusal("subgraphs that run one another without end")
    return Scope(shared, shared.model.subgraphs[number], graph, layer.scope)


def inline(graph: Graph, layer: Layer, number: int, arguments: Sequence[Operand]) -> list[Operand]:
    """Adds the nodes of subgraph `number` to `graph`; gives its outputs."""
    inner = enter(layer, number, graph)
    wanted = inner.subgraph.inputs
    if len(arguments) != len(wanted):
        raise Refusal(f"it gives {len(arguments)} values to subgraph {number}, expected {len(wanted)}")
    inner.values.update(zip(wanted, arguments, strict=True))
    convert_operators(inner)
    return results_of(inner)


def results_of(scope: Scope) -> list[Operand]:
    """What the outputs of a converted subgraph hold."""
    return [scope.stored(scope.subgraph.tensors[index]) for index in scope.subgraph.outputs]


def finish(scope: Scope, inputs: Sequence[Value], values: Sequence[Operand]) -> onnx.GraphProto:
    """The body with `values` as its outputs."""
    name = scope.subgraph.name or "subgraph"
    return scope.shared.builder.subgraph(scope.graph, name, inputs, list(map(scope.named, values)))


def tensor_name(tensor: Tensor) -> str:
    """How inputs and outputs are called."""
    return tensor.name or f"tensor_{tensor.index}"


def declare_input(scope: Scope, index: int) -> Value:
    """Makes tensor `index` an input of the model."""
    tensor = scope.subgraph.tensors[index]
    name, dtype = tensor_name(tensor), tensor.dtype
    if dtype not in TYPES:
        scope.shared.findings.refused(
            f"{dtype} input: the model has the input {shown(name)}, which is not compiled"
        )
        dtype = "float32"
    sizes = None if tensor.shape is None else [None if size < 0 else size for size in tensor.shape]
    value = scope.values[index] = scope.shared.builder.input(name, dtype, sizes)
    return value


def _output(scope: Scope, index: int, name: str) -> Value:
    tensor = scope.subgraph.tensors[index]
    if tensor.dtype not in TYPES:
        scope.shared.findings.refused(
            f"{tensor.dtype} output: the model has the output {shown(name)}, which is not compiled"
        )
    try:
        return scope.named(scope.stored(tensor))
    except Refusal:
        scope.shared.findings.damaged(f"the output {shown(name)} is computed by no operator")
        return scope.shared.builder.constant(0.0)


def _convert(scope: Scope, operator: Operator, rule: Rule) -> None:
    activation = Layer(scope, operator).activation if rule.activates else "NONE"
    layer = Layer(scope, operator, rule.moves and activation == "NONE" and _one_scale(scope, operator))
    with scope.shared.builder.layer(layer.name):
        results = rule.convert(layer)
        results = results if isinstance(results, tuple) else (results,)
        if len(results) < len(layer.outputs):
            raise Refusal(f"it has {len(layer.outputs)} outputs, expected {len(results)}")
        for tensor, result in zip(layer.outputs, results, strict=False):
            scope.values[tensor.index] = _stored(layer, tensor, result, activation)


def _one_scale(scope: Scope, operator: Operator) -> bool:
    tensors = [scope.subgraph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
    forms = [tensor.quantization for tensor in tensors if tensor.is_quantised and tensor.dtype != "int32"]
    return all(form is not None and form.same(forms[0]) for form in forms)


def _stored(layer: Layer, tensor: Tensor, result: Result, activation: str) -> Operand:
    """What the tensor holds: the result behind its activation, as integers where the tensor is quantised."""
    if isinstance(result, Codes):
        return result.value if result.order is None else result.value.transpose(*result.order)
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
    return value if order is None else value.transpose(*order)


def activate(layer: Layer, value: Value, activation: str, dtype: str = "float32") -> Value:
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
