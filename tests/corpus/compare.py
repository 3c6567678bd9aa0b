"""Compile every model of the corpus for every kind of processor and compare with the recorded references.

    python tests/corpus/compare.py CORPUS [ID ...] [--targets NAME ...]

Prints a table and ends with `corpus: K of N agree`. A model that must be refused agrees when it is refused; a
target whose code nothing here executes is said to be so, and does not count.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import tinsmith_runtime
from tinsmith.compiler.artifact.inspect import unpack
from tinsmith.compiler.artifact.samples import Arrays
from tinsmith.compiler.ir.dtypes import numpy_dtype
from tinsmith.compiler.verify import calls as rows_calls
from tinsmith.compiler.verify.cpu import lacking
from tinsmith.compiler.verify.execute import (
    Machine,
    build_runner,
    find_machine,
    is_here,
    run_calls,
)
from tinsmith.compiler.verify.networks.calls import read_answers, write_plan
from tinsmith.spec.request import CompileRequest, Report, TargetPlatform, WorkDirectory
from tinsmith.spec.targets import Target, devices, platforms
from tinsmith_runtime.artifact import read_manifest
from tinsmith_runtime.manifest import Manifest

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
EMULATED_SAMPLES = 1
"""Of the recorded ones, under an emulator."""


@dataclass(frozen=True)
class Outcome:
    """What became of one model on one target."""

    agrees: bool
    text: str
    executed: bool = True
    """False where nothing here executes the target's code: then `agrees` says that it compiled."""


def compare(corpus: Path, identity: str, name: str) -> Outcome:
    """Compile one model for one target; run the result on the reference inputs, natively or emulated."""
    model, target = MODELS[identity], find_target(name)
    with tempfile.TemporaryDirectory() as folder:
        work = WorkDirectory(Path(folder))
        report = compile_model(corpus, model, name, work, allow_unverified=bool(lacking(target)))
        if model["expect"] == "refuse" and report.exit_code == 3:
            return Outcome(True, f"refused: {report.failure_reason}")
        if model["expect"] == "refuse" and not model["may_compile"]:
            return Outcome(False, report.failure_reason or "compiled, but must be refused")
        if report.failure_reason or report.artifact is None:
            return Outcome(False, report.failure_reason or "no artifact")
        verification = report.verification or {}
        if not verification["executed"]:
            return Outcome(bool(lacking(target)), f"not executed: {verification['reason']}", executed=False)
        text = f"{verification['method']}, {verification.get('margin') or verification.get('reference')}"
        return against_reference(model, work.output / report.artifact, target, text)


def compile_model(
    corpus: Path, model: dict[str, Any], target: str, work: WorkDirectory, allow_unverified: bool
) -> Report:
    """Run the compiler as the sandbox does."""
    platform = TargetPlatform(*target.split("/")) if "/" in target else None
    request = CompileRequest(
        framework=model["framework"],
        model_name=model["id"],
        device=None if platform else target,
        platform=platform,
        data_input_config=model["data_input_config"],
        compiler_options=model.get("compiler_options"),
        allow_unverified=allow_unverified,
    )
    work.request.write_text(request.to_json())
    with tarfile.open(corpus / model["id"] / "model.tar.gz") as tar:
        tar.extractall(work.input, filter="data")
    subprocess.run(
        [sys.executable, "-m", "tinsmith.compiler", str(work.path)],
        check=False,
        capture_output=True,
        timeout=1800,
    )
    return Report.from_json(work.report.read_text())


def against_reference(model: dict[str, Any], artifact: Path, target: Target, text: str) -> Outcome:
    """Run the artifact on the recorded inputs."""
    reference = model["reference"]
    recorded = np.load(HERE / reference["file"])
    manifest = read_manifest(artifact)
    inputs, outputs = manifest.inputs, [tensor.name for tensor in manifest.outputs]
    numbers = _numbers(reference["inputs"], [tensor.name for tensor in inputs])
    samples = [
        [
            np.asarray(recorded[f"s{sample}_in{number}"], numpy_dtype(tensor.dtype), order="C")
            for number, tensor in zip(numbers, inputs, strict=True)
        ]
        for sample in range(reference["samples"])
    ]
    machine = find_machine(target)
    if is_here(target, machine):
        compiled = tinsmith_runtime.load(artifact)
        names = [tensor.name for tensor in inputs]
        answers = [compiled.run(dict(zip(names, sample, strict=True))) for sample in samples]
    else:
        samples = samples if machine.method == "native" else samples[:EMULATED_SAMPLES]
        found = emulated(artifact, manifest, target, machine, samples)
        answers = [dict(zip(outputs, arrays, strict=True)) for arrays in found]
    worst = 0.0
    for sample, answer in enumerate(answers):
        for output, number, want in _numeric(recorded, reference, sample, outputs):
            got = answer[output]
            if view := reference.get("view", {}).get(f"out{number}"):
                got = got[tuple(slice(None, None, step) for step in view)]
            got = got.reshape(want.shape)
            allowed = reference["atol"] + reference["rtol"] * np.abs(want)
            worst = max(worst, float((np.abs(got - want) / allowed).max()))
    return Outcome(worst <= 1, f"{text}, {worst:.2g} of the tolerance")


