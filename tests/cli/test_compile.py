from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest

from bench.graph import Graph

if TYPE_CHECKING:
    from tests.cli.conftest import Service, Tinsmith

HERE = ("--platform", "LINUX/X86_64")
XGBOOST = ("--framework", "XGBOOST")


@pytest.fixture(scope="module")
def compiled(tinsmith: Tinsmith, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of model.tar.gz for this machine's kind, by the command line."""
    folder = tmp_path_factory.mktemp("compiled")
    outcome = tinsmith("compile", model_folder.with_name("model.tar.gz"), *XGBOOST, *HERE, "-o", folder)
    assert outcome.code == 0, outcome.errors
    assert outcome.output == f"{folder}/model-LINUX_X86_64.tar.gz\n"
    assert "verified  native" in outcome.errors
    return folder / "model-LINUX_X86_64.tar.gz"


def test_the_artifact_lies_alone_in_its_folder(compiled: Path) -> None:
    assert [path.name for path in compiled.parent.iterdir()] == [compiled.name]
    with tarfile.open(compiled) as archive:
        assert {"compiled.so", "manifest", "libdlr.so"} <= set(archive.getnames())


def test_json_is_the_report(tinsmith: Tinsmith, compiled: Path, model_folder: Path, tmp_path: Path) -> None:
    """A bare model file gives the same bytes as the archive that holds it."""
    outcome = tinsmith(
        "compile", model_folder / "model.json", *XGBOOST, *HERE, "-o", tmp_path / "new", "--json"
    )
    report = outcome.json()
    assert (outcome.code, report["exit_code"], report["status"]) == (0, 0, "COMPLETED")
    assert report["artifact"] == "model-LINUX_X86_64.tar.gz"
    artifact = (tmp_path / "new" / report["artifact"]).read_bytes()
    assert artifact == compiled.read_bytes()
    assert report["digest"] == hashlib.blake2b(artifact).hexdigest()
    assert report["failure_reason"] is None
    assert report["verification"]["executed"] is True
    assert report["coverage"]
    assert {"read", "emit", "build", "package", "verify"} <= report["timings"].keys()


@pytest.mark.slow
def test_a_job_writes_the_same_bytes(service: Service, compiled: Path, model_folder: Path) -> None:
    s3, sagemaker = service.client("s3"), service.client("sagemaker")
    s3.upload_file(str(model_folder.with_name("model.tar.gz")), "tinsmith", "in/model.tar.gz")
    sagemaker.create_compilation_job(
        CompilationJobName="same-bytes",
        RoleArn=service.exports["TINSMITH_ROLE_ARN"],
        InputConfig={"S3Uri": "s3://tinsmith/in/model.tar.gz", "Framework": "XGBOOST"},
        OutputConfig={
            "S3OutputLocation": "s3://tinsmith/out/",
            "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"},
        },
        StoppingCondition={"MaxRuntimeInSeconds": 300},
    )
    while (job := sagemaker.describe_compilation_job(CompilationJobName="same-bytes"))[
        "CompilationJobStatus"
    ] in (
        "STARTING",
        "INPROGRESS",
    ):
        time.sleep(0.2)
    assert job["CompilationJobStatus"] == "COMPLETED", job.get("FailureReason")
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://tinsmith/out/model-LINUX_X86_64.tar.gz"
    artifact = s3.get_object(Bucket="tinsmith", Key="out/model-LINUX_X86_64.tar.gz")["Body"].read()
    assert artifact == compiled.read_bytes()
    assert job["ModelDigests"]["ArtifactDigest"] == hashlib.blake2b(artifact).hexdigest()


@pytest.mark.slow
def test_a_folder_is_a_model_too(
    tinsmith: Tinsmith, compiled: Path, model_folder: Path, tmp_path: Path
) -> None:
    outcome = tinsmith("compile", model_folder, *XGBOOST, *HERE, "-o", tmp_path, "-v")
    assert outcome.code == 0
    assert (tmp_path / compiled.name).read_bytes() == compiled.read_bytes()
    assert "\nbuild\n" in outcome.errors


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (XGBOOST, "give exactly one of --target and --platform"),
        ((*XGBOOST, *HERE, "--target", "ml_c5"), "give exactly one of --target and --platform"),
        ((*XGBOOST, "--platform", "LINUX"), "'LINUX' is not OS/ARCH"),
        ((*XGBOOST, "--platform", "LINUX/ARM64/MALI/MORE"), "is not OS/ARCH"),
        ((*XGBOOST, "--platform", "LINUX//MALI"), "is not OS/ARCH"),
        (("--framework", "LIGHTGBM", *HERE), "'LIGHTGBM' is none of"),
        (HERE, "Missing option '--framework'"),
    ],
)
def test_usage_errors(
    tinsmith: Tinsmith, model_folder: Path, tmp_path: Path, options: tuple[str, ...], complaint: str
) -> None:
    outcome = tinsmith("compile", model_folder, *options, "-o", tmp_path / "o")
    assert outcome.code == 2
    assert complaint in " ".join(outcome.errors.replace("│", " ").split())
    assert not (tmp_path / "o").exists()


