"""Clang and the linkers inside the `ziglang` package: how each is called for a target.

`zig clang`, `zig ld.lld`, `zig lld-link` and `zig dlltool` are the bare LLVM tools. Unlike `zig cc` they keep
no cache, need no writable home and take LLVM's own processor and feature names; a small file takes 0.03 s.
Everything is compiled freestanding: only Clang's own headers are in reach, never a C library's.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import ziglang

from tinsmith.errors import InternalError, KilledError
from tinsmith.spec.targets import Target

TIMEOUT = 600.0
"""Seconds; a compiler that takes longer hangs."""

WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-error=pass-failed")
"""A loop that the optimiser leaves as it is makes no code wrong."""

LANGUAGE = (
    "-std=gnu23",
    "-ffreestanding",
    "-fno-math-errno",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-fPIC",
    "-fvisibility=hidden",
    "-fomit-frame-pointer",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-ident",
    "-Werror=date-time",
)
"""No contraction into fused multiply-adds: every product and sum rounds, as the training library's did. No
aliasing by type: tensors of different types share an arena."""

Optimization = Literal["-O1", "-O2", "-O3"]
"""-O2 unless there is a reason: with -O3 networks take a third more of Clang's time, and 0.98 to 3 times as
long to run."""

MAX_PAGE_SIZE = {"x86_64": 4096, "x86": 4096, "arm": 4096, "aarch64": 65536}
ANDROID_MAX_PAGE_SIZE = 16384

ELF_EMULATION = {
    "x86_64": "elf_x86_64",
    "x86": "elf_i386",
    "arm": "armelf_linux_eabi",
    "aarch64": "aarch64linux",
}
COFF_MACHINE = {"x86_64": ("x64", "i386:x86-64"), "x86": ("x86", "i386")}
"""Per architecture: lld-link's name, dlltool's name."""


@cache
def installation() -> Path:
    """The folder of the `ziglang` package."""
    folder = Path(ziglang.__file__).parent
    if not (folder / "zig").is_file():
        raise InternalError(f"the ziglang package in {folder} has no zig program")
    return folder


def version() -> str:
    """Of the toolchain, e.g. "ziglang 0.17.1"; part of what makes a build reproducible."""
    return f"ziglang {run(['version'], Path('/')).strip()}"


def run(arguments: Sequence[str | Path], directory: Path) -> str:
    """Run one tool in `directory` and give what it prints.

    Raises InternalError with the tool's messages, because what is compiled here was written by Tinsmith;
    KilledError when the tool was killed.
    """
    command = [str(installation() / "zig"), *map(str, arguments)]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TMPDIR": str(directory)}
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InternalError(f"zig {arguments[0]} did not run: {error}") from error
    if done.returncode == -signal.SIGKILL:
        raise KilledError(f"zig {arguments[0]} was killed")
    if done.returncode != 0:
        messages = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
        raise InternalError(f"zig {' '.join(map(str, arguments))}\n{messages}")
    return (done.stdout + done.stderr).decode("utf-8", "replace")


@cache
def macros(arch: str, cpu: str, features: tuple[str, ...]) -> frozenset[str]:
    """The names of the macros that Clang defines for an x86 processor."""
    flags = [part for feature in features for part in ("-Xclang", "-target-feature", "-Xclang", feature)]
    machine = "i686" if arch == "x86" else arch
    command = ["clang", f"--target={machine}-unknown-linux-gnu", f"-march={cpu.replace('_', '-')}", *flags]
    text = run([*command, "-dM", "-E", "-x", "c", "/dev/null"], Path("/"))
    return frozenset(line.split()[1] for line in text.splitlines() if line.startswith("#define"))


def triple(target: Target) -> str:
    """Clang's triple with the Android API level where there is one."""
    return f"{target.triple}{target.android_api or ''}"


