"""A C program becomes one library: `build(program, target, library)`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from tinsmith.compiler.backends.native import toolchain
from tinsmith.compiler.backends.native.program import Program, Unit
from tinsmith.errors import ClientError
from tinsmith.spec.targets import Target

C_FOLDER = Path(__file__).parent / "c"

Kind = Literal["library", "executable"]


@dataclass(frozen=True)
class Source:
    """One translation unit and how it is compiled."""

    path: Path
    object: str
    """File name of the object."""
    defines: tuple[str, ...] = ()
    cpu: str | None = None
    """None: the target's own processor."""


def build(program: Program, target: Target, library: Path) -> None:
    """Compile `program` with the operating system layer and link it into `library`.

    Raises ClientError for a target that no native library exists for, InternalError when a tool fails.
    """
    sources = [_source(program.directory, unit) for unit in program.units]
    sources += [Source(path, f"{path.stem}.o") for path in platform_sources(target)]
    _make(sources, target, library, "library", program.exports)


def compile_and_link(
    sources: Sequence[Path],
    target: Target,
    output: Path,
    kind: Kind = "library",
    exports: Sequence[str] = (),
    defines: Sequence[str] = (),
) -> None:
    """Compile `sources` for the target's own processor and link them into `output`.

    A library shows the `exports` (which the sources give default visibility) and may import what imports.toml
    allows. An executable is static and begins at `_start`. Headers are found beside each source and in `c/`.
    """
    units = [Source(path, f"{index}-{path.stem}.o", tuple(defines)) for index, path in enumerate(sources)]
    _make(units, target, output, kind, exports)


def platform_sources(target: Target) -> list[Path]:
    """What implements platform.h on the target."""
    names = ["platform_windows.c" if target.os == "windows" else "platform_posix.c"]
    if target.arch in ("x86", "x86_64"):
        names.append("platform_x86.c")
    return [C_FOLDER / name for name in names]


def _source(directory: Path, unit: Unit) -> Source:
    return Source(directory / unit.source, unit.object, unit.defines, unit.cpu)


def _make(
    sources: Sequence[Source], target: Target, output: Path, kind: Kind, exports: Sequence[str]
) -> None:
    if target.os == "apple":
        raise ClientError(
            "OutputConfiguration",
            f"{target.name} takes Core ML models, which are no native libraries; "
            "tree models compile for every other target",
        )
    support = [Source(path, f"{path.stem}.o") for path in _support_sources(target, kind)]
    with TemporaryDirectory(dir=output.parent, prefix=".build-") as name, ThreadPoolExecutor(_cpus()) as pool:
        scratch = Path(name)
        imports = pool.submit(_import_stub, target, kind, scratch)
        jobs = [pool.submit(_compile, source, target, scratch) for source in (*sources, *support)]
        objects = [job.result() for job in jobs]
        _link(objects, target, output.absolute(), kind, exports, imports.result(), scratch)


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _support_sources(target: Target, kind: Kind) -> list[Path]:
    """What the compiler expects of a C library and compiler runtime, where the system gives none."""
    names = []
    if target.os == "windows" or kind == "executable":
        names.append("freestanding.c")
    if target.os == "windows":
        names.append("runtime_windows.c")
    if target.arch in ("x86", "arm"):
        names.append("division.c")
    if target.arch == "arm":
        names.append("runtime_arm.c")
    return [C_FOLDER / name for name in names]


def _compile(source: Source, target: Target, scratch: Path) -> str:
    include = dict.fromkeys((source.path.parent.absolute(), C_FOLDER))
    command = toolchain.compile_command(
        target, source.path.absolute(), source.object, source.cpu, source.defines, tuple(include)
    )
    toolchain.run(command, scratch)
    return source.object


@cache
def allowed_imports(os_name: str) -> tuple[str, ...]:
    """The symbols that a library for this operating system may import."""
    table = tomllib.loads(files(__package__).joinpath("imports.toml").read_text("utf-8"))
    return tuple(table[os_name]["symbols"])


def _import_stub(target: Target, kind: Kind, scratch: Path) -> str | None:
    """The file that names what the system's own library exports: Bionic's on Android, kernel32 on Windows.

    Linux libraries name none: the process has its C library loaded already, whichever it is.
    """
    if target.os == "windows":
        names = allowed_imports("windows")
        if target.arch == "x86_64":
            names = tuple(name.partition("@")[0] for name in names)
        definition = ["LIBRARY KERNEL32.dll", "EXPORTS", *names, ""]
        (scratch / "kernel32.def").write_text("\n".join(definition))
        toolchain.run(toolchain.import_library_command(target, "kernel32.def", "kernel32.lib"), scratch)
        return "kernel32.lib"
    if target.os == "android" and kind == "library":
        declarations = "".join(f"void {name}(void) {{}}\n" for name in allowed_imports("android"))
        (scratch / "libc.c").write_text(f"#pragma GCC visibility push(default)\n{declarations}")
        toolchain.run(toolchain.compile_command(target, scratch / "libc.c", "libc.o", None, (), ()), scratch)
        command = ["ld.lld", "-m", toolchain.ELF_EMULATION[target.arch], "-shared", "-soname=libc.so"]
        toolchain.run([*command, "libc.o", "-o", "libc.so"], scratch)
        return "libc.so"
    return None


def _link(
    objects: Sequence[str],
    target: Target,
    output: Path,
    kind: Kind,
    exports: Sequence[str],
    imports: str | None,
    scratch: Path,
) -> None:
    if target.os == "windows":
        assert imports is not None
        names = exports if kind == "library" else None
        command = toolchain.coff_command(target, objects, output, imports, names)
    elif kind == "executable":
        command = toolchain.elf_executable_command(target, objects, output)
    else:
        script = scratch / "exports.map"
        script.write_text(f"{{ global: {' '.join(f'{name};' for name in sorted(exports))} local: *; }};\n")
        libraries = [imports] if imports else []
        command = toolchain.elf_library_command(target, objects, output, script.name, libraries)
    toolchain.run(command, scratch)
