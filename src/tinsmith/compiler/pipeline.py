"""The whole compiler on one screen: read, check, tune, emit, build, package, verify."""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from tinsmith.compiler import frontends
from tinsmith.compiler.artifact.package import package
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.emit import emit
from tinsmith.compiler.framework_version import check_version, version_warnings
from tinsmith.compiler.ir.check import check
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.tuning.tune import Tuned, seconds_allowed, tune
from tinsmith.compiler.verify.evidence import collect
from tinsmith.compiler.verify.verify import verify
from tinsmith.errors import InternalError, TinsmithError, failure_reason
from tinsmith.spec.options import Resolved, resolve
from tinsmith.spec.request import CompileRequest, Report, WorkDirectory


class Stages:
    """Seconds per stage, and the memory up to its end; each stage is a line of the log."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.megabytes: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Times the block."""
        log(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 4)
            self.megabytes[name] = _peak()


def run(work: WorkDirectory) -> int:
    """Compiles what `work` asks for, leaves the tarball and the report there, returns the exit code.

    A KilledError says nothing about the job: its exit code is that of a killed process, for another attempt.
    """
    stages = Stages()
    try:
        report = compile_model(CompileRequest.from_json(work.request.read_text()), work, stages)
    except TinsmithError as error:
        report = _failed(error, stages)
    except Exception as error:
        log(traceback.format_exc())
        fault = InternalError(f"unexpected fault while compiling: {type(error).__name__}: {error}")
        report = _failed(fault, stages)
    work.report.write_text(report.to_json())
    return report.exit_code


def compile_model(request: CompileRequest, work: WorkDirectory, stages: Stages) -> Report:
    """The story. Raises ClientError or InternalError."""
    work.output.mkdir(exist_ok=True)
    sources = work.scratch / "program"
    sources.mkdir(parents=True)
    with stages("read"):
        check_version(request)
        resolved = resolve(request)
        model = frontends.load(request.framework)(work.input, request)
        if isinstance(model, Model):
            check(model)
    target, library = resolved.target, work.scratch / resolved.target.library
    with stages("tune"):
        seconds = seconds_allowed(request.max_runtime_seconds)
        tuned = tune(model, target, resolved.options.tune, seconds, work.input, work.scratch, log)
    with stages("emit"):
        program = emit(model, target, sources, tuned.book)
    with stages("reference"):
        evidence = collect(model)
    with stages("build"):
        build(program, target, library)
    with stages("package"):
        packed = package(
            request, model, target, library, evidence, work.output, work.input, program, tuned.files
        )
    with stages("verify"):
        verification = verify(packed.path, model, target, work.scratch, request.allow_unverified, tuned.book)
    versions = version_warnings(request, model)
    warnings = (*resolved.warnings, *versions, *model.warnings, *tuned.warnings, *packed.warnings)
    report = Report(
        status="COMPLETED",
        artifact=packed.path.name,
        digest=packed.digest,
        derived_data_input_config=_derived_config(request, model),
        coverage=_coverage(request, model, resolved, program.facts, tuned),
        verification=asdict(verification),
        timings=stages.seconds,
        memory=stages.megabytes,
        warnings=warnings,
    )
    for fact in ("coverage", "verification", "timings"):
        log(f"{fact}: {json.dumps(getattr(report, fact), sort_keys=True)}")
    log(f"done: {report.artifact} {report.digest}")
    return report


def _peak() -> float:
    """Megabytes of resident memory: the most so far of this process or of one that it started, such as a
    toolchain's."""
    both = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(both) / 1024, 1)


def log(line: str) -> None:
    """One line of the job's log."""
    print(line, file=sys.stderr, flush=True)


def _failed(error: TinsmithError, stages: Stages) -> Report:
    log(f"{error.family}: {error}")
    return Report(
        status="FAILED",
        failure_reason=failure_reason(error),
        exit_code=error.exit_code,
        timings=stages.seconds,
        memory=stages.megabytes,
    )


def _derived_config(request: CompileRequest, model: Model | Network) -> str | None:
    """The DataInputConfig that the customer left out; of a tree model, with one row."""
    if request.data_input_config is not None:
        return None
    if isinstance(model, Network):
        return json.dumps({spec.name: list(spec.shape) for spec in model.config_inputs or model.inputs})
    return json.dumps({model.input.name: [1, *model.input.shape[1:]]})


def _coverage(
    request: CompileRequest, model: Model | Network, resolved: Resolved, facts: dict[str, Any], tuned: Tuned
) -> dict[str, Any]:
    """What was compiled, for which processors, by which kernels: all of the model, there is no fallback."""
    searched = {} if tuned.record is None else {"tuning": tuned.record}
    return {
        **searched,
        "model": f"{model.kind}, saved by {model.producer}",
        "framework_version": request.framework_version,
        "compiled": 1.0,
        "target": resolved.target.name,
        "processors": list(resolved.target.processors),
        "kernels": facts,
    }
