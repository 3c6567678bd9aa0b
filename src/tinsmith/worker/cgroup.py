"""Control groups: what all processes of one job together may use. Linux' versions 1 and 2, by writing files.

A group is made below the one that this process is in (version 1), or beside it (version 2, where a group
that has processes can have no limited children), and called `tinsmith-PID` after the process whose command
runs in it. `Wall` is how a sandbox uses it:

    wall = cgroup.find()                        None and a reason where nothing can be written
    wall.make(pid, limits)                      before the command starts
    wall.joining(pid)                           a command in front of the command
    wall.exhausted(pid); cgroup.clear(pid)      afterwards
"""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = ("memory", "pids", "cpu")
PERIOD = 100_000  # microseconds, the kernel's default
LEAF = "tinsmith-service"
"""Version 2: where the service's own processes move to, so that its group can have limited children."""
EMPTY_SECONDS = 5.0
REFUSED = 125


@dataclass(frozen=True)
class GroupLimits:
    """What the processes of one group may use together."""

    memory: int
    """Bytes, with the page cache that cannot be given back; swap is not added to it."""
    processes: int
    """Processes and threads."""
    cpus: float | None = None
    """Processors' worth of time; None: all."""


@dataclass(frozen=True)
class Hierarchy:
    """A folder that groups can be made in, and what those then limit."""

    folder: Path
    version: int
    controllers: tuple[str, ...]

    def settings(self, limits: GroupLimits) -> Iterator[tuple[str, str]]:
        """File and content of every limit, in the order in which the kernel takes them."""
        quota = None if limits.cpus is None else int(limits.cpus * PERIOD)
        memory, processes = str(limits.memory), str(limits.processes)
        if self.version == 1:
            table = {
                "memory": [("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", memory)],
                "pids": [("pids.max", processes)],
                "cpu": [("cpu.cfs_quota_us", str(quota or -1))],
            }
        else:
            table = {
                "memory": [("memory.max", memory), ("memory.swap.max", "0"), ("memory.oom.group", "1")],
                "pids": [("pids.max", processes)],
                "cpu": [("cpu.max", f"{quota or 'max'} {PERIOD}")],
            }
        for controller in self.controllers:
            yield from table[controller]


@dataclass(frozen=True)
class Wall:
    """Where groups can be made on this machine."""

    hierarchies: tuple[Hierarchy, ...]

    @property
    def controllers(self) -> tuple[str, ...]:
        """What a group limits, a part of CONTROLLERS."""
        known = {name for hierarchy in self.hierarchies for name in hierarchy.controllers}
        return tuple(name for name in CONTROLLERS if name in known)

    def make(self, pid: int, limits: GroupLimits) -> None:
        """Makes the groups of the process `pid`. Raises OSError when the kernel refuses a limit."""
        for hierarchy in self.hierarchies:
            group = hierarchy.folder / _name(pid)
            group.mkdir(exist_ok=True)
            for file, text in hierarchy.settings(limits):
                try:
                    (group / file).write_text(text)
                except FileNotFoundError:  # swap is not counted by every kernel
                    if "swap" not in file and "memsw" not in file:
                        raise

    def joining(self, pid: int) -> tuple[str, ...]:
        """A command that enters the groups of `pid` and then becomes the command behind it.

        A process enters by itself, before it has children: one that is moved may have left some behind.
        """
        files = (shlex.quote(str(one.folder / _name(pid) / "cgroup.procs")) for one in self.hierarchies)
        script = " && ".join(f"echo 0 > {file}" for file in files)
        return ("/bin/sh", "-c", f'{script} && exec "$@"; exit {REFUSED}', "cgroup")

    def exhausted(self, pid: int) -> bool:
        """Whether a process in the groups of `pid` was killed because they had no memory left."""
        for hierarchy in self.hierarchies:
            group = hierarchy.folder / _name(pid)
            for file in ("memory.oom_control", "memory.events"):
                with suppress(OSError):
                    words = (group / file).read_text().split()
                    if int(dict(zip(words[::2], words[1::2], strict=False)).get("oom_kill", 0)):
                        return True
        return False

    def sweep(self) -> None:
        """Clears the groups of processes that are gone: they, or the whole service, were killed."""
        for hierarchy in self.hierarchies:
            for group in hierarchy.folder.glob(_name("[0-9]*")):
                pid = group.name.rpartition("-")[2]
                if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                    self.clear(int(pid))

    def clear(self, pid: int) -> None:
        """Kills whoever is in the groups of `pid` and removes them; no error when there are none."""
        for hierarchy in self.hierarchies:
            group = hierarchy.folder / _name(pid)
            deadline = time.monotonic() + EMPTY_SECONDS
            while group.exists() and time.monotonic() < deadline:
                _kill_all(group)
                with suppress(OSError):  # busy until the kernel has buried the last one
                    group.rmdir()
                    break
                time.sleep(0.002)


