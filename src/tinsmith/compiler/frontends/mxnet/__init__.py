"""MXNet models: a symbol and its parameters become an ONNX message whose nodes keep the symbol's names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tinsmith.compiler.formats.folder import customer_files, named
from tinsmith.compiler.frontends.mxnet import inputs, params, symbol
from tinsmith.compiler.frontends.mxnet.convert import convert, refuse_unknown
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.shaping import Origin, shape
from tinsmith.compiler.shaping.findings import Findings
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest


def read(directory: Path, request: CompileRequest) -> Network:
    """The one model under `directory`, of a Module's checkpoint or a Gluon export.

    Raises ClientError with all problems at once: "InputConfiguration" for files that are missing, ambiguous,
    damaged or do not fit each other, and for a DataInputConfig that contradicts them;
    "OperatorNotImplemented" for operators and forms of operators that are not compiled.
    """
    symbol_file, params_file = _files(directory)
    findings = Findings(symbol_file.relative_to(directory).as_posix())
    graph = symbol.parse(symbol_file.read_bytes(), findings)
    refuse_unknown(graph, findings)
    findings.stop()
    place = params_file.relative_to(directory).as_posix()
    arrays = params.read(params_file, place)
    sources = inputs.find(graph, arrays, request.data_input_config, findings, place)
    findings.stop()
    message = convert(graph, arrays, sources, findings)
    network = shape(message, Origin("MXNET", directory, symbol_file, (place,)), None)
    return replace(network, warnings=(*sources.warnings, *network.warnings))


def _files(directory: Path) -> tuple[Path, Path]:
    files = customer_files(directory)
    symbols = [path for path in files if path.name.lower().endswith("-symbol.json")]
    symbols = symbols or [path for path in files if path.name.lower() in ("symbol.json", "model.json")]
    parameters = [path for path in files if path.suffix.lower() == ".params"]
    problems = []
    if not symbols:
        problems.append(
            "No valid Mxnet model file -symbol.json found. Please make sure the framework you select is "
            f"correct; found {named(files, directory)}."
        )
    elif len(symbols) > 1:
        problems.append(
            f"Exactly one -symbol.json file is allowed for MXNet model; found {named(symbols, directory)}."
        )
    if len(parameters) > 1:
        problems.append(
            "Only one parameter file is allowed for MXNet model. Please make sure the framework you select "
            f"is correct; found {named(parameters, directory)}."
        )
    elif not parameters:
        problems.append(
            "Exactly one .params file is allowed for MXNet model; found none among: "
            f"{named(files, directory)}."
        )
    if problems:
        raise ClientError("InputConfiguration", problems)
    return symbols[0], parameters[0]
