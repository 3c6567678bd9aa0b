"""An ONNX message, whatever frontend made it, becomes a graph with fixed shapes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.shaping.classes import number_classes
from tinsmith.compiler.shaping.findings import Findings
from tinsmith.compiler.shaping.functions import check_functions, expand_functions, expand_previews
from tinsmith.compiler.shaping.graph import network_graph, output_specs
from tinsmith.compiler.shaping.impossible import describe_impossible
from tinsmith.compiler.shaping.inference import fix_inputs, infer_types, note_types
from tinsmith.compiler.shaping.inputs import Adapt, declared_inputs, input_specs
from tinsmith.compiler.shaping.operators import check_operators, refuse_unknown_operators
from tinsmith.compiler.shaping.specialise import specialise
from tinsmith.compiler.shaping.structure import check_structure
from tinsmith.compiler.shaping.tensors import Tensors
from tinsmith.compiler.shaping.values import check_interface, check_kinds, check_outputs, check_sizes


@dataclass(frozen=True)
class Origin:
    """Where a message comes from."""

    framework: str
    folder: Path
    """The customer's files."""
    path: Path
    """The file in `folder` that holds the model; errors name it."""
    files: tuple[str, ...] = ()
    """Of `folder`, relative to it: what the message was made of and the artifact need not carry. That of
    `path` and those of external data may be left out."""

    @property
    def place(self) -> str:
        """The name of the file in errors."""
        return self.path.relative_to(self.folder).as_posix()


def shape(
    model: onnx.ModelProto, origin: Origin, data_input_config: str | None, adapt: Adapt | None = None
) -> Network:
    """`model` with its inputs fixed to the shapes of `data_input_config`; `model` is taken apart.

    Functions are expanded, conditions that the shapes decide taken, and types and shapes noted as far as ONNX
    infers them. Raises ClientError with all problems at once: "InputConfiguration" for a message that
    contradicts itself and for a DataInputConfig that contradicts the model or leaves an input open;
    "OperatorNotImplemented" for text, sequences and operators of other domains.
    """
    findings = Findings(origin.place)
    tensors = Tensors(origin.path.parent, findings)
    tensors.detach_all(model)
    model = _compact(model)
    model, warnings = _simplify(model, findings)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    inputs = input_specs(declared_inputs(model.graph), constants, data_input_config, findings, adapt)
    _specialise(model, inputs, findings)
    warnings += describe_impossible(model.graph)
    graph = network_graph(model, tensors.weights, findings)
    external = ((origin.path.parent / name).relative_to(origin.folder).as_posix() for name in tensors.files)
    return Network(
        framework=origin.framework,
        producer=f"{model.producer_name} {model.producer_version}".strip() or "an unnamed exporter",
        kind=model.graph.name,
        graph=graph,
        inputs=inputs,
        outputs=output_specs(graph),
        files=tuple(dict.fromkeys((origin.place, *sorted(external), *origin.files))),
        warnings=tuple(f"{origin.place}: {warning}" for warning in warnings),
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
