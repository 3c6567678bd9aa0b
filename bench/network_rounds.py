"""Engines take turns, each in a process of its own that is stopped while others run.

Every round asks every engine for one sample; the figure is the median over the rounds.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.network_engines import ENGINES

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-bench-networks" / "bin" / "python"
FILL = 0.1
"""Seconds of a sample."""
TIMEOUT = 600.0
"""Seconds for an answer: some peers compile while they load."""


class Worker:
    """The process of one engine."""

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        environment = {**os.environ, **ENGINES[name].environment, "PYTHONPATH": f"{ROOT}:{ROOT}/runtime/src"}
        environment |= {"OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        command = [str(PYTHON), "-m", "bench.network_worker", str(folder), name, str(threads)]
        log = (folder / f"{name}.log").open("w")
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=log, text=True, cwd=ROOT, env=environment
        )
        self.loaded = self._answer()
        self.stop()

    def ask(self, line: str) -> dict[str, Any]:
        """The answer to one command."""
        assert self.process.stdin
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self._answer()
        if line != "end":
            self.stop()
        return answer

    def stop(self) -> None:
        """Holds all its threads: those of a pool may wait by spinning."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """Whatever it does."""
        self.process.kill()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        readable, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
        if not readable:
            self.kill()
            return {"failure": f"no answer within {TIMEOUT:.0f} s"}
        line = self.process.stdout.readline()
        if not line:
            return {"failure": f"ended with status {self.process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer


def contest(folders: Mapping[str, Path], threads: int, rounds: int) -> dict[str, dict[str, Any]]:
    """What was measured of each engine: how loading went, "wall" and "cpu" seconds, "samples", "peak bytes",
    and the CPUs that "others" took; or its "failure".

    Each engine finds its files in a folder, and leaves its outputs there.
    """
    records: dict[str, dict[str, Any]] = {}
    workers: dict[str, Worker] = {}
    try:
        for name, folder in folders.items():
            worker = Worker(name, folder, threads)
            records[name] = worker.loaded
            if "failure" in worker.loaded:
                worker.kill()
            else:
                workers[name] = worker
        samples, others = _rounds(workers, rounds)
        for name, worker in workers.items():
            records[name] |= _medians(samples[name]) | worker.ask("end") | {"others": others}
    finally:
        for worker in workers.values():
            worker.kill()
    return records


def _rounds(workers: Mapping[str, Worker], rounds: int) -> tuple[dict[str, list[dict[str, Any]]], float]:
    """The samples, and how many CPUs other processes took meanwhile."""
    samples: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    start, busy = time.perf_counter(), _busy()
    for _ in range(rounds):
        for name, worker in workers.items():
            samples[name].append(worker.ask(str(FILL)))
    wall, busy = time.perf_counter() - start, _busy() - busy
    totals = [[sample["total"] for sample in found if "total" in sample] for found in samples.values()]
    own = sum(total[-1] - total[0] for total in totals if total) * rounds / max(1, rounds - 1)
    return samples, max(0.0, busy - own) / wall


def _busy() -> float:
    """Seconds that the CPUs were not idle since the machine started."""
    user, nice, system, _, _, *rest = (int(part) for part in Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def _medians(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    broken = next((sample for sample in samples if "failure" in sample), None)
    if broken:
        return broken
    return {
        "wall": median(sample["wall"] for sample in samples),
        "cpu": median(sample["cpu"] for sample in samples),
        "samples": [[sample["wall"], sample["cpu"]] for sample in samples],
    }
