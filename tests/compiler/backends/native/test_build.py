from __future__ import annotations

import ctypes
import os
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from tinsmith.compiler.backends.native import binary, build, toolchain
from tinsmith.compiler.backends.native.program import Program, Unit
from tinsmith.errors import ClientError, InternalError
from tinsmith.spec.targets import Target, devices, platforms

SOURCES = Path(__file__).parent / "c"
EXPORTS = ("parallel", "integers", "floats", "blocks", "isa", "threads")

ALL = {name: target for name, target in {**devices(), **platforms()}.items() if target.os != "apple"}
TRIPLES = {target.triple: target for target in reversed(ALL.values())}
MACHINES = {(t.triple, t.cpu, t.features, t.android_api, t.variants): t for t in ALL.values()}


def program(folder: Path, source: str = "everything.c", exports: tuple[str, ...] = EXPORTS) -> Program:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCES / source, folder)
    return Program(folder, (Unit(source, "everything.o"),), exports, {})


def written(folder: Path, text: str, exports: tuple[str, ...]) -> Program:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.c").write_text(text)
    return Program(folder, (Unit("model.c", "model.o"),), exports, {})


@pytest.mark.parametrize("target", TRIPLES.values(), ids=[t.name for t in TRIPLES.values()])
def test_every_kind_of_machine(target: Target, tmp_path: Path) -> None:
    library = tmp_path / target.library
    build.build(program(tmp_path / "source"), target, library)
    found = binary.read(library)
    allowed = build.allowed_imports(target.os)
    symbols = {symbol.partition("@")[0] for names in allowed.values() for symbol in names}
    assert set(found.imports) <= symbols
    assert found.exports == tuple(sorted(EXPORTS))
    assert found.needed == {"linux": (), "android": ("libc.so",), "windows": ("KERNEL32.dll",)}[target.os]
    assert found.soname == target.library
    assert found.faults == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["source", target.library])
    assert str(tmp_path).encode() not in library.read_bytes()
    if target.os != "windows":
        page = {"android": 16384}.get(target.os, 65536 if target.arch == "aarch64" else 4096)
        assert load_alignments(library) == {page}


def load_alignments(library: Path) -> set[int]:
    data = library.read_bytes()
    wide = data[4] == 2
    table, count = struct.unpack_from("<16xQ16xH" if wide else "<12xI12xH", data, 16)
    size, shape = (56, "<I44xQ") if wide else (32, "<I24xI")
    segments = [struct.unpack_from(shape, data, table + i * size) for i in range(count)]
    return {alignment for kind, alignment in segments if kind == 1}


@pytest.mark.slow
@pytest.mark.parametrize("target", MACHINES.values(), ids=[t.name for t in MACHINES.values()])
def test_every_processor(target: Target, tmp_path: Path) -> None:
    source = tmp_path / "source"
    plain = program(source)
    units = tuple(
        Unit("variant.c", f"variant-{cpu}.o", (f"NAME=f_{index}",), cpu)
        for index, cpu in enumerate(target.processors)
    )
    (source / "variant.c").write_text(
        "float NAME(float *a, int n);\n"
        "float NAME(float *a, int n) { float s = 0; for (int i = 0; i < n; i++) s += a[i] < 1; return s; }\n"
    )
    both = replace(plain, units=plain.units + units)
    build.build(both, target, tmp_path / target.library)
    assert binary.read(tmp_path / target.library).exports == tuple(sorted(EXPORTS))


@pytest.mark.parametrize("name", ["ml_c5", "rasp3b", "ANDROID_ARM64", "x86_win32"])
def test_bytes_depend_on_nothing_but_the_program(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = ALL[name]
    results = []
    for number, folder in enumerate(("first", "another/place with spaces")):
        made = program(tmp_path / folder)
        os.utime(made.directory / "everything.c", (number * 10**8, number * 10**8))
        monkeypatch.chdir(made.directory)
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(number))
        monkeypatch.setenv("HOME", f"/nonexistent/{number}")
        build.build(made, target, made.directory / target.library)
        results.append((made.directory / target.library).read_bytes())
    assert results[0] == results[1]


