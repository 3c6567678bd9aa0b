"""Executes a compiled library for any target on this machine."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.compiler.verify.cpu import lacking
from tinsmith.errors import InternalError, KilledError
from tinsmith.spec.targets import Target, platforms

RUNNER = Path(__file__).parent / "c"
TIMEOUT = 1800.0
"""Seconds for all calls to one variant; an emulated one is about ten times slower than a real one."""

_RUNNER_TARGETS = {
    "x86_64": "LINUX_X86_64",
    "x86": "LINUX_X86",
    "aarch64": "LINUX_ARM64",
    "arm": "LINUX_ARM_EABIHF",
}
"""Whose baseline the runner is compiled for. It passes no float by value, so it serves every float ABI
of an architecture."""
_HOST_ARCHITECTURES = {"x86_64": ("x86_64", "x86"), "aarch64": ("aarch64",)}
_QEMU = {"x86_64": "qemu-x86_64", "x86": "qemu-i386", "aarch64": "qemu-aarch64", "arm": "qemu-arm"}
_PACKAGE = "qemu-user-static"


@dataclass(frozen=True)
class Machine:
    """What can execute a target's code here."""

    method: str
    """"native", or the emulator's name."""
    command: tuple[str, ...]
    """Goes before the program."""


class NoMachine(Exception):
    """Nothing here executes the target's code; the text says what would."""


def find_machine(target: Target) -> Machine:
    """The machine for `target`: this one, if its processor has all that the target's has, or an emulator.

    Raises NoMachine. No qemu emulates AVX-512.
    """
    host = _HOST_ARCHITECTURES.get(platform.machine(), ())
    missing: tuple[str, ...] = ()
    if target.arch in host:
        missing = lacking(target)
        if not missing:
            return Machine("native", ())
    emulated = not any(name.startswith("avx512") for name in missing)
    for name in (f"{_QEMU[target.arch]}-static", _QEMU[target.arch]):
        program = shutil.which(name)
        if program and emulated:
            return Machine(_QEMU[target.arch], (program,))
    if missing:
        raise NoMachine(
            f"{target.name} is compiled for {target.cpu}, and this processor lacks {', '.join(missing)}: "
            "verify on a machine that has them"
        )
    raise NoMachine(
        f"{target.name} needs {_QEMU[target.arch]} and it is not installed: install the package '{_PACKAGE}'"
    )


def is_here(target: Target, machine: Machine) -> bool:
    """Whether this Python process could load a library for `target` itself."""
    return (
        machine.method == "native"
        and target.os == sys.platform == "linux"
        and target.arch == platform.machine()
        and sys.maxsize > 2**32
    )


def build_runner(target: Target, folder: Path) -> Path:
    """Compiles the program that loads and calls libraries of `target`'s architecture, into `folder`."""
    program = folder / f"runner-{target.arch}"
    if not program.exists():
        sources = sorted(RUNNER.glob("*.c"))
        compile_and_link(sources, platforms()[_RUNNER_TARGETS[target.arch]], program, kind="executable")
    return program


def run_calls(
    machine: Machine,
    runner: Path,
    library: Path,
    plan: Path,
    result: Path,
    settings: Mapping[str, str],
    kind: Literal["rows", "tensors"] = "rows",
) -> None:
    """Makes the calls in `plan` to `library` and writes `result`, with the environment `settings`.

    `kind` says whether the library takes rows (tree models) or tensors (networks).

    Raises NoMachine where the emulator lacks an instruction of the library, InternalError where it fails.
    """
    command = [*machine.command, str(runner), kind, str(library), str(plan), str(result)]
    try:
        done = run(command, settings)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            raise NoMachine(
                f"this system does not run {runner.name}: its kernel lacks the architecture"
            ) from None
        raise InternalError(f"verification: {Path(command[0]).name} did not start: {error}") from None
    if done.returncode == 0:
        return
    what = _ending(done)
    if machine.command and _was_killed_by(done, signal.SIGILL):
        raise NoMachine(f"{machine.method} does not know an instruction of the library ({what})")
    raise InternalError(f"verification: {library.name} under {machine.method} {dict(settings)}: {what}")


def run(command: Sequence[str], settings: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Runs `command` in a bare environment with `settings`.

    Raises OSError when it does not start, InternalError when it hangs, KilledError when it is killed.
    """
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", **settings}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InternalError(f"verification: {Path(command[0]).name} hangs: {error}") from None
    if _was_killed_by(done, signal.SIGKILL):
        raise KilledError(f"verification: {Path(command[0]).name} was killed")
    return done


def _was_killed_by(done: subprocess.CompletedProcess[bytes], number: signal.Signals) -> bool:
    return done.returncode in (-number, 128 + number)


def _ending(done: subprocess.CompletedProcess[bytes]) -> str:
    """How a failed process ended, in words."""
    text = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode < 0:
        try:
            name = signal.Signals(-done.returncode).name
        except ValueError:
            name = f"signal {-done.returncode}"
        return f"killed by {name}. {text}".strip()
    return text or f"exit status {done.returncode}"