def find(root: Path = Path("/")) -> tuple[Wall | None, str]:
    """Where this process can make groups that limit memory; None and the reason where it cannot.

    `root` stands for `/`, for tests.
    """
    hierarchies: dict[Path, Hierarchy] = {}
    reasons = []
    for controller in CONTROLLERS:
        found = _version_1(root, controller) or _version_2(root, controller)
        if found is None:
            reasons.append(f"the kernel offers no cgroup for {controller}")
        elif not os.access(found.folder, os.W_OK):
            reasons.append(f"{found.folder} is not writable for this user")
        elif found.version == 2 and controller not in _enabled(found.folder):
            reasons.append(f"{found.folder} does not hand on {controller} (cgroup.subtree_control)")
        else:
            known = hierarchies.get(found.folder)
            names = (*(known.controllers if known else ()), controller)
            hierarchies[found.folder] = Hierarchy(found.folder, found.version, names)
    wall = Wall(tuple(hierarchies.values()))
    if "memory" in wall.controllers:
        return wall, ""
    return None, "; ".join(dict.fromkeys(reasons))


def delegate(root: Path = Path("/")) -> None:
    """Version 2: makes the group of this process, when nobody else is in it, one whose children are limited.

    That is the state that systemd's `Delegate=yes` starts a service in. Does nothing elsewhere.
    """
    own = _version_2_group(root)
    if own is None or not os.access(own, os.W_OK):
        return
    wanted = [name for name in CONTROLLERS if name in _words(own / "cgroup.controllers")]
    if not wanted or not _is_delegated(root, own) or set(wanted) <= set(_enabled(own)):
        return
    if set(_words(own / "cgroup.procs")) != {str(os.getpid())}:
        return
    with suppress(OSError):
        (own / LEAF).mkdir(exist_ok=True)
        (own / LEAF / "cgroup.procs").write_text("0")
        (own / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted))


def _name(pid: int | str) -> str:
    return f"tinsmith-{pid}"


def _version_1(root: Path, controller: str) -> Hierarchy | None:
    path = _own_path(root, controller)
    mount = _mount(root, "cgroup", controller)
    return None if path is None or mount is None else Hierarchy(_below(mount, path), 1, (controller,))


def _version_2(root: Path, controller: str) -> Hierarchy | None:
    own = _version_2_group(root)
    if own is None or controller not in _words(own / "cgroup.controllers"):
        return None
    beside = controller in _enabled(own.parent) and _is_delegated(root, own.parent)
    return Hierarchy(own.parent if beside else own, 2, (controller,))


def _is_delegated(root: Path, group: Path) -> bool:
    """Whether whoever runs this machine leaves `group` to us: all that we see, or marked by systemd."""
    mount = _mount(root, "cgroup2", "")
    if mount is not None and group == mount[0]:
        return True
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            return os.getxattr(group, name) == b"1"
    return False


def _version_2_group(root: Path) -> Path | None:
    path, mount = _own_path(root, ""), _mount(root, "cgroup2", "")
    return None if path is None or mount is None else _below(mount, path)


def _own_path(root: Path, controller: str) -> str | None:
    """The path of this process's group among those of `controller`; the empty one is version 2."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            if controller in names.split(","):
                return path
    return None


def _mount(root: Path, kind: str, controller: str) -> tuple[Path, str] | None:
    """Where `kind` is mounted, with `controller` among its options, and which of its folders that shows."""
    with suppress(OSError):
        for line in (root / "proc/self/mountinfo").read_text().splitlines():
            before, _, after = line.partition(" - ")
            shown, place = before.split()[3:5]
            found, _, options = after.split()[:3]
            if found == kind and (not controller or controller in options.split(",")):
                return root / place.lstrip("/"), shown
    return None


def _below(mount: tuple[Path, str], path: str) -> Path:
    place, shown = mount
    inner = path.removeprefix(shown) if shown != "/" and path.startswith(shown) else path
    folder = place / inner.lstrip("/")
    return folder if folder.is_dir() else place  # the path may be that of another namespace


def _enabled(group: Path) -> list[str]:
    return _words(group / "cgroup.subtree_control")


def _words(file: Path) -> list[str]:
    with suppress(OSError):
        return file.read_text().split()
    return []


def _kill_all(group: Path) -> None:
    with suppress(OSError):
        (group / "cgroup.kill").write_text("1")
    for pid in _words(group / "cgroup.procs"):
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
