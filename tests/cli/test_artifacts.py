from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Tinsmith


@pytest.fixture(scope="module")
def artifact(tinsmith: Tinsmith, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for a machine that is not this one."""
    folder = tmp_path_factory.mktemp("compiled")
    options = (
        "--framework",
        "XGBOOST",
        "--framework-version",
        "3.2",
        "--target",
        "rasp4b",
        "--allow-unverified",
        "-o",
        folder,
    )
    outcome = tinsmith("compile", model_folder.with_name("model.tar.gz"), *options)
    assert outcome.code == 0, outcome.errors
    return folder / "model-rasp4b.tar.gz"


def changed(artifact: Path, name: str, content: bytes | None, copy: Path) -> Path:
    """`artifact` with one file replaced, or without it."""
    with tarfile.open(artifact) as source, tarfile.open(copy, "w:gz") as target:
        for member in source:
            if member.name == name and content is None:
                continue
            opened = source.extractfile(member)
            data = opened.read() if opened else b""
            if member.name == name and content is not None:
                data, member.size = content, len(content)
            target.addfile(member, io.BytesIO(data))
    return copy


def test_inspect_tells_what_is_inside(tinsmith: Tinsmith, artifact: Path) -> None:
    digest = hashlib.blake2b(artifact.read_bytes()).hexdigest()
    plain = tinsmith("inspect", artifact)
    assert plain.code == 0
    for text in ("rasp4b", "xgboost 3", "binary:logistic", "data: float32[-1, 4]", digest, "compiled.so"):
        assert text in plain.output
    assert "framework_version=3.2" in plain.output
    fields = tinsmith("inspect", artifact, "--json").json()
    assert fields["digest"] == digest
    assert fields["manifest"]["target"]["name"] == "rasp4b"
    assert fields["manifest"]["options"] == {"framework_version": "3.2"}
    assert fields["changed"] == []


def test_inspect_and_verify_refuse_what_was_changed(
    tinsmith: Tinsmith, artifact: Path, tmp_path: Path
) -> None:
    copy = changed(artifact, "compiled.so", b"\x7fELF something else", tmp_path / artifact.name)
    inspected = tinsmith("inspect", copy)
    assert inspected.code == 3
    assert "compiled.so is not what the manifest says" in inspected.errors
    verified = tinsmith("verify", copy)
    assert verified.code == 3
    assert "changed after it was packed: compiled.so" in verified.errors


@pytest.mark.parametrize(
    "content", [b"", b"no archive", gzip.compress(b"no tar" * 500)], ids=["empty", "no gzip", "no tar"]
)
@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_what_is_no_artifact(tinsmith: Tinsmith, tmp_path: Path, command: str, content: bytes) -> None:
    (tmp_path / "x.tar.gz").write_bytes(content)
    outcome = tinsmith(command, tmp_path / "x.tar.gz")
    assert (outcome.code, outcome.output) == (3, "")
    assert "ClientError" in outcome.errors
    assert "Traceback" not in outcome.errors


def test_verify_executes_the_artifact(tinsmith: Tinsmith, artifact: Path) -> None:
    """Under an emulator where there is one; else it must say what is missing."""
    outcome = tinsmith("verify", artifact, "--json")
    report = outcome.json()
    if outcome.code == 1:
        assert "install" in report["failure_reason"]
        assert report["verification"] is None
    else:
        assert outcome.code == 0
        assert report["verification"]["executed"] is True
        assert report["verification"]["method"] == "qemu-arm"
        assert report["verification"]["margin"] == "bit-exact"


def test_an_artifact_that_lies_about_its_answers_is_found_out(
    tinsmith: Tinsmith, artifact: Path, tmp_path: Path
) -> None:
    """Evidence and manifest agree with each other, but not with the library."""
    import json

    import numpy as np

    with tarfile.open(artifact) as source:
        opened = source.extractfile("evidence/margin.npy")
        listed = source.extractfile("manifest")
        assert opened
        assert listed
        margin, manifest = np.load(io.BytesIO(opened.read())), json.load(listed)
    margin[3] += 1
    buffer = io.BytesIO()
    np.save(buffer, margin)
    manifest["files"]["evidence/margin.npy"] = hashlib.blake2b(buffer.getvalue()).hexdigest()
    once = changed(artifact, "evidence/margin.npy", buffer.getvalue(), tmp_path / "once.tar.gz")
    twice = changed(once, "manifest", json.dumps(manifest).encode(), tmp_path / "twice.tar.gz")
    outcome = tinsmith("verify", twice)
    assert outcome.code == 1
    assert outcome.errors.startswith("InternalError: verification: ")