def test_variants_are_compiled_for_their_processor(tmp_path: Path) -> None:
    text = """
    __attribute__((visibility("default"))) int NAME(void);
    int NAME(void)
    {
    #ifdef __AVX512VBMI__
        return 3;
    #elif defined(__AVX512BW__)
        return 2;
    #elif defined(__AVX2__)
        return 1;
    #else
        return 0;
    #endif
    }
    """
    (tmp_path / "level.c").write_text(text)
    target = platforms()["LINUX_X86_64"]
    units = tuple(
        Unit("level.c", f"level-{cpu}.o", (f"NAME=level_{index}",), cpu)
        for index, cpu in enumerate(target.variants)
    )
    names = tuple(f"level_{index}" for index in range(len(units)))
    library = tmp_path / target.library
    build.build(Program(tmp_path, units, names, {}), target, library)
    loaded = ctypes.CDLL(str(library))
    assert [loaded[name]() for name in names] == [0, 1, 2, 3]


def test_features_reach_the_compiler(tmp_path: Path) -> None:
    text = """
    #if !defined(__AVX2__) || defined(__SSE4_2__) == 0
    #error "no AVX2"
    #endif
    __attribute__((visibility("default"))) int one(void);
    int one(void) { return 1; }
    """
    plain = platforms()["LINUX_X86_64"]
    target = replace(plain, features=("+avx2",), variants=())
    build.build(written(tmp_path, text, ("one",)), target, tmp_path / "compiled.so")
    with pytest.raises(InternalError, match="no AVX2"):
        build.build(written(tmp_path, text, ("one",)), plain, tmp_path / "compiled.so")


def test_compiler_messages_are_our_fault(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="unused variable 'x'") as caught:
        build.build(
            written(tmp_path, "void f(void) { int x; }", ("f",)), ALL["ml_c5"], tmp_path / "compiled.so"
        )
    assert not isinstance(caught.value, ClientError)
    assert not (tmp_path / "compiled.so").exists()


@pytest.mark.parametrize(
    ("text", "exports", "words"),
    [
        ("double sin(double); EXPORT double f(double x) { return sin(x); }", ("f",), "imports sin"),
        ("EXPORT int f(void) { return 1; } EXPORT int g(void) { return 2; }", ("f", "h"), "h"),
        ("int f(void) { return 1; }", ("f",), "f"),
    ],
)
def test_undeclared_imports_and_missing_exports(
    text: str, exports: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    made = written(tmp_path, '#define EXPORT __attribute__((visibility("default")))\n' + text, exports)
    with pytest.raises(InternalError, match=words):
        build.build(made, ALL["ml_c5"], tmp_path / "compiled.so")


@pytest.mark.parametrize("name", ["ANDROID_ARM64", "x86_win64"])
def test_undeclared_imports_of_systems_with_named_libraries(name: str, tmp_path: Path) -> None:
    text = 'double sin(double); __attribute__((visibility("default"))) double f(double x) { return sin(x); }'
    with pytest.raises(InternalError, match="sin"):
        build.build(written(tmp_path, text, ("f",)), ALL[name], tmp_path / ALL[name].library)


def test_weak_symbols_name_their_library_on_android(tmp_path: Path) -> None:
    text = """
    __attribute__((weak)) extern void *dlopen(const char *, int);
    __attribute__((visibility("default"))) void *f(void);
    void *f(void) { return dlopen ? dlopen("x", 1) : 0; }
    """
    source = tmp_path / "f.c"
    source.write_text(text)
    build.compile_and_link([source], ALL["ANDROID_ARM64"], tmp_path / "libf.so", exports=("f",))
    assert binary.read(tmp_path / "libf.so").needed == ("libdl.so",)


def test_libc_headers_are_out_of_reach(tmp_path: Path) -> None:
    made = written(tmp_path, "#include <stdio.h>\n", ("f",))
    with pytest.raises(InternalError, match=r"stdio\.h"):
        build.build(made, ALL["ml_c5"], tmp_path / "compiled.so")


def test_core_ml_has_no_native_library(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="coreml takes Core ML models"):
        build.build(program(tmp_path), devices()["coreml"], tmp_path / "compiled.so")


def test_android_api_level_reaches_the_compiler() -> None:
    assert toolchain.triple(ALL["qcs603"]).endswith("android27")
    assert toolchain.triple(replace(ALL["qcs603"], android_api=29)).endswith("android29")
