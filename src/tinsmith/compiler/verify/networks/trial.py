"""Executes the finished artifact of a network and compares it with the reference."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tinsmith.compiler.artifact.inspect import unpack
from tinsmith.compiler.artifact.samples import Arrays, Samples
from tinsmith.compiler.ir.dtypes import numpy_dtype
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.cpu import VARIANTS, host_name, variants_to_execute
from tinsmith.compiler.verify.execute import (
    Machine,
    NoMachine,
    build_runner,
    find_machine,
    is_here,
    run,
    run_calls,
)
from tinsmith.compiler.verify.networks import reference
from tinsmith.compiler.verify.networks.calls import read_answers, write_plan
from tinsmith.compiler.verify.networks.compare import Difference, compare
from tinsmith.compiler.verify.networks.examples import Run, arithmetics_of, examples, runs_of
from tinsmith.compiler.verify.networks.original import agree
from tinsmith.compiler.verify.networks.reference import Unable
from tinsmith.compiler.verify.networks.selections import Follower
from tinsmith.compiler.verify.networks.tolerance import TOLERANCES, Tolerance
from tinsmith.errors import InternalError
from tinsmith.spec.targets import Target
from tinsmith_runtime.artifact import read_manifest
from tinsmith_runtime.manifest import FILE_NAME, Manifest

MEASURED_SECONDS = 1.0
EMULATED_RUNS = 2
"""Of all, under an emulator, which takes ten times as long or more."""


@dataclass(frozen=True)
class OutputAgreement:
    """How well an output agreed, over all runs and variants."""

    name: str
    dtype: str
    arithmetic: str
    """The coarsest that it comes from: "float32", "float16", "quantised" ..."""
    tolerance: Tolerance
    max_absolute_error: float
    max_relative_error: float
    """To the output's largest magnitude in the run."""
    max_allowed_error: float
    """The absolute part, the largest of any run; of a quantised network, with what its roundings come to."""


@dataclass(frozen=True)
class NetworkVerification:
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
    runs: tuple[str, ...] = ()
    """The kind of inputs of every run."""
    reference: str | None = None
    """Who gave the right answers."""
    second_opinion: Mapping[str, Any] | None = None
    """Of ONNX Runtime, where it is installed: its name, and its largest distance from the reference,
    relative to each output's magnitude, or why it has none."""
    original: Mapping[str, Any] | None = None
    """Of the framework that saved the model, where it is at hand: its name, the kinds of inputs it was given,
    and its largest distance from the reference, or why it has none."""
    followed: tuple[str, ...] = ()
    """The kinds of inputs whose answers depend on which of (nearly) equal numbers is chosen; there the
    reference took the library's own scores, after comparing them; see `selections`."""
    outputs: tuple[OutputAgreement, ...] = ()
    dlr: bool = False
    """The artifact's DLR library was executed too."""
    latency_microseconds: float | None = None
    """Of one run on one thread, through tinsmith_runtime; the median of many. Only where the target is this
    machine."""
    latency_microseconds_all_threads: float | None = None
    """The same with as many threads as the library takes by itself."""
    threads: int | None = None
    """Processors that it may take."""


def verify_network(
    tarball: Path,
    network: Network,
    target: Target,
    scratch: Path,
    allow_unverified: bool = False,
    book: Any = None,
) -> NetworkVerification:
    """See `verify.verify`."""
    found = examples(network)
    if found.unable is not None:
        reason = f"no reference evaluates this network: {found.unable}"
        if not allow_unverified:
            raise InternalError(f"verification: {reason}, and unverified artifacts are not allowed")
        return NetworkVerification(executed=False, reason=reason)
    try:
        with TemporaryDirectory(dir=scratch, prefix="verify-") as folder:
            machine = find_machine(target)
            return Trial(
                tarball,
                target,
                machine,
                Path(folder),
                found.runs,
                found.reference,
                found.arithmetics,
                Follower(network, target, machine, Path(folder), book),
            ).run(_second_opinion(network, found.runs, found.reference), agree(network, found.runs))
    except NoMachine as reason:
        if not allow_unverified:
            raise InternalError(
                f"verification: {reason}, or let the operator allow unverified artifacts"
            ) from None
        return NetworkVerification(executed=False, reason=str(reason))


