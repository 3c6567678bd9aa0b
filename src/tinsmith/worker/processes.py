"""Processes: naming one beyond the reuse of its number, dying with a parent, ending a family."""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import subprocess
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
        status = _status(pid)
        return None if status is None or status.state == "Z" else ProcessId(pid, status.started)

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
    while family := list(descendants(os.getpid())):
        for pid in family:
            kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def kill_user(uid: int) -> None:
    """Kills every process of the user `uid`, which must be nobody else's; needs root.

    One call, which no fork outruns: the kernel refuses to fork a process that is being killed.
    """
    command = ("/bin/sh", "-c", "kill -9 -1")
    subprocess.run(command, user=uid, group=uid, extra_groups=[], cwd="/", env={}, check=False)


def threads_of(uid: int) -> int:
    """Threads that `uid` runs now: RLIMIT_NPROC counts all of a user's, whoever started them."""
    count = 0
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                count += len(os.listdir(f"/proc/{entry.name}/task"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return count


def resident_bytes(ancestor: int) -> int:
    """Memory of the processes below `ancestor`; what they share is counted for each."""
    pages = 0
    for pid in descendants(ancestor):
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except (OSError, IndexError):  # gone meanwhile
            continue
    return pages * os.sysconf("SC_PAGE_SIZE")


def unlinked_bytes(ancestor: int, device: int) -> int:
    """Disk space on `device` of files without a name that processes below `ancestor` hold open."""
    sizes: dict[int, int] = {}
    for pid in descendants(ancestor):
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                found = os.stat(f"/proc/{pid}/fd/{name}")
                if found.st_nlink == 0 and found.st_dev == device and stat.S_ISREG(found.st_mode):
                    sizes[found.st_ino] = found.st_blocks * 512
        except OSError:  # gone meanwhile
            continue
    return sum(sizes.values())


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


def descendants(ancestor: int) -> Iterator[int]:
    """The processes below `ancestor`, parents first."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        if (status := _status(pid)) is not None:
            children.setdefault(status.parent, []).append(pid)
    generation = children.get(ancestor, [])
    while generation:
        yield from generation
        generation = [child for pid in generation for child in children.get(pid, [])]


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


@dataclass(frozen=True)
class _Status:
    state: str
    parent: int
    started: int


def _status(pid: int) -> _Status | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold spaces and parentheses
    return _Status(fields[0], int(fields[1]), int(fields[19]))
