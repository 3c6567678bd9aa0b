from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.artifact import dlr
from tinsmith.compiler.artifact.archive import write_archive
from tinsmith.compiler.artifact.inspect import read_files
from tinsmith.compiler.artifact.package import Package, package
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.trees.emit import emit
from tinsmith.compiler.ir.model import Forest, Model, Transform
from tinsmith.compiler.verify import cpu, execute
from tinsmith.compiler.verify import verify as module
from tinsmith.compiler.verify.cpu import host_variants
from tinsmith.compiler.verify.evidence import collect
from tinsmith.compiler.verify.verify import Verification, reverify, verify
from tinsmith.errors import ClientError, InternalError
from tinsmith.spec.request import CompileRequest, TargetPlatform
from tinsmith.spec.targets import Target, devices, platforms

REQUEST = CompileRequest("XGBOOST", "model", platform=TargetPlatform("LINUX", "X86_64"))
PLATFORMS = [name for name, target in platforms().items() if target.accelerator is None]
EMULATORS = {"aarch64": "qemu-aarch64", "arm": "qemu-arm"}


def pack(model: Model, target: Target, library: Path, folder: Path) -> Path:
    return package(REQUEST, model, target, library, collect(model), folder).path


@pytest.fixture(scope="module")
def model(make_model: Callable[..., Model]) -> Model:
    return make_model(outputs=2)


@pytest.fixture
def plain(x86_64: Target) -> Target:
    """This machine, one variant."""
    return replace(x86_64, variants=())


@pytest.mark.parametrize("name", [*PLATFORMS, "x86_win32", "x86_win64"])
def test_every_system_s_library_is_executed(
    model: Model, compile_plainly: Callable[..., Path], name: str, tmp_path: Path
) -> None:
    target = replace({**platforms(), **devices()}[name], variants=())
    tarball = pack(model, target, compile_plainly(model, target, tmp_path), tmp_path)
    verification = verify(tarball, model, target, tmp_path)
    assert verification.executed
    assert verification.method == EMULATORS.get(target.arch, "native")
    assert verification.margin == "bit-exact"
    assert verification.prediction_ulps == 0
    assert verification.dlr
    assert verification.rows == {"threshold": 600, "edge": 600, "random": 600}
    assert (verification.latency_microseconds is not None) == (name == "LINUX_X86_64")
    assert not list(tmp_path.glob("verify-*"))


