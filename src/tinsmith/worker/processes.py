"""Processes: naming one beyond the reuse of its number, dying with a parent, ending a family."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True)
class ProcessId:
    """A process as the kernel will never name another one: number and start time in clock ticks."""

    pid: int
    started: int

    @staticmethod
    def of(pid: int) -> ProcessId | None:
        """The process that has the number `pid` now; None when there is none or it is a zombie."""
        stat = _stat(pid)
        return None if stat is None or stat.state == "Z" else ProcessId(pid, stat.started)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return ProcessId.of(self.pid) == self


def write_pid_file(path: Path, pid: int) -> None:
    """Records the process `pid`, which must be alive, in `path`."""
    process = ProcessId.of(pid)
    if process is not None:
        path.write_text(f"{process.pid} {process.started}\n")


def read_pid_file(path: Path) -> ProcessId | None:
    """The process recorded in `path`; None when the file is missing or half written."""
    try:
        pid, started = path.read_text().split()
        return ProcessId(int(pid), int(started))
    except (OSError, ValueError):
        return None


def die_with_parent(parent: int) -> None:
    """SIGKILLs this process when the thread that made it ends, or now when `parent` is gone already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Makes this process the parent of all descendants whose own parent dies."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_descendants() -> None:
    """Kills and reaps everything below this process; nothing is left when it returns."""
    while family := list(_descendants(os.getpid())):
        for pid in family:
            kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def kill(pid: int, number: int) -> None:
    """Signals the process `pid`, or nobody when it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def kill_group(pid: int, number: int) -> None:
    """Signals the process group that `pid` leads, or nobody when it is gone."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _descendants(ancestor: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        if (stat := _stat(pid)) is not None:
            children.setdefault(stat.parent, []).append(pid)
    generation = children.get(ancestor, [])
    while generation:
        yield from generation
        generation = [child for pid in generation for child in children.get(pid, [])]


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold spaces and parentheses
    return _Stat(fields[0], int(fields[1]), int(fields[19]))
