"""Executes a finished artifact and compares it with the reference."""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tinsmith.compiler.artifact.evidence import Evidence
from tinsmith.compiler.artifact.inspect import read_files
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.reference import Evaluation, evaluate
from tinsmith.compiler.verify.calls import Answer, Call, make_calls, read_answers, write_plan
from tinsmith.compiler.verify.compare import compare, tolerance
from tinsmith.compiler.verify.cpu import VARIANTS, host_name, host_variants
from tinsmith.compiler.verify.execute import (
    Machine,
    NoMachine,
    build_runner,
    find_machine,
    run,
    run_calls,
)
from tinsmith.compiler.verify.rows import RowSet, make_rows
from tinsmith.errors import InternalError
from tinsmith.spec.targets import Target

ROWS_OF_EACH_KIND = 600
"""Their sum exceeds the largest block and the rows worth a thread of every kernel."""
EVIDENCE_ROWS_OF_EACH_KIND = 60
MEASURED_SECONDS = 0.2


@dataclass(frozen=True)
class Verification:
    """What was executed and how well it agreed; nothing in it goes into the artifact."""

    executed: bool
    reason: str | None = None
    """Why it was not executed."""
    method: str | None = None
    """"native", or the emulator's name."""
    host: str | None = None
    """The processor that executed it."""
    variants: tuple[str, ...] = ()
    """Variants for different processors that were executed, of a library that has several."""
    variants_not_executed: tuple[str, ...] = ()
    """Variants that need a better processor than this one."""
    rows: Mapping[str, int] | None = None
    """Rows per kind."""
    calls: int = 0
    """Calls of different sizes, made to every variant."""
    margin: str | None = None
    """"bit-exact"."""
    prediction_ulps: float | None = None
    """The largest difference found, in units in the last place."""
    tolerance_ulps: int | None = None
    latency_microseconds: float | None = None
    """Of one row, through tinsmith_runtime; the best of many. Only where the target is this machine."""
    rows_per_second: float | None = None
    """Of a batch, through tinsmith_runtime; the best of many. Only where the target is this machine."""

    def as_dict(self) -> dict[str, Any]:
        """For Report.verification."""
        return asdict(self)


def make_evidence(model: Model) -> Evidence:
    """The rows and expected answers that travel in the artifact, with the claim that `verify` makes true."""
    chosen = make_rows(model, EVIDENCE_ROWS_OF_EACH_KIND)
    wanted = evaluate(model, chosen.rows)
    with np.errstate(all="ignore"):
        prediction = wanted.prediction.astype(np.float32)
    claim = {
        "method": "the library of the finished tarball was executed on these kinds of rows and compared "
        "with a reference evaluation of the training library's arithmetic",
        "rows": make_rows(model, ROWS_OF_EACH_KIND).kinds,
        "evidence_rows": chosen.kinds,
        "margin": "bit-exact",
        "tolerance_ulps": tolerance(model),
    }
    return Evidence(chosen.rows, wanted.margin, prediction, claim)


def verify(
    tarball: Path, model: Model, target: Target, scratch: Path, allow_unverified: bool = False
) -> Verification:
    """Executes the library inside `tarball` on rows of every kind, in batches of every size, in every variant
    that this machine has, and compares with `ir.reference`.

    Raises InternalError on any difference, and where nothing here executes the target's code, unless
    `allow_unverified`; the Verification then says so.
    """
    try:
        machine = find_machine(target)
        with TemporaryDirectory(dir=scratch, prefix="verify-") as folder:
            return _verify(tarball, model, target, machine, Path(folder))
    except NoMachine as reason:
        if not allow_unverified:
            raise InternalError(
                f"verification: {reason}, or let the operator allow unverified artifacts"
            ) from None
        return Verification(executed=False, reason=str(reason))


def _verify(tarball: Path, model: Model, target: Target, machine: Machine, folder: Path) -> Verification:
    library = folder / target.library
    library.write_bytes(read_files(tarball)[target.library])
    chosen = make_rows(model, ROWS_OF_EACH_KIND)
    wanted = evaluate(model, chosen.rows)
    variants = _variants(target, machine)
    worst = 0.0
    calls = make_calls(len(chosen.rows))
    plan = folder / "plan"
    write_plan(chosen.rows, calls, plan)
    runner = build_runner(target, folder)
    for variant in variants or ("",):
        settings = {"TINSMITH_NUM_THREADS": "1"} | ({"TINSMITH_ISA": variant} if variant else {})
        run_calls(machine, runner, library, plan, folder / "result", settings)
        answers = read_answers(folder / "result", calls, model)
        agreement = compare(model, wanted, answers, " ".join(filter(None, (machine.method, variant))))
        worst = max(worst, agreement.worst_ulps)
    speed = _as_customer(tarball, model, chosen, wanted, folder) if _is_here(target, machine) else {}
    return Verification(
        executed=True,
        method=machine.method,
        host=host_name(),
        variants=variants,
        variants_not_executed=tuple(VARIANTS)[len(variants) : len(target.variants)],
        rows=chosen.kinds,
        calls=len(calls),
        margin="bit-exact",
        prediction_ulps=worst,
        tolerance_ulps=tolerance(model),
        latency_microseconds=speed.get("latency_microseconds"),
        rows_per_second=speed.get("rows_per_second"),
    )


def _variants(target: Target, machine: Machine) -> tuple[str, ...]:
    """The values of TINSMITH_ISA to try; none where the library has one variant only."""
    if not target.variants:
        return ()
    here = host_variants() if machine.method == "native" else list(VARIANTS)[:1]
    return tuple(name for name in here if name in list(VARIANTS)[: len(target.variants)])


def _is_here(target: Target, machine: Machine) -> bool:
    """Whether this Python process could load the library itself."""
    return (
        machine.method == "native"
        and target.os == "linux"
        and target.arch == platform.machine()
        and sys.maxsize > 2**32
        and sysconfig.get_platform().startswith("linux")
    )


def _as_customer(
    tarball: Path, model: Model, chosen: RowSet, wanted: Evaluation, folder: Path
) -> dict[str, float]:
    """Loads the tarball by tinsmith_runtime in a process of its own, compares, and measures."""
    rows, result = folder / "rows.npy", folder / "answers.npz"
    np.save(rows, chosen.rows, allow_pickle=False)
    settings = {"PYTHONPATH": ":".join(sys.path), "TMPDIR": str(folder), "HOME": str(folder)}
    command = [sys.executable, "-m", "tinsmith.compiler.verify.child"]
    done = run([*command, str(tarball), str(rows), str(result), str(MEASURED_SECONDS)], settings)
    if done.returncode != 0:
        text = done.stderr.decode("utf-8", "replace").strip()
        raise InternalError(
            f"verification: tinsmith_runtime could not run the artifact (exit {done.returncode}): {text}"
        )
    with np.load(result, allow_pickle=False) as answers:
        total = len(chosen.rows)
        compare(
            model,
            wanted,
            [
                Answer(Call(0, total), 0, answers["prediction"].reshape(total, -1)),
                Answer(Call(0, total, margin=True), 0, answers["margin"].reshape(total, -1)),
                Answer(Call(0, 1), 0, answers["prediction_of_one"].reshape(1, -1)),
            ],
            "tinsmith_runtime",
        )
        return {
            "latency_microseconds": round(float(answers["latency"]) * 1e6, 3),
            "rows_per_second": round(float(answers["rows_per_second"])),
        }