def reverify_network(tarball: Path, target: Target, samples: Samples, scratch: Path) -> NetworkVerification:
    """See `verify.reverify`."""
    runs = runs_of(samples)
    if not runs:
        raise InternalError(f"verification: the evidence in {tarball.name} holds no runs")
    given_by = str(samples.claim.get("reference"))
    try:
        with TemporaryDirectory(dir=scratch, prefix="verify-") as folder:
            machine = find_machine(target)
            return Trial(
                tarball, target, machine, Path(folder), runs, given_by, arithmetics_of(samples)
            ).run()
    except NoMachine as reason:
        raise InternalError(f"verification: {reason}") from None


@dataclass(frozen=True)
class Trial:
    """One artifact, on one machine, with runs and their right answers."""

    tarball: Path
    target: Target
    machine: Machine
    folder: Path
    runs: tuple[Run, ...]
    reference: str
    arithmetics: tuple[str, ...]
    follower: Follower | None = None
    """Knows the network; without it there is one right answer."""

    def run(
        self,
        second_opinion: Mapping[str, Any] | None = None,
        original: Mapping[str, Any] | None = None,
    ) -> NetworkVerification:
        """Every variant by the runner, the DLR library; then, where the target is this machine, as a customer
        would."""
        unpack(self.tarball, (self.target.library, self.target.dlr_library, FILE_NAME), self.folder)
        manifest = read_manifest(self.folder)
        emulated = self.machine.method != "native"
        runs = self.runs[:EMULATED_RUNS] if emulated else self.runs
        variants = variants_to_execute(self.target, emulated)
        found: list[list[Difference]] = []
        for who, answers in self._answers(manifest, variants, runs):
            found += self._compare(runs, answers, manifest, who)
        speed = self._as_customer(manifest, found) if is_here(self.target, self.machine) else {}
        return NetworkVerification(
            executed=True,
            method=self.machine.method,
            host=host_name(),
            variants=variants,
            variants_not_executed=tuple(VARIANTS)[len(variants) : len(self.target.variants)],
            runs=tuple(one.wanted.kind for one in runs),
            reference=self.reference,
            second_opinion=second_opinion,
            original=original,
            followed=tuple(self.follower.followed) if self.follower else (),
            outputs=_agreement(manifest, self.arithmetics, found, runs),
            dlr=True,
            **speed,
        )

    def _answers(
        self, manifest: Manifest, variants: Sequence[str], runs: Sequence[Run]
    ) -> list[tuple[str, list[Arrays]]]:
        """What every variant and the DLR library answer; they run side by side."""
        plan = self.folder / "plan"
        write_plan([one.inputs for one in runs], manifest.inputs, manifest.outputs, plan)
        runner = build_runner(self.target, self.folder)
        callees = [(variant, self.target.library) for variant in variants or ("",)]
        callees.append((self.target.dlr_library, self.target.dlr_library))

        def call(who: str, library: str) -> tuple[str, list[Arrays]]:
            result = self.folder / f"result-{who}"
            settings = {"TINSMITH_NUM_THREADS": "1"} | ({"TINSMITH_ISA": who} if who in variants else {})
            run_calls(self.machine, runner, self.folder / library, plan, result, settings, "tensors")
            return who, read_answers(result, len(runs), manifest.outputs)

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(call, *zip(*callees, strict=True)))

    def _compare(
        self, runs: Sequence[Run], answers: Sequence[Arrays], manifest: Manifest, who: str
    ) -> list[list[Difference]]:
        where = " ".join(filter(None, (self.machine.method, who)))
        names = [tensor.name for tensor in manifest.outputs]
        return [
            self._compare_run(one, found, names, where, who if who in VARIANTS else "")
            for one, found in zip(runs, answers, strict=True)
        ]

    def _compare_run(
        self, one: Run, found: Arrays, names: Sequence[str], where: str, variant: str
    ) -> list[Difference]:
        try:
            return compare(one.wanted, found, names, where)
        except InternalError:
            if self.follower is None or not self.follower.deciding:
                raise
        return compare(self.follower.wanted(one, variant), found, names, where)

    def _as_customer(self, manifest: Manifest, found: list[list[Difference]]) -> dict[str, Any]:
        """Loads the tarball, and for all threads what was unpacked from it, by tinsmith_runtime in processes
        of their own, compares, and measures."""
        inputs = self.folder / "inputs.npz"
        stored: dict[str, Any] = {"runs": np.int64(len(self.runs))}
        for number, one in enumerate(self.runs):
            for index, array in enumerate(one.inputs):
                stored[f"{number}/input/{index}"] = np.frombuffer(array.tobytes(), np.uint8)
        np.savez(inputs, allow_pickle=False, **stored)
        processors = len(os.sched_getaffinity(0))
        latency = {}
        for threads, artifact in ((1, self.tarball), (processors, self.folder)):
            answers = self._run_child(artifact, inputs, threads)
            latency[threads] = round(float(answers["latency"]) * 1e6, 3)
            outputs = [_customer_outputs(answers, number, manifest) for number in range(len(self.runs))]
            found += self._compare(self.runs, outputs, manifest, f"tinsmith_runtime, {threads} threads")
        return {
            "latency_microseconds": latency[1],
            "latency_microseconds_all_threads": latency[processors],
            "threads": processors,
        }

    def _run_child(self, artifact: Path, inputs: Path, threads: int) -> dict[str, Any]:
        result = self.folder / "answers.npz"
        settings = {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "TMPDIR": str(self.folder),
            "HOME": str(self.folder),
            "TINSMITH_NUM_THREADS": str(threads),
        }
        command = [sys.executable, "-m", "tinsmith.compiler.verify.networks.child", str(artifact)]
        done = run([*command, str(inputs), str(result), str(MEASURED_SECONDS)], settings)
        if done.returncode != 0:
            text = done.stderr.decode("utf-8", "replace").strip()
            raise InternalError(f"verification: tinsmith_runtime: exit status {done.returncode}: {text}")
        with np.load(result, allow_pickle=False) as answers:
            return dict(answers)


