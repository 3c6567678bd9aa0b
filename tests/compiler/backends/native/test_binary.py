from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tinsmith.compiler.backends.native import binary, toolchain
from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.errors import InternalError
from tinsmith.spec.targets import devices, platforms

CODE = """
extern void free(void *);
int table[4];
__attribute__((visibility("default"))) int *f(void *p);
int *f(void *p) { free(p); return table; }
"""


def linked(tmp_path: Path, *flags: str, target: str = "ml_c5") -> binary.Binary:
    """A library made with unusual linker flags, which `build` would never pass."""
    (tmp_path / "f.c").write_text(CODE)
    row = devices()[target]
    toolchain.run(toolchain.compile_command(row, tmp_path / "f.c", "f.o", None, (), ()), tmp_path)
    toolchain.run(["ld.lld", "-shared", "f.o", "-o", "f.so", *flags], tmp_path)
    return binary.read(tmp_path / "f.so")


def test_faults_are_seen(tmp_path: Path) -> None:
    assert linked(tmp_path, "-z", "noexecstack").faults == ()
    assert linked(tmp_path, "-z", "execstack").faults == ("the stack is executable",)
    assert linked(tmp_path, "--omagic").faults[0] == "a segment is writable and executable"
    assert "the relocated tables stay writable" in linked(tmp_path, "-z", "norelro").faults


def test_versions_and_needed_are_seen(tmp_path: Path) -> None:
    (tmp_path / "v.map").write_text("V_1 { global: f; local: *; };")
    assert linked(tmp_path, "--version-script=v.map", "-soname=x.so.1").faults == ("symbols have versions",)
    found = linked(tmp_path, "-soname=x.so.1")
    assert (found.soname, found.exports, found.imports, found.needed) == ("x.so.1", ("f",), ("free",), ())


@pytest.mark.parametrize("name", ["x86_win32", "x86_win64"])
def test_windows(name: str, tmp_path: Path) -> None:
    source = tmp_path / "f.c"
    source.write_text(
        "__declspec(dllimport) void *__stdcall GetProcessHeap(void);\n"
        "void *f(void) { return GetProcessHeap(); }\n"
    )
    compile_and_link([source], devices()[name], tmp_path / "f.dll", exports=("f",))
    assert binary.read(tmp_path / "f.dll") == binary.Binary(
        ("GetProcessHeap",), ("f",), ("KERNEL32.dll",), "f.dll", ()
    )


def test_agrees_with_nm(tmp_path: Path) -> None:
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("binutils' nm is not installed")
    (tmp_path / "f.c").write_text(CODE)
    for target in (devices()["ml_c5"], devices()["rasp3b"], platforms()["LINUX_X86"]):
        compile_and_link([tmp_path / "f.c"], target, tmp_path / "f.so", exports=("f",))
        lines = subprocess.check_output([nm, "-D", tmp_path / "f.so"], text=True).splitlines()
        found = binary.read(tmp_path / "f.so")
        assert sorted(line.split()[-1] for line in lines) == sorted(found.imports + found.exports)


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh", b"\x7fELF", b"MZ" + bytes(62)])
def test_other_files(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(InternalError):
        binary.read(path)
