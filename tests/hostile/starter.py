"""Plays the attempts of one service: runs programs by the worker's own code, a line of JSON for each.

    python -m tests.hostile.starter SANDBOX PLACE

Each line on stdin is {"name", "command": [...], "cpu_seconds"}; "{folder}" in the command is the work folder.
The answer says what the log holds, how it ended, and what the service would have taken over.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.hostile.arrangements import from_fields
from tinsmith.errors import TinsmithError
from tinsmith.settings import InputLimits, S3Options
from tinsmith.spec.request import WorkDirectory
from tinsmith.worker import artifact, attempt
from tinsmith.worker.folders import remove
from tinsmith.worker.logs import JobLog, read
from tinsmith.worker.order import AttemptOrder
from tinsmith.worker.processes import adopt_orphans
from tinsmith.worker.sandbox import Sandbox

ATTACKS = Path(__file__).parent / "attacks"
NAME = "model-ml_c5.tar.gz"
SIGNALS: list[int] = []


def main() -> None:
    """Serves until stdin ends."""
    adopt_orphans()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    signal.signal(signal.SIGUSR1, lambda number, _frame: SIGNALS.append(number))
    sandbox, place = from_fields(json.loads(sys.argv[1])), Path(sys.argv[2])
    print(json.dumps({"pid": os.getpid()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(sandbox, place, json.loads(line))), flush=True)


def run(sandbox: Sandbox, place: Path, order: dict[str, Any]) -> dict[str, Any]:
    """One attempt: the compiler is `order`'s command."""
    folder = place / order["name"]
    folder.mkdir(mode=0o711)
    folder.chmod(0o711)
    work = WorkDirectory(folder / "work")
    for inner in (work.path, work.output, work.scratch):
        inner.mkdir()
    shutil.copytree(ATTACKS, work.path / "attacks", ignore=shutil.ignore_patterns("__pycache__"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    log = folder / "log"
    ended = _attempt(sandbox, work, log, folder, order)
    answer = {
        "ended": ended,
        "lines": [line.line for line in read(log)],
        "log_bytes": log.stat().st_size,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
        "signals": len(SIGNALS),
    }
    if order.get("again"):
        try:
            sandbox.start(("/bin/cp", "/bin/true", "/tmp/planted"), work.path, {}).communicate(timeout=30)
        except TinsmithError as error:
            answer["again"] = str(error)
    remove(folder)
    return answer | {"left": folder.exists()}


def _attempt(sandbox: Sandbox, work: WorkDirectory, log: Path, folder: Path, order: dict[str, Any]) -> str:
    command = tuple(part.replace("{folder}", str(work.path)) for part in order["command"])
    wanted = AttemptOrder(
        name=order["name"],
        attempt=1,
        request={},
        log=log,
        compiler=command,
        cpu_seconds=order["cpu_seconds"],
        limits=InputLimits(),
        sandbox=sandbox.options,
        allow_unverified=False,
        s3=S3Options(),
    )
    started = time.monotonic()
    try:
        code = attempt._compile(wanted, sandbox, work, JobLog(log, 1))
        report = artifact.read_report(work, code)
        if report.status == "FAILED":
            return f"FAILED {report.failure_reason}"
        artifact.take(work, report, NAME, folder / "artifact")
        return f"took {(folder / 'artifact').read_bytes()[:200]!r}"
    except attempt.CompilerKilled as error:
        return f"lost: {error}"
    except TinsmithError as error:
        return f"refused: {error}"
    except Exception as error:
        return f"{type(error).__name__} after {time.monotonic() - started:.1f} s: {error}"


if __name__ == "__main__":
    main()
