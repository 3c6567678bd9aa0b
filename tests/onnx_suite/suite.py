"""The node tests of the installed onnx package, through the compiler and the compiled library.

    python -m tests.onnx_suite.suite [--target NAME ...] [--only SUBSTRING] [--sample N]
                                     [--shard K/N] [--jobs J]

A target is named as on the command line of tinsmith (ml_c6g, LINUX/ARM64), or is `sanitizers`: this machine
with AddressSanitizer and UndefinedBehaviorSanitizer. Prints what does not pass, then the count; the exit
status is 1 when that is other than exceptions.toml says.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.onnx_suite.batches import Outcome, in_batches, run_batch
from tests.onnx_suite.cases import Case, cases, sample
from tests.onnx_suite.machines import Machine, opened
from tests.onnx_suite.native import find_target, host
from tests.onnx_suite.sanitizers import Sanitized

HOST = "LINUX/X86_64"
SANITIZERS = "sanitizers"
OTHERS = ("LINUX/ARM64", "LINUX/ARM_EABIHF", "rasp4b", "x86_win64")
"""aarch64; armv7 without and with NEON, under qemu; Windows under wine."""
EXCEPTIONS: dict[str, str] = tomllib.loads(Path(__file__).with_name("exceptions.toml").read_text())["reasons"]


def run(chosen: Sequence[Case], target: str, jobs: int = 1) -> list[Outcome]:
    """The outcome of every case, in order."""
    with (
        TemporaryDirectory() as folder,
        _machine(target, Path(folder)) as machine,
        ThreadPoolExecutor(jobs) as pool,
    ):
        found = list(pool.map(lambda batch: run_batch(batch, machine), in_batches(chosen)))
    return [outcome for batch in found for outcome in batch]


def _machine(target: str, folder: Path) -> AbstractContextManager[Machine]:
    if target == SANITIZERS:
        return nullcontext(Sanitized(host()))
    return opened(find_target(target), folder)


def surprises(outcomes: Sequence[Outcome]) -> list[str]:
    """What exceptions.toml does not say."""
    found = []
    for outcome in outcomes:
        if outcome.status == "passed" and outcome.name in EXCEPTIONS:
            found.append(f"{outcome.name} passes: take it out of exceptions.toml")
        elif outcome.status != "passed" and (outcome.name not in EXCEPTIONS or outcome.crashed):
            found.append(f"{outcome.name} {outcome.status}: {outcome.detail}")
    return found


def count(outcomes: Sequence[Outcome]) -> str:
    """For people."""
    number = {kind: sum(o.status == kind for o in outcomes) for kind in ("passed", "refused", "failed")}
    return ", ".join(f"{number[kind]} {kind}" for kind in number) + f" of {len(outcomes)}"


def main() -> int:
    """See above."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--target", nargs="*", default=[*OTHERS, HOST])
    arguments.add_argument("--only", default="")
    arguments.add_argument("--sample", type=int)
    arguments.add_argument("--shard", default="1/1")
    arguments.add_argument("--jobs", type=int, default=2)
    options = arguments.parse_args()
    shard, shards = map(int, options.shard.split("/"))
    pool = cases() if options.sample is None else sample(options.sample)
    chosen = [case for case in pool if options.only in case.name][shard - 1 :: shards]
    unexpected = 0
    for target in options.target:
        outcomes = run(chosen, target, options.jobs)
        for outcome in outcomes:
            if outcome.status != "passed":
                print(f"{outcome.status}: {outcome.name}: {outcome.detail}")
        unexpected += len(surprises(outcomes))
        where = "" if target == HOST else f" on {target}"
        print(f"node suite{where}: {count(outcomes)}", flush=True)
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
