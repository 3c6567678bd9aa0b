from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinsmith.compiler.artifact.dlr import build_dlr
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.verify import execute
from tinsmith.compiler.verify.calls import Call, write_plan
from tinsmith.compiler.verify.execute import Machine, NoMachine, build_runner, find_machine, run, run_calls
from tinsmith.errors import InternalError
from tinsmith.spec.targets import Target, devices, platforms

HERE = Machine("native", ())


@pytest.fixture
def try_library(
    make_model: Callable[..., Model], compile_plainly: Callable[..., Path], x86_64: Target, tmp_path: Path
) -> Callable[[str], None]:
    """Calls a library that misbehaves, for 3 rows of 5 features."""

    def try_library(misbehave: str) -> None:
        library = compile_plainly(make_model(), x86_64, tmp_path, misbehave)
        write_plan(np.ones((3, 5), np.float32), [Call(0, 3)], tmp_path / "plan")
        runner = build_runner(x86_64, tmp_path)
        run_calls(HERE, runner, library, tmp_path / "plan", tmp_path / "result", {"COLOUR": "blue"})

    return try_library


@pytest.mark.parametrize(
    "misbehave",
    [
        pytest.param("", id="nothing"),
        pytest.param(
            "float last = rows[2 * stride + 4]; if (last != 1) __builtin_trap();", id="reads its rows"
        ),
        pytest.param("((char *)out)[11] = 1;", id="writes its output"),
        pytest.param(
            "extern void *malloc(size_t); extern void free(void *); extern char *getenv(const char *);"
            'char *memory = malloc(100000); memory[99999] = *getenv("COLOUR"); if (memory[99999] != 98)'
            '__builtin_trap(); free(memory); if (getenv("SHAPE")) __builtin_trap();',
            id="uses the C library",
        ),
        pytest.param(
            "extern __attribute__((weak)) int pthread_create(void); if (pthread_create) __builtin_trap();",
            id="asks for threads",
        ),
    ],
)
def test_runs_what_behaves(try_library: Callable[[str], None], misbehave: str) -> None:
    try_library(misbehave)


@pytest.mark.parametrize(
    ("misbehave", "text"),
    [
        pytest.param(
            "volatile float past = rows[15]; (void)past;", "killed by SIGSEGV", id="reads past rows"
        ),
        pytest.param("((volatile char *)out)[12] = 1;", "killed by SIGSEGV", id="writes past output"),
        pytest.param(
            "((volatile int *)(intptr_t)feature)[0] = 1;", "killed by SIGSEGV", id="writes constants"
        ),
        pytest.param("__builtin_trap();", "killed by SIGILL", id="dies"),
        pytest.param(
            "extern void *malloc(size_t); ((volatile char *)malloc(16))[16] = 1;",
            "killed by SIGSEGV",
            id="writes past allocated memory",
        ),
        pytest.param(
            "extern uintptr_t pthread_self(void); pthread_self();",
            "needs a function that the runner does not offer: pthread_self",
            id="wants too much",
        ),
    ],
)
def test_catches_what_misbehaves(try_library: Callable[[str], None], misbehave: str, text: str) -> None:
    with pytest.raises(InternalError, match=text):
        try_library(misbehave)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ", b"#!/bin/sh", bytes(5000), b"MZ" + bytes(5000)])
def test_refuses_what_is_no_library(x86_64: Target, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "library").write_bytes(content)
    write_plan(np.ones((3, 5), np.float32), [Call(0, 3)], tmp_path / "plan")
    with pytest.raises(InternalError, match=r"library is|for another architecture"):
        run_calls(
            HERE, build_runner(x86_64, tmp_path), tmp_path / "library", tmp_path / "plan", tmp_path / "r", {}
        )


def test_refuses_a_library_of_another_architecture(
    make_model: Callable[..., Model], compile_plainly: Callable[..., Path], x86_64: Target, tmp_path: Path
) -> None:
    library = compile_plainly(make_model(), platforms()["LINUX_ARM64"], tmp_path)
    write_plan(np.ones((3, 5), np.float32), [Call(0, 3)], tmp_path / "plan")
    with pytest.raises(InternalError, match="for another architecture"):
        run_calls(HERE, build_runner(x86_64, tmp_path), library, tmp_path / "plan", tmp_path / "result", {})


def test_a_dlr_library_needs_the_model_beside_it(x86_64: Target, tmp_path: Path) -> None:
    build_dlr(x86_64, tmp_path / "libdlr.so")
    write_plan(np.zeros((1, 5), np.float32), [], tmp_path / "plan")
    runner = build_runner(x86_64, tmp_path)
    with pytest.raises(InternalError, match=r"cannot open .*/compiled\.so"):
        run_calls(HERE, runner, tmp_path / "libdlr.so", tmp_path / "plan", tmp_path / "result", {})


def test_gives_programs_a_bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    done = run(["/usr/bin/env"], {"COLOUR": "blue"})
    names = {line.partition(b"=")[0] for line in done.stdout.splitlines()}
    assert names == {b"PATH", b"LC_ALL", b"COLOUR"}


def test_ends_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "TIMEOUT", 0.2)
    with pytest.raises(InternalError, match="hangs"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], {})


def test_this_machine_needs_no_emulator(x86_64: Target) -> None:
    assert find_machine(x86_64) == HERE
    for name in ("LINUX_X86", "ANDROID_X86_64"):
        assert find_machine(platforms()[name]) == HERE
    for name in ("x86_win32", "x86_win64"):
        assert find_machine(devices()[name]) == HERE


@pytest.mark.parametrize("arch", ["LINUX_ARM64", "ANDROID_ARM_EABI"])
def test_names_the_package_that_is_missing(arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NoMachine, match="install the package 'qemu-user-static'"):
        find_machine(platforms()[arch])


@pytest.mark.parametrize("emulator", [None, "/bin/qemu-x86_64-static"])
def test_names_the_features_that_are_missing(emulator: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "lacking", lambda target: ("avx512f", "avx512vl"))
    monkeypatch.setattr(shutil, "which", lambda name: emulator)
    with pytest.raises(NoMachine, match=r"skylake-avx512, and this processor lacks avx512f, avx512vl"):
        find_machine(devices()["ml_c5"])


def test_emulates_better_processors_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "lacking", lambda target: ("avx2",))
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    assert find_machine(devices()["ml_c4"]) == Machine("qemu-x86_64", ("/bin/qemu-x86_64-static",))


def test_a_kernel_without_the_architecture_is_no_fault_of_the_model(tmp_path: Path) -> None:
    program = tmp_path / "runner-x86"
    program.write_bytes(b"\x7fELF of no kind that this kernel knows")
    program.chmod(0o755)
    with pytest.raises(NoMachine, match="does not run runner-x86"):
        run_calls(HERE, program, program, program, program, {})
    with pytest.raises(InternalError, match="did not start"):
        run_calls(HERE, tmp_path / "nothing", program, program, program, {})


def test_an_instruction_that_the_emulator_lacks_is_no_fault_of_the_model(tmp_path: Path) -> None:
    script = tmp_path / "emulator"
    script.write_text("#!/bin/sh\nkill -ILL $$\n")
    script.chmod(0o755)
    with pytest.raises(NoMachine, match="qemu-arm does not know an instruction"):
        run_calls(Machine("qemu-arm", (str(script),)), script, script, script, script, {})