def _customer_outputs(answers: Mapping[str, Any], number: int, manifest: Manifest) -> Arrays:
    return tuple(
        answers[f"{number}/output/{index}"]
        .view(numpy_dtype(tensor.dtype))
        .reshape(answers[f"{number}/shape/{index}"])
        for index, tensor in enumerate(manifest.outputs)
    )


def _agreement(
    manifest: Manifest,
    arithmetics: Sequence[str],
    found: Sequence[Sequence[Difference]],
    runs: Sequence[Run],
) -> tuple[OutputAgreement, ...]:
    return tuple(
        OutputAgreement(
            tensor.name,
            tensor.dtype,
            arithmetic,
            TOLERANCES[arithmetic],
            float(f"{max(run[index].absolute for run in found):.3g}"),
            float(f"{max(run[index].relative for run in found):.3g}"),
            float(f"{max(run.wanted.allowances[index].absolute for run in runs):.3g}"),
        )
        for index, (tensor, arithmetic) in enumerate(zip(manifest.outputs, arithmetics, strict=True))
    )


def _second_opinion(network: Network, runs: Sequence[Run], first: str) -> dict[str, Any] | None:
    """How far ONNX Runtime is from the reference."""
    oracle = reference.onnxruntime(network)
    if oracle is None or oracle.name == first:
        return None
    worst = 0.0
    try:
        for one in runs:
            for exact, other in zip(one.wanted.exact, oracle.evaluate(one.inputs), strict=True):
                worst = max(worst, _distance(exact, other))
    except Unable as error:
        return {"name": oracle.name, "unable": str(error)}
    return {"name": oracle.name, "max_relative_difference": float(f"{worst:.3g}")}


def _distance(exact: Any, other: Any) -> float:
    """The largest difference of finite elements relative to the largest magnitude; infinity for other
    shapes."""
    if exact.shape != other.shape:
        return float("inf")
    kind = np.complex128 if other.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        error, size = np.abs(other.astype(kind) - exact.astype(kind)), np.abs(exact.astype(kind))
    finite = np.isfinite(error) & np.isfinite(size)
    magnitude = float(size[finite].max(initial=0.0))
    largest = float(error[finite].max(initial=0.0))
    return largest / magnitude if magnitude else largest
