"""ONNX models: opset 7 to current of ai.onnx and ai.onnx.ml, from the file to a graph with fixed shapes."""

from __future__ import annotations

from pathlib import Path

from tinsmith.compiler.frontends.onnx.files import find_model, parse
from tinsmith.compiler.frontends.onnx.findings import Findings
from tinsmith.compiler.frontends.onnx.graph import network_graph, output_specs
from tinsmith.compiler.frontends.onnx.inference import fix_inputs, infer
from tinsmith.compiler.frontends.onnx.inputs import declared_inputs, input_specs
from tinsmith.compiler.frontends.onnx.structure import detach_weights
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.request import CompileRequest


def read(directory: Path, request: CompileRequest) -> Network:
    """The one ONNX model under `directory`, its inputs fixed to the shapes of DataInputConfig.

    Raises ClientError: "InputConfiguration" for files that are missing, ambiguous or damaged and for a
    DataInputConfig that contradicts the model or leaves an input open; "OperatorNotImplemented" for sound
    models that need what is not compiled. All problems are reported at once.
    """
    path = find_model(directory)
    findings = Findings(path.relative_to(directory).as_posix())
    model = parse(path, findings.place)
    weights, external = detach_weights(model, path.parent, findings)
    findings.stop()
    constants = {tensor.name: None for tensor in model.graph.initializer}
    inputs = input_specs(declared_inputs(model.graph), constants, request.data_input_config, findings)
    findings.stop()
    fix_inputs(model.graph, inputs)
    model = infer(model)
    graph = network_graph(model, weights, findings)
    return Network(
        framework="ONNX",
        producer=f"{model.producer_name} {model.producer_version}".strip() or "an unnamed exporter",
        kind=model.graph.name,
        graph=graph,
        inputs=inputs,
        outputs=output_specs(graph),
        files=(
            findings.place,
            *sorted((path.parent / name).relative_to(directory).as_posix() for name in external),
        ),
    )
