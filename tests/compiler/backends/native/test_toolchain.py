from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tinsmith.compiler.backends.native import toolchain
from tinsmith.errors import ClientError, InternalError, KilledError
from tinsmith.spec.options import resolve
from tinsmith.spec.request import CompileRequest, TargetPlatform
from tinsmith.spec.targets import Target, devices, platforms


def macros(target: Target, cpu: str | None = None) -> set[str]:
    """What Clang defines when it compiles for `target`."""
    command = toolchain.compile_command(target, Path("/dev/null"), "-", cpu, (), ())
    text = toolchain.run([*command[:-4], "-dM", "-E", "-x", "c", "/dev/null"], Path("/"))
    return {line.split()[1] for line in text.splitlines() if line.startswith("#define")}


def test_version_names_the_package() -> None:
    assert re.fullmatch(r"ziglang 0\.\d+\.\d+", toolchain.version())


def test_failures_are_ours_and_carry_the_messages(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("int f(void) { return y; }\n")
    with pytest.raises(InternalError, match="undeclared identifier 'y'") as caught:
        toolchain.run(["clang", "-c", "x.c"], tmp_path)
    assert not isinstance(caught.value, ClientError)
    with pytest.raises(InternalError, match="zig clang"):
        toolchain.run(["clang", "--target=nowhere-at-all", "-c", "x.c"], tmp_path)


def test_a_loop_that_cannot_be_unrolled_is_no_failure(tmp_path: Path) -> None:
    loop = '_Pragma("clang loop unroll(full)") for (int i = 0; i < n; i++) x[i] *= 2;'
    (tmp_path / "x.c").write_text(f"void f(float *x, int n); void f(float *x, int n) {{ {loop} }}\n")
    command = toolchain.compile_command(platforms()["LINUX_X86_64"], tmp_path / "x.c", "x.o", None, (), ())
    assert "-Werror" in command
    toolchain.run(command, tmp_path)
    assert (tmp_path / "x.o").exists()
    with pytest.raises(InternalError, match="loop not unrolled"):
        toolchain.run([*command, "-Werror=pass-failed"], tmp_path)


def test_a_tool_that_was_killed_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zig").write_text("#!/bin/sh\nkill -9 $$\n")
    (tmp_path / "zig").chmod(0o755)
    monkeypatch.setattr(toolchain, "installation", lambda: tmp_path)
    with pytest.raises(KilledError, match="zig clang was killed"):
        toolchain.run(["clang"], tmp_path)


def test_a_tool_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zig").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "zig").chmod(0o755)
    monkeypatch.setattr(toolchain, "installation", lambda: tmp_path)
    monkeypatch.setattr(toolchain, "TIMEOUT", 0.1)
    with pytest.raises(InternalError, match=r"zig version did not run: .*timed out"):
        toolchain.run(["version"], tmp_path)


def test_an_installation_without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "ziglang", SimpleNamespace(__file__=str(tmp_path / "__init__.py")))
    toolchain.installation.cache_clear()
    with pytest.raises(InternalError, match="has no zig program"):
        toolchain.installation()
    monkeypatch.undo()
    assert (toolchain.installation() / "zig").is_file()


def test_tools_see_neither_the_environment_nor_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPATH", "/tmp/nowhere")
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("CCC_OVERRIDE_OPTIONS", "+-DINTRUDER")
    assert "INTRUDER" not in macros(platforms()["LINUX_X86_64"])
    assert "HOME" not in toolchain.run(["clang", "--version"], tmp_path)


@pytest.mark.parametrize(
    ("name", "present", "absent"),
    [
        ("lambda", {"__AVX__"}, {"__AVX2__"}),
        ("ml_c4", {"__AVX2__", "__BMI2__"}, {"__AVX512F__"}),
        ("ml_c5", {"__AVX512F__", "__AVX512VL__"}, {"__AVX512VBMI__"}),
        ("ml_trn1", {"__AVX512VBMI2__", "__GFNI__"}, set()),
        ("ml_inf2", {"__AVX2__", "__VAES__"}, {"__AVX512F__"}),
        ("deeplens", {"__SSE4_2__"}, {"__AVX__"}),
        ("ml_c6g", {"__ARM_FEATURE_DOTPROD", "__ARM_FEATURE_ATOMICS"}, {"__ARM_FEATURE_SVE"}),
        ("qcs603", {"__ARM_FEATURE_ATOMICS", "__ANDROID__"}, {"__ARM_FEATURE_DOTPROD"}),
        ("rasp3b", {"__ARM_NEON", "__ARM_PCS_VFP"}, {"__ARM_FEATURE_AES"}),
        ("rk3288", {"__ARM_NEON", "__ARM_ARCH_EXT_IDIV__"}, set()),
        ("LINUX_ARM_EABIHF", {"__ARM_FP", "__ARM_PCS_VFP"}, {"__ARM_NEON"}),
        ("LINUX_ARM_EABI", {"__SOFTFP__"}, {"__ARM_FP", "__ARM_NEON", "__ARM_PCS_VFP"}),
        ("ANDROID_ARM_EABI", {"__ARM_NEON", "__ARM_FP"}, {"__SOFTFP__", "__ARM_PCS_VFP"}),
        ("LINUX_X86", {"__SSE2__", "__SSE2_MATH__"}, {"__SSE3__"}),
        ("ANDROID_X86", {"__SSSE3__", "__SSE2_MATH__"}, {"__SSE4_1__"}),
        ("ANDROID_X86_64", {"__SSE4_2__", "__POPCNT__"}, {"__AVX__"}),
        ("x86_win32", {"__SSE2_MATH__", "_WIN32"}, {"_WIN64"}),
        ("x86_win64", {"_WIN64"}, {"__AVX__"}),
    ],
)
def test_machines_have_the_instructions_of_their_data_sheet(
    name: str, present: set[str], absent: set[str]
) -> None:
    found = macros({**devices(), **platforms()}[name])
    assert present <= found
    assert not absent & found


def test_neon_can_be_added_to_the_hard_float_baseline() -> None:
    target = platforms()["LINUX_ARM_EABIHF"]
    assert "__ARM_NEON" in macros(replace(target, features=(*target.features, "+neon")))


@pytest.mark.parametrize(
    ("feature", "present", "absent"),
    [
        ("+vfp3d16", {"__ARM_FP"}, {"__ARM_NEON", "__SOFTFP__", "__ARM_PCS_VFP"}),
        ("+neon", {"__ARM_FP", "__ARM_NEON"}, {"__SOFTFP__", "__ARM_PCS_VFP"}),
        ("+hwdiv-arm", {"__SOFTFP__", "__ARM_ARCH_EXT_IDIV__"}, {"__ARM_FP", "__ARM_NEON"}),
    ],
)
def test_floating_point_can_be_added_to_the_soft_float_baseline(
    feature: str, present: set[str], absent: set[str]
) -> None:
    request = CompileRequest(
        "XGBOOST",
        "model",
        platform=TargetPlatform("LINUX", "ARM_EABI"),
        compiler_options=f"{{'mattr': ['{feature}']}}",
    )
    found = macros(resolve(request).target)
    assert present <= found
    assert not absent & found


def test_variants_replace_the_processor_and_take_either_spelling() -> None:
    target = platforms()["LINUX_X86_64"]
    assert "__AVX512VBMI__" in macros(target, "icelake_server")
    assert macros(target, "skylake-avx512") == macros(target, "skylake_avx512")
