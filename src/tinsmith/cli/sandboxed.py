"""Runs our own programs on other people's files: through the sandbox of a job, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from tinsmith.settings import SandboxOptions
from tinsmith.spec.request import Report, WorkDirectory
from tinsmith.worker.artifact import read_report
from tinsmith.worker.attempt import environment
from tinsmith.worker.processes import adopt_orphans, kill_descendants
from tinsmith.worker.sandbox import prepare, read_lines


@contextmanager
def work_directory() -> Iterator[WorkDirectory]:
    """A new WorkDirectory without its input; its parent may hold what the sandbox must not reach."""
    with tempfile.TemporaryDirectory(prefix="tinsmith-") as temporary:
        # The sandbox's user passes through to the one folder that is its own.
        os.chmod(temporary, 0o711)
        work = WorkDirectory(Path(temporary) / "work")
        for folder in (work.path, work.output, work.scratch):
            folder.mkdir()
        yield work


def run_sandboxed(
    module: str, work: WorkDirectory, log: Callable[[str], None], settings: Mapping[str, str] | None = None
) -> Report:
    """The report of `python -m MODULE WORKDIR`; what it prints goes to `log`, line by line.

    `settings` are environment variables beside those of a job.
    """
    adopt_orphans()
    sandbox = prepare(SandboxOptions(), work.path.parent)
    sandbox.adopt(work.path)
    command = (sys.executable, "-I", "-B", "-m", module, str(work.path))
    process = sandbox.start(
        command, work.path, {**environment(work), **(settings or {})}, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    streams = (process.stdout, process.stderr)
    readers = [threading.Thread(target=_copy, args=(stream, log), daemon=True) for stream in streams]
    for reader in readers:
        reader.start()
    try:
        code = process.wait()
    finally:
        kill_descendants()
        sandbox.finish(os.getpid())
    for reader in readers:
        reader.join()
    return replace(read_report(work, code), sandbox=sandbox.layers)


def _copy(stream: IO[bytes], log: Callable[[str], None]) -> None:
    with stream:
        for line in read_lines(stream):
            log(line.rstrip())
