"""One row of the networks' benchmark: everything measured of one network at one batch and number of threads.

Rows are kept as JSON. An engine measured later joins the row while artifact and machine are the same, with
our time of its own rounds, so that its ratio stays one of neighbours in time; else the row begins anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import flops
from bench.network_compile import ROOT, artifact_digest, compiled
from bench.network_convert import CONVERTERS
from bench.network_engines import ENGINES, OURS
from bench.network_rounds import PYTHON, contest
from bench.networks import provide
from tinsmith.compiler.verify.cpu import host_name

CACHE = ROOT / ".cache" / "bench-networks"
CONVERTER_SOURCES = ("network_convert.py", "onnx_torch.py")
CONVERSION_TIMEOUT = 1200
"""Seconds."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What a row is about."""

    network: str
    batch: int
    threads: int
    quick: bool
    """Ours is compiled for this processor only and unverified."""

    @property
    def home(self) -> Path:
        """Folder of the model and of what was made of it."""
        return CACHE / f"{self.network}-b{self.batch}"

    @property
    def stored(self) -> Path:
        """Where the row is kept."""
        mode = "-quick" if self.quick else ""
        return CACHE / "rows" / f"{self.network}-b{self.batch}-t{self.threads}{mode}.json"

    def mode(self, engine: str) -> str:
        """Of `compiled`, for one of ours."""
        if not self.quick:
            return "job"
        return "quick-avx2" if engine == "tinsmith-avx2" else "quick"


def measure(task: Task, engines: Sequence[str], rounds: int) -> Record:
    """The row with these engines measured now; ours is always among them."""
    provide(task.network, task.batch, task.home)
    row = _begun(task)
    rivals = [ENGINES[engine].rival for engine in engines]
    chosen = list(dict.fromkeys([*rivals, *engines]))
    folders = {engine: _folder(task, engine) for engine in chosen}
    for engine in [engine for engine in chosen if engine in OURS]:
        artifact, row["compile"] = compiled(task.home / "model.onnx", task.mode(engine))
        _link(folders[engine] / "artifact", artifact)
    conversions = {engine: _converted(folders[engine], engine) for engine in chosen if engine in CONVERTERS}
    ready = {name: folder for name, folder in folders.items() if "failure" not in conversions.get(name, {})}
    found = contest(ready, task.threads, rounds)
    found |= {name: record for name, record in conversions.items() if "failure" in record}
    judge = _judge(task, {**row["engines"], **found})
    for engine, record in found.items():
        if "failure" not in record:
            record["difference"] = _difference(folders[engine] / engine, judge)
            record["ours"] = {clock: found[ENGINES[engine].rival].get(clock) for clock in ("wall", "cpu")}
            record["model bytes"] = sum(
                (folders[engine] / name).stat().st_size for name in ENGINES[engine].files
            )
            record["converted"] = conversions.get(engine)
    row["engines"] |= {name: record for name, record in found.items() if not _missing(record)}
    task.stored.parent.mkdir(parents=True, exist_ok=True)
    task.stored.write_text(json.dumps(row, indent=1))
    return row


def known(task: Task) -> Record | None:
    """The stored row, if it tells of the present sources and machine."""
    if not task.stored.exists() or not (task.home / "model.onnx").exists():
        return None
    row: Record = json.loads(task.stored.read_text())
    return row if (row["digest"], row["machine"]) == (_digest(task), host_name()) else None


def _begun(task: Task) -> Record:
    model = task.home / "model.onnx"
    return known(task) or {
        "network": task.network,
        "batch": task.batch,
        "threads": task.threads,
        "quick": task.quick,
        "machine": host_name(),
        "digest": _digest(task),
        "date": time.strftime("%Y-%m-%d"),
        "flops": flops.count(model),
        "engines": {},
    }


def _digest(task: Task) -> str:
    return artifact_digest(task.home / "model.onnx", task.mode("tinsmith"))


def _folder(task: Task, engine: str) -> Path:
    folder = task.home / engine
    folder.mkdir(exist_ok=True)
    for name in ("model.onnx", "inputs.npz"):
        _link(folder / name, task.home / name)
    return folder


def _link(link: Path, to: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(to)


def _converted(folder: Path, engine: str) -> Record:
    """What came of the peer's converter: "seconds" and "peak bytes", or its "failure". Done once."""
    digest = hashlib.sha256((folder / "model.onnx").read_bytes())
    for name in CONVERTER_SOURCES:
        digest.update((ROOT / "bench" / name).read_bytes())
    stored = folder / "conversion.json"
    if stored.exists() and (record := json.loads(stored.read_text()))["digest"] == digest.hexdigest():
        return dict(record)
    record = {**_convert(folder, engine), "digest": digest.hexdigest()}
    if not _missing(record):
        stored.write_text(json.dumps(record))
    return record


def _missing(record: Record) -> bool:
    """It failed for want of a package, which says nothing about the engine: another time it may be there."""
    return "ModuleNotFoundError" in record.get("failure", "")


def _convert(folder: Path, engine: str) -> Record:
    command = [
        "timeout",
        str(CONVERSION_TIMEOUT),
        str(PYTHON),
        "-m",
        "bench.network_convert",
        engine,
        str(folder),
    ]
    started = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    with (folder / "conversion.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        log.seek(0)
        lines = [line for line in log.read().splitlines() if line.strip()]
    if status:
        return {"failure": f"conversion: {lines[-1] if lines else status}"[:200]}
    return {"seconds": time.perf_counter() - started, "peak bytes": usage.ru_maxrss * 1024}


def _judge(task: Task, records: Mapping[str, Record]) -> Path:
    """Whose outputs count: those of ONNX Runtime, measured now or before, or ours where it does not run."""
    fine = [name for name in ("onnxruntime", *OURS) if "failure" not in records.get(name, {"failure": ""})]
    return task.home / fine[0] / fine[0] if fine else task.home / "nothing"


def _difference(engine: Path, judge: Path) -> float:
    """The largest between two sets of outputs, relative to the largest element of each output."""
    if not judge.with_suffix(".npz").exists():
        return float("inf")
    with np.load(f"{engine}.npz") as found, np.load(f"{judge}.npz") as wanted:
        common = set(found.files) & set(wanted.files)
        return max((_apart(found[key], wanted[key]) for key in common), default=float("inf"))


def _apart(found: np.ndarray, wanted: np.ndarray) -> float:
    """Some engines leave out the batch of one, so shapes may differ but for their elements."""
    if found.size != wanted.size:
        return float("inf")
    if found.size == 0:
        return 0.0
    a, b = found.astype(np.float64).ravel(), wanted.astype(np.float64).ravel()
    worst = float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
    return worst if np.isfinite(worst) else float("inf")