@pytest.mark.parametrize("name", ["LINUX_X86_64", "LINUX_ARM64", "LINUX_ARM_EABI", "x86_win32"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_real_kernels(make_model: Callable[..., Model], name: str, dtype: Any, tmp_path: Path) -> None:
    target = {**platforms(), **devices()}[name]
    model = make_model(trees=12, outputs=3, dtype=dtype, transform=Transform.SOFTMAX)
    folder = tmp_path / "program"
    folder.mkdir()
    library = tmp_path / target.library
    build(emit(model, target, folder), target, library)
    verification = verify(pack(model, target, library, tmp_path), model, target, tmp_path)
    assert verification.executed
    assert verification.prediction_ulps is not None
    if target.variants:
        assert verification.variants == tuple(host_variants())


@pytest.mark.parametrize(
    ("misbehave", "text"),
    [
        pytest.param(
            "if (count == 33 && !(flags & TINSMITH_MARGIN)) { for (int i = 0; i < 66; i++) "
            "((float *)out)[i] = 0; return 0; }",
            "prediction of 33 rows",
            id="one batch size",
        ),
        pytest.param(
            "if (stride > FEATURES && flags & TINSMITH_MARGIN) stride = FEATURES;",
            "margin of 1800 rows",
            id="stride",
        ),
        pytest.param(
            "for (int64_t i = 0; i < count; i++) if (rows[i * stride] != rows[i * stride]) return 2;",
            "status 2",
            id="missing value",
        ),
        pytest.param("if (count > 1000) return TINSMITH_NO_MEMORY;", "status 1", id="large batch"),
        pytest.param(
            "for (int64_t i = 0; i < count * stride && stride == FEATURES; i++) if (rows[i] == 0 && "
            "__builtin_signbit(rows[i])) return 2;",
            "status 2",
            id="negative zero",
        ),
    ],
)
def test_one_wrong_answer_fails(
    model: Model,
    compile_plainly: Callable[..., Path],
    plain: Target,
    tmp_path: Path,
    misbehave: str,
    text: str,
) -> None:
    tarball = pack(model, plain, compile_plainly(model, plain, tmp_path, misbehave), tmp_path)
    with pytest.raises(InternalError, match=text):
        verify(tarball, model, plain, tmp_path)


def test_a_cut_that_is_one_float_off_fails(
    model: Model, compile_plainly: Callable[..., Path], plain: Target, tmp_path: Path
) -> None:
    forest = model.body
    assert isinstance(forest, Forest)
    cut = forest.cut.copy()
    cut[0] = np.nextafter(cut[0], np.float32(np.inf))
    wrong = replace(model, body=replace(forest, cut=cut))
    tarball = pack(model, plain, compile_plainly(wrong, plain, tmp_path), tmp_path)
    with pytest.raises(InternalError, match="values differ: row"):
        verify(tarball, model, plain, tmp_path)


def test_a_wrong_dlr_library_fails(
    model: Model,
    compile_plainly: Callable[..., Path],
    plain: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(dlr._folder(), sources)
    text = (sources / "trees.c").read_text()
    assert "= *input++;" in text
    (sources / "trees.c").write_text(text.replace("= *input++;", "= -*input++;"))
    monkeypatch.setattr(dlr, "_folder", lambda: sources)
    tarball = pack(model, plain, compile_plainly(model, plain, tmp_path), tmp_path)
    with pytest.raises(InternalError, match=r"native libdlr\.so: prediction of 1800 rows"):
        verify(tarball, model, plain, tmp_path)


def test_another_model_s_library_fails(
    model: Model,
    make_model: Callable[..., Model],
    compile_plainly: Callable[..., Path],
    plain: Target,
    tmp_path: Path,
) -> None:
    library = compile_plainly(make_model(features=6), plain, tmp_path)
    with pytest.raises(InternalError, match="the library has ABI 1"):
        verify(pack(model, plain, library, tmp_path), model, plain, tmp_path)


def test_what_only_a_customer_s_process_shows_fails(
    model: Model, compile_plainly: Callable[..., Path], plain: Target, tmp_path: Path
) -> None:
    """The runner has no threads; a process with Python in it has."""
    misbehave = "extern __attribute__((weak)) int pthread_create(void); if (pthread_create) __builtin_trap();"
    tarball = pack(model, plain, compile_plainly(model, plain, tmp_path, misbehave), tmp_path)
    with pytest.raises(InternalError, match=r"tinsmith_runtime: exit status -4"):
        verify(tarball, model, plain, tmp_path)


@pytest.mark.parametrize("flag", ["", "!"])
def test_large_batches_are_compared_to_the_last_row(
    model: Model, compile_plainly: Callable[..., Path], plain: Target, tmp_path: Path, flag: str
) -> None:
    misbehave = f"if (count > 9000 && {flag}(flags & TINSMITH_MARGIN)) count--;"
    tarball = pack(model, plain, compile_plainly(model, plain, tmp_path, misbehave), tmp_path)
    with pytest.raises(InternalError, match=r"tinsmith_runtime: .*2 of 3600 values differ: row 1799"):
        verify(tarball, model, plain, tmp_path)


def test_the_tarball_is_what_is_executed(
    model: Model, compile_plainly: Callable[..., Path], plain: Target, tmp_path: Path
) -> None:
    library = compile_plainly(model, plain, tmp_path)
    tarball = pack(model, plain, library, tmp_path)
    library.write_bytes(b"")
    assert verify(tarball, model, plain, tmp_path).executed


def test_unverified_needs_permission(
    model: Model, compile_plainly: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = platforms()["LINUX_ARM64"]
    tarball = pack(model, target, compile_plainly(model, target, tmp_path), tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InternalError, match="install the package 'qemu-user-static', or let the operator"):
        verify(tarball, model, target, tmp_path)
    verification = verify(tarball, model, target, tmp_path, allow_unverified=True)
    assert not verification.executed
    assert verification.reason is not None
    assert "qemu-aarch64" in verification.reason
    assert verification.margin is None


def test_permission_does_not_excuse_wrong_answers(
    model: Model, compile_plainly: Callable[..., Path], plain: Target, tmp_path: Path
) -> None:
    tarball = pack(model, plain, compile_plainly(model, plain, tmp_path, "stride = 0;"), tmp_path)
    with pytest.raises(InternalError):
        verify(tarball, model, plain, tmp_path, allow_unverified=True)


def test_only_variants_that_the_host_has(
    model: Model,
    compile_plainly: Callable[..., Path],
    x86_64: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cpu, "host_variants", lambda: ["sse2", "avx2"])
    tarball = pack(model, x86_64, compile_plainly(model, x86_64, tmp_path), tmp_path)
    verification = verify(tarball, model, x86_64, tmp_path)
    assert verification.variants == ("sse2", "avx2")
    assert verification.variants_not_executed == ("avx512", "vbmi")


def test_writes_nowhere_but_in_scratch(
    model: Model,
    compile_plainly: Callable[..., Path],
    plain: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[dict[str, str]] = []
    real = execute.run

    def run(command: list[str], settings: dict[str, str]) -> Any:
        seen.append(settings)
        return real(command, settings)

    monkeypatch.setattr(module, "run", run)
    tarball = pack(model, plain, compile_plainly(model, plain, tmp_path), tmp_path)
    verify(tarball, model, plain, tmp_path)
    (settings,) = seen
    assert settings["TMPDIR"] == settings["HOME"]
    assert Path(settings["HOME"]).parent == tmp_path


def test_an_artifact_can_be_verified_again(packed: Package, tmp_path: Path) -> None:
    verification = reverify(packed.path, tmp_path)
    assert isinstance(verification, Verification)
    assert verification.executed
    assert verification.rows == {"evidence": 180}


def test_a_changed_artifact_is_refused(packed: Package, tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    write_archive(read_files(packed.path) | {"compiled.so": b"another"}, frozenset(), path)
    with pytest.raises(ClientError, match=r"changed after it was packed: compiled\.so"):
        reverify(path, tmp_path)


def test_an_artifact_without_its_dlr_library_is_refused(packed: Package, tmp_path: Path) -> None:
    files = read_files(packed.path)
    record = json.loads(files["manifest"])
    del files["libdlr.so"], record["files"]["libdlr.so"]
    path = tmp_path / "a.tar.gz"
    write_archive(files | {"manifest": json.dumps(record).encode()}, frozenset(), path)
    with pytest.raises(ClientError, match=r"a\.tar\.gz lacks libdlr\.so"):
        reverify(path, tmp_path)


def test_an_artifact_that_contradicts_its_evidence_fails(
    model: Model, compile_plainly: Callable[..., Path], plain: Target, tmp_path: Path
) -> None:
    tarball = pack(model, plain, compile_plainly(model, plain, tmp_path, "stride = 0;"), tmp_path)
    with pytest.raises(InternalError, match="values differ"):
        reverify(tarball, tmp_path)
