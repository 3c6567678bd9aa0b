"""Darknet models: a .cfg and its .weights become an ONNX message whose nodes are called after the layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tinsmith.compiler.formats.folder import customer_files, named
from tinsmith.compiler.frontends.darknet.cfg import Config, parse
from tinsmith.compiler.frontends.darknet.check import check
from tinsmith.compiler.frontends.darknet.convert import convert
from tinsmith.compiler.frontends.darknet.weights import Weights
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.shaping import Origin, shape
from tinsmith.compiler.shaping.findings import Findings
from tinsmith.compiler.shaping.inputs import Declared, input_specs
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

INPUT = "data"


def read(directory: Path, request: CompileRequest) -> Network:
    """The one network under `directory`, for the input size of DataInputConfig or else that of its [net].

    Raises ClientError with all problems at once: "InputConfiguration" for files that are missing,
    ambiguous, damaged or do not fit each other, and for a DataInputConfig that contradicts them;
    "OperatorNotImplemented" for layers and options that are not compiled.
    """
    cfg, weights_file = _files(directory)
    findings = Findings(cfg.relative_to(directory).as_posix())
    config = parse(cfg.read_bytes(), findings)
    check(config, findings)
    findings.stop()
    declared, derived = _declared(config)
    text = request.data_input_config
    if text is None or not text.strip():
        inputs = input_specs((derived,), {}, None, findings)
    else:
        inputs = input_specs((declared,), {}, text, findings)
    findings.stop()
    weights = Weights(weights_file, weights_file.relative_to(directory).as_posix())
    message = convert(config, inputs[0], weights, findings)
    origin = Origin("DARKNET", directory, cfg, (weights.place,))
    network = shape(message, origin, None)
    return replace(network, warnings=(*weights.warnings(), *network.warnings))


def _files(directory: Path) -> tuple[Path, Path]:
    files = customer_files(directory)
    found = [[path for path in files if path.suffix.lower() == suffix] for suffix in (".cfg", ".weights")]
    if all(len(paths) == 1 for paths in found):
        return found[0][0], found[1][0]
    problems = [
        f"Exactly one {suffix} file is allowed for Darknet models; found {len(paths)}: "
        f"{named(paths or files, directory)}."
        if paths
        else f"Exactly one {suffix} file is allowed for Darknet models; found none among: "
        f"{named(files, directory)}."
        for suffix, paths in zip((".cfg", ".weights"), found, strict=True)
        if len(paths) != 1
    ]
    raise ClientError("InputConfiguration", problems)


def _declared(config: Config) -> tuple[Declared, Declared]:
    """The input as DataInputConfig may have it, and as [net] has it: one picture or one sequence."""
    net = config.net
    height, width, channels = (net.integer(key, 0) for key in ("height", "width", "channels"))
    size = net.integer("inputs", height * width * channels)
    if height and width and channels:
        image = Declared(INPUT, "float32", (None, channels, None, None))
        return image, Declared(INPUT, "float32", (net.integer("time_steps", 1), channels, height, width))
    flat = Declared(INPUT, "float32", (None, size))
    return flat, Declared(INPUT, "float32", (net.integer("time_steps", 1), size))
