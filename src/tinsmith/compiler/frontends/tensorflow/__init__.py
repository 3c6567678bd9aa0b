"""TensorFlow models: frozen graphs and SavedModels of TensorFlow 1 and 2, read without TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from tinsmith.compiler.frontends.tensorflow import lists, loops, rules, steering
from tinsmith.compiler.frontends.tensorflow.bundle import Bundle
from tinsmith.compiler.frontends.tensorflow.files import Files, find_model, parse
from tinsmith.compiler.frontends.tensorflow.inputs import Inputs, find_inputs
from tinsmith.compiler.frontends.tensorflow.interpreter import Interpreter, described, merged
from tinsmith.compiler.frontends.tensorflow.program import Program, frozen, saved
from tinsmith.compiler.frontends.tensorflow.scope import Scope
from tinsmith.compiler.frontends.tensorflow.tensors import number_type
from tinsmith.compiler.frontends.tensorflow.things import Dead, Refused, Thing
from tinsmith.compiler.frontends.tensorflow.variables import Variables, restored_keys
from tinsmith.compiler.ir.network import Network, Original
from tinsmith.compiler.shaping import Origin, shape
from tinsmith.compiler.shaping.builder import Builder, Value
from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.graphs import nodes_within
from tinsmith.compiler.toolchains import original
from tinsmith.spec.frameworks import parse_version
from tinsmith.spec.options import resolve
from tinsmith.spec.request import CompileRequest

ANSWER = Path(__file__).with_name("answer.py")
LISTED = 20
"""Nodes that a refusal names for each operator."""

__all__ = ["lists", "loops", "message", "read", "rules", "steering"]


def read(directory: Path, request: CompileRequest) -> Network:
    """The frozen graph or the signature of a SavedModel under `directory`, with the shapes of
    DataInputConfig.

    CompilerOptions choose the outputs of a frozen graph (`output_names`) or the signature
    (`signature_def_key`). Raises ClientError with all problems at once: "InputConfiguration" for files that
    are missing, ambiguous or damaged and for names and shapes that the model does not have;
    "OperatorNotImplemented" for text, tables and operators that are not compiled, with their nodes.
    """
    made = message(directory, request)
    network = shape(made.model, made.origin, None)
    said = tuple(f"{made.origin.place}: {warning}" for warning in made.warnings)
    return replace(network, warnings=(*network.warnings, *said), original=_original(made, network))


@dataclass(frozen=True)
class Made:
    """A model as an ONNX message."""

    model: onnx.ModelProto
    origin: Origin
    warnings: list[str]
    """What the customer should know."""
    tensors: dict[str, str]
    """Of the graph, by the names of inputs and outputs."""
    off: list[str]
    """Tensors of the graph that are fed with False."""
    dropped: dict[tuple[str, ...], str]
    """See Interpreter."""
    source: Path
    """A graph, or the folder of a SavedModel."""


def _original(made: Made, network: Network) -> Original | None:
    """TensorFlow, where its toolchain is installed and the artifact calls all as the graph does."""
    if not {spec.name for spec in (*network.inputs, *network.outputs)} <= made.tensors.keys():
        return None
    wanted = {
        "inputs": [made.tensors[spec.name] for spec in network.inputs],
        "outputs": [made.tensors[spec.name] for spec in network.outputs],
        "off": made.off,
        "dropped": [[list(node), kept] for node, kept in made.dropped.items()],
    }
    return original("tensorflow", "tensorflow_cpu", ANSWER, [str(made.source), json.dumps(wanted)])


def message(directory: Path, request: CompileRequest) -> Made:
    """The same as an ONNX message."""
    files = find_model(directory)
    place = files.path.relative_to(directory).as_posix()
    findings = Findings(place)
    builder = Builder(Value)
    options = resolve(request).options.other
    content = parse(files, place)
    bundle: Bundle | None = None
    if files.is_saved_model:
        program = saved(content, _text(options.get("signature_def_key")), findings)
        bundle = Bundle(files.index, directory) if files.index else None
        keys = restored_keys(program.nodes, program.library)
        variables = Variables(builder, program.nodes, bundle, "there is no variables/variables.index", keys)
    else:
        names = options.get("output_names")
        chosen = list(names) if isinstance(names, list) else None
        program = frozen(content, chosen, findings, parse_version(request.framework_version))
        advice = "the graph is not frozen: turn its variables into constants, or give the SavedModel"
        variables = Variables(builder, program.nodes, None, advice)
    inputs = find_inputs(program, request.data_input_config, findings)
    interpreter = Interpreter(builder, program.library, variables.content)
    made = _interpreted(interpreter, program, inputs, findings)
    origin = Origin("TENSORFLOW", directory, files.path, _read_files(files, directory))
    tensors = {name: feed.reference for name, (feed, _) in inputs.specs.items()} | program.outputs
    off = [feed.reference for feed in inputs.off]
    source = files.path.parent if files.is_saved_model else files.path
    warnings = [*program.warnings, *interpreter.warnings]
    return Made(made, origin, warnings, tensors, off, interpreter.dropped, source)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _read_files(files: Files, directory: Path) -> tuple[str, ...]:
    """What the artifact need not carry."""
    if not files.is_saved_model:
        return ()
    folder = files.path.parent
    others = [
        folder / "fingerprint.pb",
        folder / "keras_metadata.pb",
        *sorted((folder / "variables").glob("variables.*")),
    ]
    return tuple(
        path.relative_to(directory).as_posix() for path in others if path.is_file() and not path.is_symlink()
    )


def _interpreted(
    interpreter: Interpreter, program: Program, inputs: Inputs, findings: Findings
) -> onnx.ModelProto:
    builder = interpreter.builder
    given: dict[str, Value] = {}
    presets: dict[str, Thing] = dict(inputs.missing)
    for name, (feed, spec) in inputs.specs.items():
        given[name] = builder.input(name, number_type(feed.type), spec.shape)
        presets[_plain(feed.reference)] = given[name]
    for feed in inputs.off:
        presets[_plain(feed.reference)] = builder.constant(False)
        interpreter.warnings[f"the input {shown(feed.name)} switches training on: it is off"] = None
    reserved = {name: builder.unique(name) for name in program.outputs}
    scope = Scope(program.nodes, builder.main, presets=presets)
    results = interpreter.evaluate(scope, program.outputs.values())
    _stop_at_refusals(results, list(program.outputs), findings)
    used = {name for _, node in nodes_within(builder.main.nodes) for name in node.input}
    used.update(result.name for result in results if isinstance(result, Value))
    kept = [value for name, value in given.items() if name in inputs.asked or value.name in used]
    outputs = {
        reserved[name]: result
        for name, result in zip(program.outputs, results, strict=True)
        if isinstance(result, Value)
    }
    return builder.model("graph", kept, outputs, program.producer)


def _plain(reference: str) -> str:
    return reference.removesuffix(":0")


def _stop_at_refusals(results: Sequence[Thing], names: Sequence[str], findings: Findings) -> None:
    refused = merged(result for result in results if isinstance(result, Refused))
    nodes: dict[str, list[str]] = {}
    for operator, name in sorted(refused.operators):
        nodes.setdefault(operator, []).append(shown(name))
    if nodes:
        kinds = ", ".join(map(repr, nodes))
        findings.refused(f"The following operators are not implemented: {{{kinds}}}")
    for operator, places in nodes.items():
        more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
        findings.refused(f"the operator {operator} is not implemented: {', '.join(places[:LISTED])}{more}")
    for text in sorted(refused.limits):
        findings.refused(text)
    for text in sorted(refused.damage):
        findings.damaged(text)
    for name, result in zip(names, results, strict=True):
        if isinstance(result, Dead):
            findings.damaged(f"the output {shown(name)} is on the side of a Switch that is never taken")
        elif not isinstance(result, Value | Refused):
            findings.refused(f"the output {shown(name)} is {described(result)}, expected a tensor of numbers")
    findings.stop()
