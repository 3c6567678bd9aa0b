"""ONNX models: opset 7 to current of ai.onnx and ai.onnx.ml, from the file to a graph with fixed shapes."""

from __future__ import annotations

from pathlib import Path

import onnx

from tinsmith.compiler.frontends.onnx.classes import number_classes
from tinsmith.compiler.frontends.onnx.files import find_model, parse
from tinsmith.compiler.frontends.onnx.findings import Findings
from tinsmith.compiler.frontends.onnx.functions import check_functions, expand_functions, expand_previews
from tinsmith.compiler.frontends.onnx.graph import network_graph, output_specs
from tinsmith.compiler.frontends.onnx.impossible import describe_impossible
from tinsmith.compiler.frontends.onnx.inference import fix_inputs, infer_types, note_types
from tinsmith.compiler.frontends.onnx.inputs import declared_inputs, input_specs
from tinsmith.compiler.frontends.onnx.operators import check_operators, refuse_unknown_operators
from tinsmith.compiler.frontends.onnx.specialise import specialise
from tinsmith.compiler.frontends.onnx.structure import check_structure
from tinsmith.compiler.frontends.onnx.tensors import Tensors
from tinsmith.compiler.frontends.onnx.values import check_interface, check_kinds, check_outputs, check_sizes
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.request import CompileRequest


def read(directory: Path, request: CompileRequest) -> Network:
    """The one ONNX model under `directory`, its inputs fixed to the shapes of DataInputConfig.

    Functions are expanded, conditions that the shapes decide taken, and types and shapes noted as far
    as ONNX infers them. Raises ClientError with all problems at once: "InputConfiguration" for files that
    are missing, ambiguous or damaged and for a DataInputConfig that contradicts the model or leaves an input
    open; "OperatorNotImplemented" for text, sequences and operators of other domains.
    """
    path = find_model(directory)
    findings = Findings(path.relative_to(directory).as_posix())
    model = parse(path, findings.place)
    tensors = Tensors(path.parent, findings)
    tensors.detach_all(model)
    model = _compact(model)
    model, warnings = _simplify(model, findings)
    inputs = _inputs(model.graph, request, findings)
    _specialise(model, inputs, findings)
    warnings += describe_impossible(model.graph)
    graph = network_graph(model, tensors.weights, findings)
    external = sorted((path.parent / name).relative_to(directory).as_posix() for name in tensors.files)
    return Network(
        framework="ONNX",
        producer=f"{model.producer_name} {model.producer_version}".strip() or "an unnamed exporter",
        kind=model.graph.name,
        graph=graph,
        inputs=inputs,
        outputs=output_specs(graph),
        files=(findings.place, *external),
        warnings=tuple(f"{findings.place}: {warning}" for warning in warnings),
    )


def _compact(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that does not hold on to the memory of tensors that are no longer in `model`."""
    copy = onnx.ModelProto()
    copy.ParseFromString(model.SerializeToString())
    return copy


def _simplify(model: onnx.ModelProto, findings: Findings) -> tuple[onnx.ModelProto, list[str]]:
    """Checks the model by itself and expands functions. Also gives what the customer should know."""
    check_structure(model, findings)
    check_functions(model, findings)
    findings.stop()
    warnings = number_classes(model.graph)
    if model.training_info:
        warnings.append("the file also holds a graph for training, which is left out")
    model = expand_previews(model)
    expand_functions(model)
    check_operators(model, findings)
    check_interface(model.graph, findings)
    return model, warnings


def _inputs(graph: onnx.GraphProto, request: CompileRequest, findings: Findings) -> tuple[TensorSpec, ...]:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    return input_specs(declared_inputs(graph), constants, request.data_input_config, findings)


def _specialise(model: onnx.ModelProto, inputs: tuple[TensorSpec, ...], findings: Findings) -> None:
    """Makes `inputs` those of `model` and lets their shapes decide what they can."""
    if findings:
        refuse_unknown_operators(model, findings)
        check_kinds(model.graph, infer_types(model, {}), findings)
        findings.stop()
    declared = {value.name: value.type for value in model.graph.output}
    declared = {name: onnx.TypeProto.FromString(kind.SerializeToString()) for name, kind in declared.items()}
    fix_inputs(model.graph, inputs)
    types = specialise(model)
    refuse_unknown_operators(model, findings)
    check_outputs(model.graph, declared, types, findings)
    check_kinds(model.graph, types, findings)
    check_sizes(model.graph, types, findings)
    findings.stop()
    note_types(model.graph, types)
