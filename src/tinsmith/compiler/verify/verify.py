"""Executes a finished artifact and compares it with the reference."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, overload

import numpy as np

from tinsmith.compiler.artifact import samples
from tinsmith.compiler.artifact.evidence import Evidence, from_files
from tinsmith.compiler.artifact.inspect import inspect, read_files, unpack
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.calls import (
    Answer,
    Call,
    Interface,
    make_calls,
    make_dlr_calls,
    read_answers,
    write_plan,
)
from tinsmith.compiler.verify.compare import Expected, compare, expect
from tinsmith.compiler.verify.cpu import VARIANTS, host_name, variants_to_execute
from tinsmith.compiler.verify.evidence import expected, rows_to_execute
from tinsmith.compiler.verify.execute import (
    Machine,
    NoMachine,
    build_runner,
    find_machine,
    is_here,
    run,
    run_calls,
)
from tinsmith.compiler.verify.networks.trial import NetworkVerification, reverify_network, verify_network
from tinsmith.compiler.verify.rows import Rows, RowSet
from tinsmith.errors import ClientError, InternalError
from tinsmith.spec.targets import Target, devices, platforms

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
    cuts: int | None = None
    """Numbers at which a feature turns from one side of a split to the other."""
    cuts_exercised: int | None = None
    """Of those, the ones of which both sides were executed."""
    calls: int = 0
    """Calls of different sizes, made to every variant."""
    dlr: bool = False
    """The artifact's DLR library was executed too, and gave the predictions rounded to float32."""
    margin: str | None = None
    """"bit-exact"."""
    prediction_ulps: float | None = None
    """The largest difference found, in units in the last place."""
    tolerance_ulps: int | None = None
    latency_microseconds: float | None = None
    """Of one row, through tinsmith_runtime; the best of many. Only where the target is this machine."""
    rows_per_second: float | None = None
    """Of a large batch on all processors, through tinsmith_runtime; the best of many. Only where the target
    is this machine."""


@overload
def verify(
    tarball: Path,
    model: Model,
    target: Target,
    scratch: Path,
    allow_unverified: bool = False,
    book: Any = None,
) -> Verification: ...


@overload
def verify(
    tarball: Path,
    model: Network,
    target: Target,
    scratch: Path,
    allow_unverified: bool = False,
    book: Any = None,
) -> NetworkVerification: ...


def verify(
    tarball: Path,
    model: Model | Network,
    target: Target,
    scratch: Path,
    allow_unverified: bool = False,
    book: Any = None,
) -> Verification | NetworkVerification:
    """Executes the library inside `tarball` and compares it with a reference evaluation: a tree model on
    rows of every kind, in batches of every size; a network on inputs that look like real ones, and extreme
    ones; both in every variant that this machine has. `book`: the schedules that `emit` was given.

    Raises InternalError on any difference, and where nothing here executes the target's code or evaluates the
    network, unless `allow_unverified`; what it gives then says so.
    """
    if isinstance(model, Network):
        return verify_network(tarball, model, target, scratch, allow_unverified, book)
    return _verify_trees(tarball, model, target, scratch, allow_unverified)


def reverify(tarball: Path, scratch: Path) -> Verification | NetworkVerification:
    """Executes an artifact on the evidence inside it; needs no model.

    Raises ClientError when it is no artifact or was changed after it was packed, InternalError where it
    disagrees with its evidence or nothing here executes its code.
    """
    inspection = inspect(tarball)
    manifest = inspection.manifest
    if inspection.changed:
        raise ClientError(
            "InputConfiguration",
            f"{tarball.name}: changed after it was packed: {', '.join(inspection.changed)}",
        )
    name = manifest.target.name
    target = devices().get(name) or platforms().get(name)
    if target is None:
        raise ClientError(
            "InputConfiguration", f"{tarball.name}: compiled for {name}, which is no known target"
        )
    files = read_files(tarball)
    if manifest.margin is None:
        evidence = samples.from_files(files, manifest.inputs, manifest.outputs)
        return reverify_network(tarball, target, evidence, scratch)
    return _reverify_trees(tarball, target, from_files(files), scratch)


def _verify_trees(
    tarball: Path, model: Model, target: Target, scratch: Path, allow_unverified: bool
) -> Verification:
    try:
        machine = find_machine(target)
        chosen = rows_to_execute(model)
        with TemporaryDirectory(dir=scratch, prefix="verify-") as folder:
            trial = Trial(tarball, target, machine, Path(folder), chosen, expect(model, chosen.rows))
            return trial.run()
    except NoMachine as reason:
        if not allow_unverified:
            raise InternalError(
                f"verification: {reason}, or let the operator allow unverified artifacts"
            ) from None
        return Verification(executed=False, reason=str(reason))


