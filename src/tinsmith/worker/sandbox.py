"""Runs a command that may be taken over by a hostile model.

Two walls, each enough to keep files, network and other processes out of reach:

    bubblewrap   namespaces: own process table, no network, only the listed folders exist
    guard        in the process itself: dropped user, rlimits, no_new_privs, Landlock, seccomp

`prepare` tries the arrangements that this machine may allow, strongest first, by running a real
Python in each, and keeps the first that works. Nothing runs outside an arrangement that worked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tinsmith
import tinsmith_runtime
from tinsmith.errors import InternalError
from tinsmith.settings import SandboxOptions
from tinsmith.worker.guard import GuardPolicy

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
    """What is in force, outermost first: bubblewrap rlimits uid:65534 no_new_privs landlock:7 seccomp."""

    def adopt(self, folder: Path) -> None:
        """Gives everything under `folder` to the user that commands run as."""
        if not self.drop_user:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.options.uid, self.options.gid, follow_symlinks=False)

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

        `folder` must exist, absolute, and belong to the sandbox's user (see `adopt`); it gets a
        sub-folder `tmp` that is also /tmp under bubblewrap. `environment` is all the command sees.
        stderr begins with guard's line of layers. The command dies with the calling thread.
        """
        temporary = folder / "tmp"
        temporary.mkdir(exist_ok=True)
        self.adopt(temporary)
        guard = (sys.executable, "-I", "-B", "-m", "tinsmith.worker.guard")
        policy = self._policy(folder, cpu_seconds).to_json()
        wrapped = [*self._namespaces(folder), *guard, policy, *command]
        return subprocess.Popen(
            wrapped,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def _policy(self, folder: Path, cpu_seconds: int | None) -> GuardPolicy:
        options = self.options
        limits = {
            "AS": options.max_memory,
            "FSIZE": options.max_file,
            "NOFILE": options.max_open_files,
            "NPROC": options.max_processes + _threads_of(options.uid if self.drop_user else os.getuid()),
            "CORE": 0,
        }
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
            uid=options.uid if self.drop_user else None,
            gid=options.gid if self.drop_user else None,
            keep_search=self.keep_search,
            namespaces=options.namespaces,
            unix_sockets=bool(self.bubblewrap) or options.unix_sockets,
            outer=("bubblewrap",) if self.bubblewrap else (),
            parent=None if self.bubblewrap else os.getpid(),
        )

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

    Takes part of a second; once per service is enough.
    Raises InternalError, with what each attempt said, when none works or a layer of
    `options.require` is missing.
    """
    refusals = []
    for candidate in _candidates(options):
        found, complaint = _try(candidate, folder)
        if found is not None:
            names = {layer.split(":")[0].split("+")[0] for layer in found.layers}
            if missing := [layer for layer in options.require if layer not in names]:
                raise InternalError(
                    f"sandbox: missing {', '.join(missing)}; in force: {' '.join(found.layers)}"
                )
            return found
        refusals.append(complaint)
    raise InternalError("sandbox: none works on this machine: " + "; ".join(refusals))


def _candidates(options: SandboxOptions) -> Iterator[Sandbox]:
    root = os.geteuid() == 0
    bubblewrap = shutil.which("bwrap") if options.bubblewrap else None
    if bubblewrap:
        yield Sandbox(options, bubblewrap, drop_user=root, keep_search=False)
    yield Sandbox(options, None, drop_user=root, keep_search=False)
    if root:  # the interpreter, or the data folder, is closed to the user that is dropped to
        yield Sandbox(options, None, drop_user=True, keep_search=True)


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
        lines = stderr.decode(errors="replace").splitlines()
        if process.returncode != 0 or not mark.exists():
            return None, (lines[-1] if lines else f"exit code {process.returncode}")
    in_force = next(tuple(line.split()[1:]) for line in lines if line.startswith("sandbox: "))
    if not any(layer.startswith(("bubblewrap", "landlock")) for layer in in_force):
        return None, "neither bubblewrap nor Landlock, files would be open"
    return replace(candidate, layers=in_force), ""


def _readable() -> list[Path]:
    """What the compiler needs to read: the system's programs, this Python, its packages and our own."""
    own = [Path(package.__path__[0]).parent for package in (tinsmith, tinsmith_runtime)]
    python = [Path(sys.prefix), Path(sys.base_prefix), *_interpreter_links(), *own]
    paths: list[Path] = []
    for path in (*map(Path, SYSTEM_FOLDERS), *map(Path, SYSTEM_FILES), *python):
        if path.exists() and not any(path.is_relative_to(kept) for kept in paths):
            paths.append(path)
    return paths


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


def _threads_of(uid: int) -> int:
    """Threads that `uid` runs now: RLIMIT_NPROC counts all of a user's, whoever started them."""
    count = 0
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                count += len(os.listdir(f"/proc/{entry.name}/task"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return count