def compile_command(
    target: Target,
    source: Path,
    output: str,
    cpu: str | None,
    defines: Sequence[str],
    include: Sequence[Path],
    optimization: Optimization = "-O2",
) -> list[str]:
    """The arguments that compile `source` into the object file `output` (relative to where it is run)."""
    return [
        "clang",
        f"--target={triple(target)}",
        *_processor_flags(target, cpu or target.cpu),
        *LANGUAGE,
        optimization,
        *WARNINGS,
        "-nostdinc",
        "-isystem",
        str(installation() / "lib" / "include"),
        *(f"-I{folder}" for folder in include),
        *(f"-ffile-prefix-map={folder}=." for folder in include),
        *(f"-D{define}" for define in defines),
        "-c",
        str(source),
        "-o",
        output,
    ]


def _processor_flags(target: Target, cpu: str) -> list[str]:
    name = cpu.replace("_", "-")
    flags = []
    if target.arch in ("x86", "x86_64"):
        flags.append(f"-march={name}")
    elif name != "generic":
        flags.append(f"-mcpu={name}")
    if target.arch == "x86" and target.os != "windows":
        flags.append("-mstackrealign")
    if target.arch == "aarch64":
        flags.append("-mno-outline-atomics")
    if target.float_abi:
        flags.append(f"-mfloat-abi={target.float_abi}")
    if cpu == target.cpu:
        for feature in target.features:
            flags += ["-Xclang", "-target-feature", "-Xclang", feature]
    return flags


def elf_library_command(
    target: Target, objects: Sequence[str], output: Path, version_script: str, libraries: Sequence[str]
) -> list[str]:
    """The arguments that link a shared library; its soname is the file name of `output`.

    With `libraries`, every symbol must come from one of them, and those that give one are named as needed.
    """
    page = ANDROID_MAX_PAGE_SIZE if target.os == "android" else MAX_PAGE_SIZE[target.arch]
    return [
        *_elf_command(target),
        "-shared",
        f"-soname={output.name}",
        f"--version-script={version_script}",
        "--no-undefined-version",
        "-Bsymbolic",
        "--hash-style=both",
        *("-z", "relro", "-z", "now", "-z", f"max-page-size={page}"),
        *objects,
        *(["--no-undefined", "--as-needed", *libraries] if libraries else []),
        "-o",
        str(output),
    ]


def elf_executable_command(target: Target, objects: Sequence[str], output: Path) -> list[str]:
    """The arguments that link a static program that begins at `_start`."""
    return [*_elf_command(target), "-static", "-e", "_start", *objects, "-o", str(output)]


def stub_command(target: Target, object_file: str, library: str) -> list[str]:
    """The arguments that link the stand-in for one of the system's libraries."""
    return [
        "ld.lld",
        "-m",
        ELF_EMULATION[target.arch],
        "-shared",
        f"-soname={library}",
        object_file,
        "-o",
        library,
    ]


def _elf_command(target: Target) -> list[str]:
    return [
        "ld.lld",
        "-m",
        ELF_EMULATION[target.arch],
        "--gc-sections",
        "--strip-all",
        "--build-id=sha1",
        "--fatal-warnings",
        "-z",
        "noexecstack",
    ]


def coff_command(
    target: Target, inputs: Sequence[str], output: Path, exports: Sequence[str] | None
) -> list[str]:
    """The arguments that link a DLL with these `exports`; None: a console program that begins at `_start`."""
    shape = (
        ["-entry:_start", "-subsystem:console"]
        if exports is None
        else ["-dll", "-noentry", "-noimplib", *(f"-export:{name}" for name in exports)]
    )
    return [
        "lld-link",
        f"-machine:{COFF_MACHINE[target.arch][0]}",
        "-nodefaultlib",
        "-Brepro",
        "-opt:ref",
        "-nxcompat",
        "-dynamicbase",
        "-WX",
        *shape,
        *inputs,
        f"-out:{output}",
    ]


def import_library_command(target: Target, definition: str, output: str) -> list[str]:
    """The arguments that turn a module definition file into an import library."""
    return ["dlltool", "-m", COFF_MACHINE[target.arch][1], "-d", definition, "-l", output, "-k"]