def _reverify_trees(tarball: Path, target: Target, evidence: Evidence, scratch: Path) -> Verification:
    chosen = RowSet(evidence.rows, {"evidence": len(evidence.rows)})
    try:
        machine = find_machine(target)
        with TemporaryDirectory(dir=scratch, prefix="verify-") as folder:
            return Trial(tarball, target, machine, Path(folder), chosen, expected(evidence)).run()
    except NoMachine as reason:
        raise InternalError(f"verification: {reason}") from None


@dataclass(frozen=True)
class Trial:
    """One artifact, on one machine, with rows and their right answers."""

    tarball: Path
    target: Target
    machine: Machine
    folder: Path
    chosen: RowSet
    wanted: Expected

    def run(self) -> Verification:
        """Every variant by the runner; then, where the target is this machine, as a customer would."""
        unpack(self.tarball, (self.target.library, self.target.dlr_library), self.folder)
        calls = make_calls(len(self.chosen.rows))
        variants = variants_to_execute(self.target, self.machine.method != "native")
        worst = self._call_variants(variants, calls)
        self._call_dlr()
        speed = self._as_customer() if is_here(self.target, self.machine) else {}
        return Verification(
            executed=True,
            method=self.machine.method,
            host=host_name(),
            variants=variants,
            variants_not_executed=tuple(VARIANTS)[len(variants) : len(self.target.variants)],
            rows=self.chosen.kinds,
            cuts=self.chosen.cuts or None,
            cuts_exercised=self.chosen.cuts_exercised or None,
            calls=len(calls),
            dlr=True,
            margin="bit-exact",
            prediction_ulps=worst,
            tolerance_ulps=self.wanted.tolerance_ulps,
            latency_microseconds=speed.get("latency_microseconds"),
            rows_per_second=speed.get("rows_per_second"),
        )

    def _call_variants(self, variants: tuple[str, ...], calls: list[Call]) -> float:
        """The largest distance of a prediction, in units in the last place."""
        margin, prediction = self.wanted.margin, self.wanted.prediction
        interface = Interface(
            self.chosen.rows.shape[1], prediction.shape[1], margin.shape[1], margin.dtype.name
        )
        library = self.folder / self.target.library
        worst = 0.0
        for variant in variants or ("",):
            settings = {"TINSMITH_ISA": variant} if variant else {}
            answers = self._answers(library, calls, interface, settings)
            where = " ".join(filter(None, (self.machine.method, variant)))
            worst = max(worst, compare(self.wanted, answers, where))
        return worst

    def _call_dlr(self) -> None:
        """The DLR library, which opens the compiled one beside it."""
        interface = Interface(self.chosen.rows.shape[1], self.wanted.prediction.shape[1], 0, "float32")
        calls = make_dlr_calls(len(self.chosen.rows))
        answers = self._answers(self.folder / self.target.dlr_library, calls, interface, {})
        compare(self.wanted.as_float32(), answers, f"{self.machine.method} {self.target.dlr_library}")

    def _answers(
        self, library: Path, calls: list[Call], interface: Interface, settings: Mapping[str, str]
    ) -> list[Answer]:
        plan, result = self.folder / "plan", self.folder / "result"
        write_plan(self.chosen.rows, calls, plan)
        runner = build_runner(self.target, self.folder)
        run_calls(self.machine, runner, library, plan, result, {"TINSMITH_NUM_THREADS": "1", **settings})
        return read_answers(result, calls, interface)

    def _as_customer(self) -> dict[str, float]:
        """Loads the tarball by tinsmith_runtime in a process of its own, compares, and measures."""
        rows, result = self.folder / "rows.npy", self.folder / "answers.npz"
        np.save(rows, self.chosen.rows, allow_pickle=False)
        paths = [path for path in sys.path if path]
        settings = {
            "PYTHONPATH": os.pathsep.join(paths),
            "TMPDIR": str(self.folder),
            "HOME": str(self.folder),
            "TINSMITH_NUM_THREADS": str(max(2, len(os.sched_getaffinity(0)))),
        }
        command = [sys.executable, "-m", "tinsmith.compiler.verify.child", str(self.tarball), str(rows)]
        done = run([*command, str(result), str(MEASURED_SECONDS)], settings)
        if done.returncode != 0:
            text = done.stderr.decode("utf-8", "replace").strip()
            raise InternalError(f"verification: tinsmith_runtime: exit status {done.returncode}: {text}")
        with np.load(result, allow_pickle=False) as answers:
            compare(self.wanted, _customer_answers(answers, len(self.chosen.rows)), "tinsmith_runtime")
            return {
                "latency_microseconds": round(float(answers["latency"]) * 1e6, 3),
                "rows_per_second": round(float(answers["rows_per_second"])),
            }


def _customer_answers(answers: Mapping[str, Rows], total: int) -> list[Answer]:
    found = [Answer(Call(0, 1), 0, answers["prediction_of_one"].reshape(1, -1))]
    for kind in ("prediction", "margin"):
        whole = answers[kind]
        rounds = whole.reshape(len(whole) // total, total, -1)
        found += [Answer(Call(0, total, margin=kind == "margin"), 0, part) for part in rounds]
    return found
