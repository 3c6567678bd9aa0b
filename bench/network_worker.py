"""The process of one engine: loads a network, then answers commands, one JSON line each.

    python -m bench.network_worker FOLDER ENGINE THREADS

The first line it writes tells how loading went. A line `SECONDS` asks for one sample: the mean wall and CPU
time of enough calls to fill that time. The line `end` asks for the peak memory, and ends it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from bench.network_engines import ENGINES, Call, Prepared

PR_SET_PDEATHSIG = 1
TRIAL = 0.05
"""Seconds for each way to run an engine, of which the fastest is kept."""


def main(folder: Path, name: str, threads: int) -> None:
    """Until `end`."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a stopped process would outlive its parent
    os.sched_setaffinity(0, range(threads))
    answers, sys.stdout = sys.stdout, sys.stderr
    with np.load(folder / "inputs.npz") as stored:
        fed = {key: stored[key] for key in stored.files}
    before, libraries = memory("VmRSS"), mapped()
    try:
        prepared, facts = load(name, folder, fed, threads)
    except Exception as error:
        lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()] or [""]
        say(answers, {"failure": f"{type(error).__name__}: {lines[-1]}"[:200]})
        return
    results = enumerate(prepared.results())
    np.savez(
        folder / f"{name}.npz", **{str(at): array for at, array in results if array.dtype.kind in "fiub"}
    )
    way, call = fastest(prepared)
    engine = sum(size for path, size in mapped().items() if path not in libraries)
    say(answers, {**facts, "way": way, "bytes before": before, "library bytes": engine})
    calls = 0
    for line in sys.stdin:
        if line.strip() == "end":
            say(answers, {"peak bytes": memory("VmHWM")})
            return
        calls = calls or max(1, int(float(line) / timed(call, 1)[0]))
        timed(call, -(-calls // 10))  # others have had the caches
        wall, processor = timed(call, calls)
        say(answers, {"wall": wall, "cpu": processor, "total": time.process_time()})


def load(
    name: str, folder: Path, fed: dict[str, np.ndarray], threads: int
) -> tuple[Prepared, dict[str, Any]]:
    """The network and the seconds to import the engine, to load the network, and to run it first."""
    engine = ENGINES[name]
    clock = [time.perf_counter()]
    import_module(engine.module)
    clock.append(time.perf_counter())
    prepared = engine.prepare(folder, fed, threads)
    clock.append(time.perf_counter())
    next(iter(prepared.ways.values()))()
    clock.append(time.perf_counter())
    seconds = dict(zip(("import", "load", "first"), np.diff(clock).tolist(), strict=True))
    return prepared, {"version": version(engine.distribution) if engine.distribution else "", **seconds}


def fastest(prepared: Prepared) -> tuple[str, Call]:
    """Of the ways to run a network."""
    seconds = {}
    for way, call in prepared.ways.items():
        call()
        count = max(1, int(TRIAL / timed(call, 1)[0]))
        seconds[way] = min(timed(call, count)[0] for _ in range(3))
    best = min(seconds, key=lambda way: seconds[way])
    return best, prepared.ways[best]


def timed(call: Call, count: int) -> tuple[float, float]:
    """Mean seconds per call: wall time, and CPU time of all threads."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(count):
        call()
    return (time.perf_counter() - wall) / count, (time.process_time() - processor) / count


def memory(field: str) -> int:
    """Bytes that the kernel tells of this process: VmRSS, VmHWM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def mapped() -> dict[str, int]:
    """Bytes of the shared libraries in this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = {line.split(maxsplit=5)[5] for line in lines if ".so" in line}
    return {path: os.stat(path).st_size for path in paths if os.path.exists(path)}


def say(answers: TextIO, what: dict[str, Any]) -> None:
    """One line."""
    print(json.dumps(what), file=answers, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
