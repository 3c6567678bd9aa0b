from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinsmith.compiler.artifact.archive import file_digest
from tinsmith.compiler.artifact.package import Package, compiled_meta, package
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.verify.evidence import collect
from tinsmith.spec.request import CompileRequest, TargetPlatform
from tinsmith.spec.targets import Target, devices, platforms
from tinsmith_runtime.artifact import read_manifest

REQUEST = CompileRequest(
    "XGBOOST", "my-model", platform=TargetPlatform("LINUX", "X86_64"), data_input_config='{"data": [1, 5]}'
)
OURS = [
    "compiled.meta",
    "compiled.so",
    "dlr.h",
    "evidence/margin.npy",
    "evidence/prediction.npy",
    "evidence/rows.npy",
    "evidence/verification.json",
    "libdlr.so",
    "manifest",
    "tinsmith.h",
]


def names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


@pytest.fixture
def pack(
    make_model: Callable[..., Model], x86_64: Target, tmp_path: Path
) -> Callable[[Path | None], Package]:
    library = tmp_path / "anything.so"
    library.write_bytes(b"library")
    model = make_model()

    def pack(input_files: Path | None) -> Package:
        return package(REQUEST, model, x86_64, library, collect(model), tmp_path, input_files)

    return pack


def test_holds_our_files_under_the_service_s_name(pack: Callable[..., Package], tmp_path: Path) -> None:
    packed = pack(None)
    assert packed.path == tmp_path / "my-model-LINUX_X86_64.tar.gz"
    assert names(packed.path) == OURS
    assert packed.digest == file_digest(packed.path)


def test_dlr_sees_one_library_and_one_metadata_file(packed: Package) -> None:
    top = [name for name in names(packed.path) if "/" not in name]
    assert [name for name in top if name.endswith((".so", ".dll", ".dylib"))] == ["compiled.so", "libdlr.so"]
    assert [name for name in top if name.endswith(".meta")] == ["compiled.meta"]
    assert not [name for name in top if name.endswith((".json", ".params", ".ro", ".pb"))]


def test_carries_the_customers_files_but_not_the_model(
    make_model: Callable[..., Model], x86_64: Target, tmp_path: Path
) -> None:
    folder = tmp_path / "input"
    (folder / "code").mkdir(parents=True)
    for name in ("code/inference.py", "xgboost-model", "config.json", "manifest"):
        (folder / name).write_text(name)
    library = tmp_path / "compiled.so"
    library.write_bytes(b"library")
    model = replace(make_model(), files=("xgboost-model",))
    packed = package(REQUEST, model, x86_64, library, collect(model), tmp_path, folder)
    assert sorted({*names(packed.path)} - {*OURS}) == [
        "code/inference.py",
        "input/config.json",
        "input/manifest",
    ]
    assert len(packed.warnings) == 2


def test_same_input_same_bytes(
    make_model: Callable[..., Model], x86_64: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = set()
    for run in ("one", "another"):
        place = tmp_path / run
        (place / "input").mkdir(parents=True)
        (place / "input" / "notes.txt").write_text("hello")
        (place / "compiled.so").write_bytes(b"library")
        monkeypatch.setenv("TMPDIR", str(place))
        monkeypatch.setenv("HOME", str(place))
        model = make_model()
        program = Program(place, (), (), {"walk": 1})
        before = os.umask(0o077 if run == "one" else 0o022)
        packed = package(
            REQUEST, model, x86_64, place / "compiled.so", collect(model), place, place / "input", program
        )
        os.umask(before)
        digests.add(packed.digest)
    assert len(digests) == 1


def test_manifest_tells_all_without_running(packed: Package, make_model: Callable[..., Model]) -> None:
    manifest = read_manifest(packed.path)
    model = make_model()
    assert manifest.name == "model"
    assert (manifest.framework, manifest.producer, manifest.kind) == (
        model.framework,
        model.producer,
        model.kind,
    )
    assert [
        (tensor.name, tensor.dtype, tensor.shape) for tensor in (*manifest.inputs, *manifest.outputs)
    ] == [
        ("data", "float32", (-1, 5)),
        ("answer", "float32", (-1,)),
    ]
    assert manifest.margin is not None
    assert manifest.margin.shape == (-1,)
    assert manifest.compiler == "tinsmith 0.1.0"
    assert manifest.toolchain.startswith("ziglang ")
    assert manifest.target.triple == "x86_64-unknown-linux-gnu"
    with tarfile.open(packed.path) as archive:
        for name, digest in manifest.files.items():
            source = archive.extractfile(name)
            assert source is not None
            assert file_digest(source.read()) == digest
    assert {*manifest.files, "manifest"} == set(OURS)


def test_manifest_keeps_the_options(pack: Callable[..., Package]) -> None:
    assert read_manifest(pack(None).path).options == {"data_input_config": '{"data": [1, 5]}'}


def test_model_digest_depends_on_names_and_contents(pack: Callable[..., Package], tmp_path: Path) -> None:
    digests = set()
    for number, (name, content) in enumerate([("a", "1"), ("a", "2"), ("b", "1")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text(content)
        digests.add(read_manifest(pack(folder).path).model_digest)
    assert len(digests) == 3


@pytest.mark.parametrize("outputs", [1, 3])
def test_metadata_is_as_dlr_shows_the_model(make_model: Callable[..., Model], outputs: int) -> None:
    record = json.loads(compiled_meta(make_model(outputs=outputs, dtype=np.float64), devices()["ml_c5"]))
    assert record["Requirements"] == {"TargetDevice": "ML_C5", "TargetDeviceType": "cpu"}
    assert record["Model"] == {
        "Inputs": [{"name": "data", "dtype": "float32", "shape": [-1, 5]}],
        "Outputs": [{"name": "answer", "dtype": "float32", "shape": [-1, outputs]}],
    }


def test_windows_has_its_own_names(make_model: Callable[..., Model], tmp_path: Path) -> None:
    library = tmp_path / "compiled.dll"
    library.write_bytes(b"library")
    model = make_model()
    request = CompileRequest("XGBOOST", "model", device="x86_win64")
    packed = package(request, model, devices()["x86_win64"], library, collect(model), tmp_path)
    assert {"compiled.dll", "dlr.dll"} < set(names(packed.path))
    assert not [name for name in names(packed.path) if name.endswith(".so")]


def test_every_platform_has_a_dlr_library(make_model: Callable[..., Model], tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.write_bytes(b"library")
    model = make_model()
    evidence = collect(model)
    for name, target in platforms().items():
        if target.accelerator is None:
            os_name, _, arch = name.partition("_")
            request = CompileRequest("XGBOOST", "model", platform=TargetPlatform(os_name, arch))
            packed = package(request, model, target, library, evidence, tmp_path)
            assert target.dlr_library in names(packed.path)