def emulated(
    artifact: Path, manifest: Manifest, target: Target, machine: Machine, samples: list[list[Any]]
) -> list[Arrays]:
    """What the library gives for `samples`; of trees, each is one array of rows."""
    runs = [tuple(sample) for sample in samples]
    settings = {"TINSMITH_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library, plan, result = (folder / part for part in (target.library, "plan", "result"))
        unpack(artifact, (target.library, target.dlr_library), folder)
        runner = build_runner(target, folder)
        if manifest.margin is None:
            write_plan(runs, manifest.inputs, manifest.outputs, plan)
            run_calls(machine, runner, library, plan, result, settings, "tensors")
            return read_answers(result, len(runs), manifest.outputs)
        rows = np.concatenate([rows for (rows,) in runs])
        starts = range(0, len(rows), len(runs[0][0]))
        wanted = [rows_calls.Call(start, len(runs[0][0])) for start in starts]
        rows_calls.write_plan(rows, wanted, plan)
        run_calls(machine, runner, library, plan, result, settings)
        return [(answer.out,) for answer in rows_calls.read_answers(result, wanted, _interface(manifest))]


def _interface(manifest: Manifest) -> rows_calls.Interface:
    """What a library of trees says about itself."""
    (rows,), (prediction,), margin = manifest.inputs, manifest.outputs, manifest.margin
    assert margin is not None
    columns = [math.prod(tensor.shape[1:]) for tensor in (rows, prediction, margin)]
    return rows_calls.Interface(columns[0], columns[1], columns[2], margin.dtype)


def _numeric(
    recorded: Any, reference: dict[str, Any], sample: int, outputs: list[str]
) -> list[tuple[str, int, Any]]:
    """Name, recorded number and content of the outputs to compare: of a classifier, whose label comes
    first, the last one where the artifact has one; else all numbers."""
    total = len(reference["outputs"])
    numbers = [total - 1] if len(outputs) == 1 else _numbers(reference["outputs"], outputs)
    found = []
    for name, number in zip(outputs, numbers, strict=True):
        want = recorded[f"s{sample}_out{number}"]
        if want.dtype.kind in "fiub":
            found.append((name, number, want.astype(np.float64)))
    return found


def _numbers(recorded: list[dict[str, Any]], names: list[str]) -> list[int]:
    """Where `names` are among what was recorded: by name, where the names are the same, else in order."""
    known = [entry["name"].removesuffix(":0") for entry in recorded]
    asked = [name.removesuffix(":0") for name in names]
    if sorted(known) == sorted(asked):
        return [known.index(name) for name in asked]
    assert len(known) == len(asked), f"recorded are {known}, the artifact has {asked}"
    return list(range(len(asked)))


def find_target(name: str) -> Target:
    """A device, or a platform like LINUX/ARM64."""
    return {**platforms(), **devices()}[name.replace("/", "_")]


def main(corpus: Path, identities: list[str], names: list[str]) -> int:
    """The table; 1 when something disagrees."""
    agree = 0
    for identity in identities:
        good = True
        for name in names:
            outcome = compare(corpus, identity, TARGETS[name])
            good &= outcome.agrees
            text = outcome.text[:150] if outcome.agrees else outcome.text
            print(f"    {name:<22} {text}", flush=True)
        agree += good
        print(f"{'agrees ' if good else 'DIFFERS'} {identity}", flush=True)
    print(f"corpus: {agree} of {len(identities)} agree")
    return 0 if agree == len(identities) else 1


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("corpus", type=Path)
    arguments.add_argument("ids", nargs="*", metavar="ID", choices=[*MODELS, []])
    arguments.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    options = arguments.parse_args()
    sys.exit(main(options.corpus, options.ids or list(MODELS), options.targets))
