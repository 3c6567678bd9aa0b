"""Compile every model of the corpus for every kind of processor and compare with the recorded references.

    python tests/corpus/compare.py CORPUS [ID ...]

Prints a table and ends with `corpus: K of N agree`. A model that must be refused agrees when it is refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import tinsmith_runtime
from tinsmith.spec.request import CompileRequest, Report, TargetPlatform, WorkDirectory

HERE = Path(__file__).parent
MODELS: dict[str, dict[str, Any]] = {
    model["id"]: model for model in json.loads((HERE / "manifest.json").read_text())["models"]
}
TARGETS = {
    "x86_64, all variants": "LINUX/X86_64",
    "AVX-512": "ml_c5",
    "AVX2": "ml_c4",
    "aarch64": "ml_c6g",
    "armv7": "rasp4b",
    "i386": "LINUX/X86",
    "Windows x64": "x86_win64",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one model on one target."""

    agrees: bool
    text: str


def compare(corpus: Path, identity: str, target: str) -> Outcome:
    """Compile one model for one target; run the result on the reference rows where this process can."""
    model = MODELS[identity]
    with tempfile.TemporaryDirectory() as folder:
        work = WorkDirectory(Path(folder))
        report = compile_model(corpus, model, target, work)
        if model["expect"] == "refuse" and report.exit_code == 3:
            return Outcome(True, f"refused: {report.failure_reason}")
        if model["expect"] == "refuse" and not model["may_compile"]:
            return Outcome(False, report.failure_reason or "compiled, but must be refused")
        if report.failure_reason or report.artifact is None:
            return Outcome(False, report.failure_reason or "no artifact")
        verification = report.verification or {}
        if not verification["executed"]:
            return Outcome(False, f"not executed: {verification['reason']}")
        text = f"{verification['method']}, {verification.get('margin') or verification.get('reference')}"
        if verification["latency_microseconds"] is None:
            return Outcome(True, text)
        return against_reference(model, work.output / report.artifact, text)


def compile_model(corpus: Path, model: dict[str, Any], target: str, work: WorkDirectory) -> Report:
    """Run the compiler as the sandbox does."""
    platform = TargetPlatform(*target.split("/")) if "/" in target else None
    request = CompileRequest(
        framework=model["framework"],
        model_name=model["id"],
        device=None if platform else target,
        platform=platform,
        data_input_config=model["data_input_config"],
    )
    work.request.write_text(request.to_json())
    with tarfile.open(corpus / model["id"] / "model.tar.gz") as tar:
        tar.extractall(work.input, filter="data")
    subprocess.run(
        [sys.executable, "-m", "tinsmith.compiler", str(work.path)],
        check=False,
        capture_output=True,
        timeout=900,
    )
    return Report.from_json(work.report.read_text())


def against_reference(model: dict[str, Any], artifact: Path, text: str) -> Outcome:
    """Run the artifact on the recorded inputs."""
    reference = model["reference"]
    recorded = np.load(HERE / reference["file"])
    compiled = tinsmith_runtime.load(artifact)
    names = [tensor.name for tensor in compiled.inputs]
    worst = 0.0
    for sample in range(reference["samples"]):
        fed = {name: recorded[f"s{sample}_in{number}"] for number, name in enumerate(names)}
        answers = compiled.run(fed)
        for output, want in _numeric(recorded, reference, sample, compiled):
            got = answers[output].reshape(want.shape)
            allowed = reference["atol"] + reference["rtol"] * np.abs(want)
            worst = max(worst, float((np.abs(got - want) / allowed).max()))
    return Outcome(worst <= 1, f"{text}, {worst:.2g} of the tolerance")


def _numeric(
    recorded: Any, reference: dict[str, Any], sample: int, compiled: tinsmith_runtime.Model
) -> list[tuple[str, Any]]:
    """Name and content of the outputs to compare: of a tree model the last one, of a network all numbers."""
    wanted = [recorded[f"s{sample}_out{number}"] for number in range(len(reference["outputs"]))]
    if len(compiled.outputs) == 1:
        wanted = wanted[-1:]
    pairs = zip((tensor.name for tensor in compiled.outputs), wanted, strict=True)
    return [(name, want.astype(np.float64)) for name, want in pairs if want.dtype.kind in "fiub"]


def main(corpus: Path, wanted: list[str]) -> int:
    """The table; 1 when something disagrees."""
    agree = 0
    identities = wanted or list(MODELS)
    for identity in identities:
        outcomes = {name: compare(corpus, identity, target) for name, target in TARGETS.items()}
        good = all(outcome.agrees for outcome in outcomes.values())
        agree += good
        print(f"{'agrees ' if good else 'DIFFERS'} {identity}", flush=True)
        for name, outcome in outcomes.items():
            print(f"    {name:<22} {outcome.text[:150]}", flush=True)
    print(f"corpus: {agree} of {len(identities)} agree")
    return 0 if agree == len(identities) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
