"""Runs a command that may be taken over by a hostile model.

From the outside in, each where the machine allows it:

    cgroup       what all processes of the job use together
    bubblewrap   namespaces: own process table, no network, only the listed folders exist
    guard        in the process itself: own user, rlimits, no_new_privs, Landlock, seccomp; without
                 bubblewrap also an own process table, an empty network and read-only mounts

bubblewrap and Landlock are each enough to keep files, network and other processes out of reach. `prepare`
tries the arrangements that this machine may allow, strongest first, by running a real Python in each, and
keeps the first that works. Nothing runs outside an arrangement that worked, and no later command with fewer
layers than the first had.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from tinsmith.errors import DiskFull, InternalError
from tinsmith.settings import SandboxOptions
from tinsmith.worker import cgroup
from tinsmith.worker.folders import disk_bytes, excess, free_bytes
from tinsmith.worker.guard import GuardPolicy, name_of
from tinsmith.worker.order import sandbox_options
from tinsmith.worker.processes import kill_user, resident_bytes, threads_of, unlinked_bytes

LAYERS = ("cgroup", "bubblewrap", "namespaces", "uid", "rlimits", "no_new_privs", "landlock", "seccomp")
"""By the names that `SandboxOptions.require` takes. bubblewrap has namespaces of its own."""
MAX_LINE = 1 << 16
MAX_PID = 1 << 22  # the kernel's PID_MAX_LIMIT
PROBE_SECONDS = 20
PROBE = "import ctypes, socket, sys; import tinsmith.errors; open(sys.argv[1], 'w').close()"
SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/sys/devices/system/cpu",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


@dataclass(frozen=True)
class Sandbox:
    """An arrangement that works on this machine."""

    options: SandboxOptions
    bubblewrap: str | None
    """Path of bwrap; None: guard alone."""
    drop_user: bool
    keep_search: bool
    layers: tuple[str, ...] = ()
    """What is in force, outermost first: cgroup:memory+pids+cpu bubblewrap rlimits uid:1879048200
    no_new_privs landlock:7 seccomp."""
    cgroup: bool = False

    @staticmethod
    def from_fields(fields: Mapping[str, Any]) -> Sandbox:
        """The inverse of `dataclasses.asdict`, whose result may have been JSON meanwhile."""
        changed = {"options": sandbox_options(fields["options"]), "layers": tuple(fields["layers"])}
        return Sandbox(**{**fields, **changed})

    @property
    def own_user(self) -> bool:
        """Whether commands run as a user that no other process's commands have."""
        return self.drop_user and _has_own_users(self.options)

    def user(self, pid: int) -> tuple[int, int]:
        """User and group that commands of the process `pid` run as."""
        if not self.drop_user:
            return os.getuid(), os.getgid()
        if self.own_user and self.options.first_uid is not None:
            return self.options.first_uid + pid, self.options.first_uid + pid
        return self.options.uid, self.options.gid

    def adopt(self, folder: Path) -> None:
        """Gives everything under `folder` to the user that this process's commands run as, to no other."""
        folder.chmod(0o700)
        if not self.drop_user:
            return
        uid, gid = self.user(os.getpid())
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)

    def start(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        cpu_seconds: int | None = None,
        stdout: int | None = subprocess.DEVNULL,
        stderr: int | None = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        """Starts `command` in `folder`, the only place that it can write, as leader of a new session.

        `folder` must exist, absolute, and belong to the sandbox's user (see `adopt`, in this process); it
        gets a sub-folder `tmp` that is also /tmp under bubblewrap. `environment` is all the command sees.
        stderr begins with guard's line of layers. The command dies with the calling thread; call `finish`
        once it has ended.
        """
        temporary = folder / "tmp"
        if not os.path.lexists(temporary):
            temporary.mkdir()
            self.adopt(temporary)
        if temporary.is_symlink() or not temporary.is_dir():  # a former command of the same job
            raise InternalError(f"{temporary} is not a folder any more")
        guard = (sys.executable, "-I", "-B", "-m", "tinsmith.worker.guard")
        policy = self._policy(folder, cpu_seconds).to_json()
        wrapped = [*self._join_group(), *self._namespaces(folder), *guard, policy, *command]
        return subprocess.Popen(
            wrapped,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def excess(self, folder: Path, room: int) -> str | None:
        """What commands of this process have taken too much of, as the end of a sentence.

        Looked at now and then; a cgroup, where there is one, is never late. `room` and DiskFull as for
        `fills_disk`.
        """
        options = self.options
        if not self.cgroup and resident_bytes(os.getpid()) > options.max_memory:
            return f"more than {options.max_memory} bytes of memory"
        hidden = unlinked_bytes(os.getpid(), folder.stat().st_dev)
        if much := excess(folder, options.max_folder, options.max_entries, hidden):
            return much
        if self.fills_disk(folder, room):
            return f"so much that less than {options.min_free} bytes of the disk are free"
        return None

    def room(self, folder: Path) -> int:
        """Bytes of the disk that are free or taken by this process's commands, whose folder it is."""
        return self._taken(folder) + free_bytes(folder)

    def fills_disk(self, folder: Path, room: int) -> bool:
        """Whether too little of the disk is free, and this process's commands took the greater part.

        `room` is what there was before they began. Raises DiskFull when it was others.
        """
        least = self.options.min_free
        if free_bytes(folder) >= least:
            return False
        taken = self._taken(folder)  # before the other figure, which may be falling: the doubt is others'
        free = free_bytes(folder)
        if free >= least:
            return False
        by_others = room - (free + taken)
        if free + taken < least or by_others > taken:
            raise DiskFull(f"Less than {least} bytes of the disk are free, by others' doing.")
        return True

    @staticmethod
    def _taken(folder: Path) -> int:
        return disk_bytes(folder) + unlinked_bytes(os.getpid(), folder.stat().st_dev)

    def out_of_memory(self) -> bool:
        """Whether a command of this process was ended because the job's memory was used up."""
        wall, _ = cgroup.find() if self.cgroup else (None, "")
        return wall is not None and wall.exhausted(os.getpid())

    def finish(self, pid: int) -> None:
        """Ends whatever the commands of the process `pid` have left behind, and removes their cgroup."""
        if self.own_user:
            kill_user(self.user(pid)[0])
        wall, _ = cgroup.find() if self.cgroup else (None, "")
        if wall is not None:
            wall.clear(pid)

    def _join_group(self) -> tuple[str, ...]:
        if not self.cgroup:
            return ()
        wall, reason = cgroup.find()
        if wall is None:
            raise InternalError(f"sandbox: no cgroup any more: {reason}")
        wall.make(os.getpid(), _group_limits(self.options))
        return wall.joining(os.getpid())

    def _policy(self, folder: Path, cpu_seconds: int | None) -> GuardPolicy:
        options = self.options
        uid, gid = self.user(os.getpid())
        limits = {
            "FSIZE": options.max_file,
            "NOFILE": options.max_open_files,
            "NPROC": options.max_processes + threads_of(uid),
            "CORE": 0,
        }
        if options.max_address_space is not None:
            limits["AS"] = options.max_address_space
        if cpu_seconds is not None:
            limits["CPU"] = cpu_seconds
        read_write = [str(folder), *DEVICES]
        read_only = [str(path) for path in (*_readable(), *options.read_only)]
        if self.bubblewrap:
            read_write.append("/tmp")
            read_only.append("/proc")
        return GuardPolicy(
            folder=str(folder),
            read_only=tuple(read_only),
            read_write=tuple(read_write),
            limits=limits,
            uid=uid if self.drop_user else None,
            gid=gid if self.drop_user else None,
            keep_search=self.keep_search,
            namespaces=options.namespaces,
            unix_sockets=bool(self.bubblewrap) or options.unix_sockets,
            outer=self._outer(),
            parent=None if self.bubblewrap else os.getpid(),
            expect=tuple(map(name_of, self.layers)),
        )

    def _outer(self) -> tuple[str, ...]:
        wall, _ = cgroup.find() if self.cgroup else (None, "")
        group = (f"cgroup:{'+'.join(wall.controllers)}",) if wall else ()
        return (*group, "bubblewrap") if self.bubblewrap else group

    def _namespaces(self, folder: Path) -> Iterator[str]:
        if self.bubblewrap is None:
            return
        yield from (self.bubblewrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
        yield from ("--unshare-cgroup-try", "--die-with-parent", "--cap-drop", "ALL")
        if self.drop_user:
            yield from ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
        else:
            yield "--unshare-user"
        yield from ("--proc", "/proc", "--dev", "/dev", "--bind", str(folder / "tmp"), "/tmp")
        readable = [*_readable(), *self.options.read_only]
        for parent in _parents([*readable, folder]):  # bwrap would make them for root alone
            yield from ("--perms", "0755", "--dir", str(parent))
        for path in map(str, readable):
            if os.path.islink(path):
                yield from ("--symlink", os.readlink(path), path)
            else:
                yield from ("--ro-bind", path, path)
        yield from ("--bind", str(folder), str(folder), "--chdir", "/", "--")


def prepare(options: SandboxOptions, folder: Path) -> Sandbox:
    """The strongest arrangement that works for commands in sub-folders of `folder`.

    Takes part of a second; once per service is enough. Raises InternalError, with what each attempt said,
    when none works, a layer of `options.require` is missing, or jobs could read `folder`.
    """
    if unknown := [name for name in options.require if name not in LAYERS]:
        raise InternalError(
            f"sandbox: no layer is called {', '.join(unknown)}; there are {', '.join(LAYERS)}"
        )
    if open_to_all := [path for path in (*_readable(), *options.read_only) if folder.is_relative_to(path)]:
        raise InternalError(f"sandbox: {folder} lies in {open_to_all[0]}, which every job may read")
    sandbox, absent = examine(options, folder)
    if sandbox is None:
        raise InternalError(
            "sandbox: none works on this machine: "
            + "; ".join(f"{name}: {reason}" for name, reason in absent.items())
        )
    if missing := [f"{name} ({absent[name]})" for name in options.require if name in absent]:
        raise InternalError(f"sandbox: missing {', '.join(missing)}; in force: {' '.join(sandbox.layers)}")
    return sandbox


def examine(options: SandboxOptions, folder: Path) -> tuple[Sandbox | None, dict[str, str]]:
    """The strongest arrangement that works, and of each layer that it has not, why; None where none works.

    The reasons are then those of the arrangements that were tried.
    """
    wall, reason = _usable_cgroup(options)
    refusals: dict[str, str] = {}
    for candidate in _candidates(options, wall):
        found, complaint = _try(candidate, folder)
        if found is not None:
            return found, _absent(found, refusals | {"cgroup": reason})
        refusals["bubblewrap" if candidate.bubblewrap else "guard"] = complaint
    return None, refusals


def _absent(found: Sandbox, refusals: Mapping[str, str]) -> dict[str, str]:
    options = found.options
    present = set(map(name_of, found.layers)) | ({"namespaces"} if found.bubblewrap else set())
    no_bwrap = "bwrap is not installed" if shutil.which("bwrap") is None else ""
    off = "switched off in the settings"
    reasons = {
        "cgroup": refusals["cgroup"],
        "bubblewrap": no_bwrap or refusals.get("bubblewrap", "it does not work here")
        if options.bubblewrap
        else off,
        "namespaces": "the kernel refuses new ones to this user" if options.namespaces else off,
        "uid": "the service does not run as root, so that jobs run as its own user",
        "landlock": "the kernel is older than 5.13 or started without it (lsm=landlock)",
        "seccomp": "there is no table of system calls for this processor",
    }
    return {name: reasons.get(name, "") for name in LAYERS if name not in present}


def _usable_cgroup(options: SandboxOptions) -> tuple[bool, str]:
    """Whether a group with this job's limits can be made, by making one, and why not."""
    if not options.cgroup:
        return False, "switched off in the settings"
    cgroup.delegate()
    wall, reason = cgroup.find()
    if wall is None:
        return False, reason
    wall.sweep()
    try:
        wall.make(os.getpid(), _group_limits(options))
    except OSError as error:
        return False, f"{error.strerror}: {error.filename}"
    finally:
        wall.clear(os.getpid())
    return True, ""


def _group_limits(options: SandboxOptions) -> cgroup.GroupLimits:
    return cgroup.GroupLimits(options.max_memory, options.max_processes, options.max_cpus)


def _has_own_users(options: SandboxOptions) -> bool:
    """Whether this user namespace has a user id for every process id."""
    first = options.first_uid
    if first is None:
        return False
    rows = [list(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(start <= first and first + MAX_PID <= start + count for start, _, count in rows)


def _candidates(options: SandboxOptions, wall: bool) -> Iterator[Sandbox]:
    root = os.geteuid() == 0
    bubblewrap = shutil.which("bwrap") if options.bubblewrap else None
    if bubblewrap:
        yield Sandbox(options, bubblewrap, drop_user=root, keep_search=False, cgroup=wall)
    yield Sandbox(options, None, drop_user=root, keep_search=False, cgroup=wall)
    if root:  # the interpreter, or the data folder, is closed to the user that is dropped to
        yield Sandbox(options, None, drop_user=True, keep_search=True, cgroup=wall)


def _try(candidate: Sandbox, parent: Path) -> tuple[Sandbox | None, str]:
    with tempfile.TemporaryDirectory(prefix="probe-", dir=parent) as name:
        folder = Path(name)
        candidate.adopt(folder)
        mark = folder / "written"
        command = (sys.executable, "-I", "-B", "-c", PROBE, str(mark))
        process = candidate.start(command, folder, {"PATH": "/usr/bin:/bin"})
        try:
            _, stderr = process.communicate(timeout=PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return None, f"no answer within {PROBE_SECONDS} s"
        finally:
            candidate.finish(os.getpid())
        lines = stderr.decode(errors="replace").splitlines()
        if process.returncode != 0 or not mark.exists():
            return None, (lines[-1] if lines else f"exit code {process.returncode}")
    in_force = next(tuple(line.split()[1:]) for line in lines if line.startswith("sandbox: "))
    names = set(map(name_of, in_force))
    if not {"bubblewrap", "landlock"} & names:
        return None, "neither bubblewrap nor Landlock, files would be open"
    if candidate.options.max_address_space is None and "cgroup" not in names:
        return None, "neither max_address_space nor a cgroup, memory would be without limit"
    return replace(candidate, layers=in_force), ""


def read_lines(stream: IO[bytes]) -> Iterator[str]:
    """The lines that a command prints, at most MAX_LINE bytes each: it may never print a line's end."""
    while line := stream.readline(MAX_LINE):
        yield line.decode(errors="replace").rstrip("\n")


def _readable() -> list[Path]:
    """What the compiler needs to read: the system's programs, this Python, its packages and our own."""
    own = [folder for package in ("tinsmith", "tinsmith_runtime") for folder in _where_it_lies(package)]
    python = [Path(sys.prefix), Path(sys.base_prefix), *_interpreter_links(), *own]
    paths: list[Path] = []
    for path in (*map(Path, SYSTEM_FOLDERS), *map(Path, SYSTEM_FILES), *python):
        if path.exists() and not any(path.is_relative_to(kept) for kept in paths):
            paths.append(path)
    return paths


def _where_it_lies(package: str) -> Iterator[Path]:
    """Without importing it: the runtime's numpy would be a fifth of what every attempt's start costs."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        yield Path(folder).parent


def _parents(paths: Iterable[Path]) -> list[Path]:
    """Every folder above `paths` but the root and what bubblewrap mounts itself, outermost first."""
    above = {parent for path in paths for parent in path.parents}
    return sorted(above - {Path("/"), Path("/tmp"), Path("/dev"), Path("/proc")})


def _interpreter_links() -> Iterator[Path]:
    """The folder of each link between sys.executable and the program it names."""
    path = Path(sys.executable)
    while path.is_symlink():
        path = path.parent / os.readlink(path)
        yield path.parent