def test_a_missing_file_is_a_usage_error(tinsmith: Tinsmith, tmp_path: Path) -> None:
    outcome = tinsmith("compile", tmp_path / "none.tar.gz", *XGBOOST, *HERE, "-o", tmp_path)
    assert outcome.code == 2
    assert "does not exist" in outcome.errors


@pytest.mark.parametrize("target", [("--target", "ml_c9"), ("--platform", "LINUX/SPARC")])
def test_an_unknown_target_is_the_requests_fault(
    tinsmith: Tinsmith, model_folder: Path, tmp_path: Path, target: tuple[str, str]
) -> None:
    outcome = tinsmith("compile", model_folder, *XGBOOST, *target, "-o", tmp_path / "o", "--json")
    report = outcome.json()
    assert (outcome.code, report["exit_code"], report["status"]) == (3, 3, "FAILED")
    assert report["failure_reason"].startswith("ClientError: OutputConfiguration: ")
    assert target[1].replace("/", "_") in report["failure_reason"].replace("/", "_")
    assert not (tmp_path / "o").exists()


def hostile_tarball() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("../up", "/root/.ssh/authorized_keys"):
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return gzip.compress(buffer.getvalue())


def test_every_problem_of_a_hostile_archive_is_shown(tinsmith: Tinsmith, tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(hostile_tarball())
    outcome = tinsmith("compile", tmp_path / "model.tar.gz", *XGBOOST, *HERE, "-o", tmp_path / "o")
    assert (outcome.code, outcome.output) == (3, "")
    for problem in ("'../up' climbs out", "has an absolute name", "'link' is a symbolic link"):
        assert problem in outcome.errors


def test_links_in_a_folder_are_not_followed(tinsmith: Tinsmith, model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    (tmp_path / "model" / "secrets").symlink_to("/etc/passwd")
    outcome = tinsmith("compile", tmp_path / "model", *XGBOOST, *HERE, "-o", tmp_path / "o")
    assert outcome.code == 3
    assert "model/secrets is a link" in outcome.errors


def test_an_output_folder_that_cannot_be_made(tinsmith: Tinsmith, model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = tinsmith("compile", model_folder, *XGBOOST, *HERE, "-o", tmp_path / "file" / "o", "--json")
    assert (outcome.code, outcome.json()["exit_code"]) == (1, 1)
    assert "Not a directory" in outcome.json()["failure_reason"]


def test_another_frameworks_model_is_refused_with_its_name(
    tinsmith: Tinsmith, model_folder: Path, tmp_path: Path
) -> None:
    outcome = tinsmith("compile", model_folder, "--framework", "SKLEARN", *HERE, "-o", tmp_path / "o")
    assert outcome.code == 3
    assert outcome.errors.startswith("ClientError: InputConfiguration: ")
    assert "model.json" in outcome.errors
    assert "Traceback" not in outcome.errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_behind(model_folder: Path, tmp_path: Path, number: int, code: int) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "tinsmith", "compile", str(model_folder), *XGBOOST, *HERE]
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [*command, "-o", str(tmp_path / "o")], env=environment, stderr=subprocess.DEVNULL
    )
    while not list(temporary.glob("tinsmith-*/work/scratch/*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(30) == code
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "o").exists()
    assert str(temporary).encode() not in b"".join(command_lines())


def command_lines() -> Iterator[bytes]:
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            yield (process / "cmdline").read_bytes()


@pytest.mark.slow
def test_a_network_reports_what_it_is_and_shows_every_pass(tinsmith: Tinsmith, tmp_path: Path) -> None:
    graph = Graph("small")
    x = graph.conv(graph.input("x", (1, 3, 8, 8)), (3, 8), 3)
    model = graph.model(graph.dense(graph.add("Flatten", graph.add("Relu", x)), (512, 10)))
    path, dump = tmp_path / "small.onnx", tmp_path / "dump"
    onnx.save(model, path)
    outcome = tinsmith(
        "compile", path, "--framework", "ONNX", *HERE, "-o", tmp_path, "--json", TINSMITH_DUMP=str(dump)
    )
    assert outcome.code == 0
    report = outcome.json()
    kernels, checked = report["coverage"]["kernels"], report["verification"]
    assert kernels["flops"] == 2 * (8 * 8 * 8 * 27 + 512 * 10)
    assert kernels["tensor_bytes"] >= kernels["arena_bytes"] >= 8 * 8 * 8 * 4
    assert kernels["stages"] >= 2
    (output,) = checked["outputs"]
    assert output["arithmetic"] == "float32"
    assert 0 < output["max_relative_error"] < 1e-5
    assert 0 < output["max_absolute_error"] < 1e-4
    assert checked["runs"] == ["normal", "uniform", "zeros", "large"]
    assert checked["latency_microseconds"] > 0
    assert checked["latency_microseconds_all_threads"] > 0
    assert report["coverage"]["compiled"] == 1.0
    assert set(report["timings"]) == {"read", "tune", "reference", "emit", "build", "package", "verify"}
    shown = sorted(path.name for path in dump.iterdir())
    assert shown[0] == "00-lower.txt"
    assert shown[-1].endswith("-find_recurrences.txt")
