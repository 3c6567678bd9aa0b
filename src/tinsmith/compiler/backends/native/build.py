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

from tinsmith.compiler.backends.native import binary, toolchain
from tinsmith.compiler.backends.native.program import Program, Unit
from tinsmith.errors import ClientError, InternalError
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
    optimization: toolchain.Optimization = "-O2"


def build(program: Program, target: Target, library: Path) -> None:
    """Compile `program` with the operating system layer and link it into `library`.

    Raises ClientError for a target that no native library exists for; InternalError when a tool fails or the
    library asks its system for more than imports.toml allows.
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
    windows = target.os == "windows"
    names = ["parallel.c", *(["platform_windows.c"] if windows else ["platform_posix.c", "threads_posix.c"])]
    if target.arch in ("x86", "x86_64"):
        names.append("platform_x86.c")
    return [C_FOLDER / name for name in names]


@cache
def allowed_imports(os_name: str) -> dict[str, tuple[str, ...]]:
    """Per library of the operating system (name "" where none is named), the symbols that may be imported."""
    table = tomllib.loads(files(__package__).joinpath("imports.toml").read_text("utf-8"))
    return {library: tuple(symbols) for library, symbols in table[os_name].items()}


def _source(directory: Path, unit: Unit) -> Source:
    return Source(directory / unit.source, unit.object, unit.defines, unit.cpu, unit.optimization)


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
        stubs = pool.submit(_import_libraries, target, kind, scratch)
        jobs = [pool.submit(_compile, source, target, scratch) for source in (*sources, *support)]
        objects = [job.result() for job in jobs]
        _link(objects, stubs.result(), target, output.absolute(), kind, exports, scratch)
    if kind == "library":
        _check(output, target, exports)


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
        target,
        source.path.absolute(),
        source.object,
        source.cpu,
        source.defines,
        tuple(include),
        source.optimization,
    )
    toolchain.run(command, scratch)
    return source.object


def _import_libraries(target: Target, kind: Kind, scratch: Path) -> list[str]:
    """Files that stand for the system's libraries when linking: they hold names and no code."""
    libraries = allowed_imports(target.os).items()
    if target.os == "windows":
        return [_windows_imports(target, library, symbols, scratch) for library, symbols in libraries]
    if target.os == "android" and kind == "library":
        return [_android_imports(target, library, symbols, scratch) for library, symbols in libraries]
    return []


def _windows_imports(target: Target, library: str, symbols: Sequence[str], scratch: Path) -> str:
    definition, output = f"{library}.def", f"{library}.lib"
    names = symbols if target.arch == "x86" else [_undecorated(symbol) for symbol in symbols]
    (scratch / definition).write_text("\n".join([f"LIBRARY {library}", "EXPORTS", *names, ""]))
    toolchain.run(toolchain.import_library_command(target, definition, output), scratch)
    return output


def _android_imports(target: Target, library: str, symbols: Sequence[str], scratch: Path) -> str:
    source = scratch / f"{library}.c"
    functions = "".join(f"void {symbol}(void) {{}}\n" for symbol in symbols)
    source.write_text(f"#pragma GCC visibility push(default)\n{functions}")
    toolchain.run(toolchain.compile_command(target, source, f"{library}.o", None, (), ()), scratch)
    toolchain.run(toolchain.stub_command(target, f"{library}.o", library), scratch)
    return library


def _undecorated(symbol: str) -> str:
    return symbol.partition("@")[0]


def _link(
    objects: Sequence[str],
    stubs: Sequence[str],
    target: Target,
    output: Path,
    kind: Kind,
    exports: Sequence[str],
    scratch: Path,
) -> None:
    if target.os == "windows":
        shown = exports if kind == "library" else None
        command = toolchain.coff_command(target, [*objects, *stubs], output, shown)
    elif kind == "executable":
        command = toolchain.elf_executable_command(target, objects, output)
    else:
        script = f"{{ global: {' '.join(f'{name};' for name in sorted(exports))} local: *; }};\n"
        (scratch / "exports.map").write_text(script)
        command = toolchain.elf_library_command(target, objects, output, "exports.map", stubs)
    toolchain.run(command, scratch)
    if weak := _weakly_needed(output, target, kind):
        toolchain.run([*command, "--no-as-needed", *weak], scratch)


def _weakly_needed(library: Path, target: Target, kind: Kind) -> list[str]:
    """The system's libraries that are used, but not named, as every symbol of theirs is weak."""
    if kind != "library" or target.os != "android":
        return []
    found = binary.read(library)
    return sorted(_homes(found.imports, target) - set(found.needed))


def _homes(symbols: Sequence[str], target: Target) -> set[str]:
    """The named libraries that give `symbols`."""
    libraries = allowed_imports(target.os)
    home = {_undecorated(symbol): name for name, symbols in libraries.items() for symbol in symbols}
    return {home[symbol] for symbol in symbols if home.get(symbol)}


def _check(library: Path, target: Target, exports: Sequence[str]) -> None:
    """A library that would not load everywhere must not leave here."""
    found = binary.read(library)
    allowed = {_undecorated(name) for names in allowed_imports(target.os).values() for name in names}
    problems = list(found.faults)
    if extra := sorted(set(found.imports) - allowed):
        problems.append(f"imports {', '.join(extra)}, which imports.toml does not allow")
    if set(found.needed) != _homes(found.imports, target):
        problems.append(f"needs {', '.join(found.needed) or 'nothing'}, not what its imports come from")
    if set(found.exports) != set(exports):
        problems.append(f"shows {', '.join(found.exports) or 'nothing'}, not {', '.join(sorted(exports))}")
    if problems:
        raise InternalError(f"{library.name} for {target.name}: {'; '.join(problems)}")
