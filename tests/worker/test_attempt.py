from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tinsmith.errors import ClientError, DiskFull, Unavailable
from tinsmith.settings import InputLimits, S3Options, SandboxOptions
from tinsmith.spec.request import WorkDirectory
from tinsmith.worker import attempt as module
from tinsmith.worker.attempt import (
    LOST,
    NO_ROOM,
    CompilerKilled,
    Workplace,
    artifact_location,
    compile_request,
    concluded,
    environment,
)
from tinsmith.worker.logs import JobLog
from tinsmith.worker.order import AttemptOrder
from tinsmith.worker.sandbox import Sandbox

SOURCE = {"S3Uri": "s3://bucket/in/model.tar.gz", "Framework": "XGBOOST"}
DEVICE = {"S3OutputLocation": "s3://bucket/out", "TargetDevice": "rasp4b"}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("in/model.tar.gz", "model-rasp4b.tar.gz"),
        ("model.tar.gz", "model-rasp4b.tar.gz"),
        ("a/resnet_v1.5_50.tar.gz", "resnet_v1.5_50-rasp4b.tar.gz"),
        ("train/train.csv", "train.csv-rasp4b.tar.gz"),
        ("a/model.tgz", "model.tgz-rasp4b.tar.gz"),
        ("folder/", "model-rasp4b.tar.gz"),
        ("a b/ä%20.tar.gz", "ä%20-rasp4b.tar.gz"),
    ],
)
def test_the_artifact_is_named_after_the_input_object(key: str, name: str) -> None:
    assert compile_request(SOURCE, DEVICE, key, False).artifact_name == name


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        ({"Os": "LINUX", "Arch": "X86_64"}, "m-LINUX_X86_64.tar.gz"),
        ({"Os": "ANDROID", "Arch": "ARM64", "Accelerator": "MALI"}, "m-ANDROID_ARM64_MALI.tar.gz"),
    ],
)
def test_platform_artifacts_carry_all_parts(platform: dict[str, str], name: str) -> None:
    output = {"S3OutputLocation": "s3://bucket/out", "TargetPlatform": platform}
    assert compile_request(SOURCE, output, "m.tar.gz", False).artifact_name == name


def test_the_compiler_is_told_everything_the_customer_wrote() -> None:
    source = SOURCE | {"DataInputConfig": "{'data': [1, 4]}", "FrameworkVersion": "1.7"}
    request = compile_request(source, DEVICE | {"CompilerOptions": '{"mcpu": "x"}'}, "m.tar.gz", True, 900)
    assert request.max_runtime_seconds == 900
    assert request.framework == "XGBOOST"
    assert request.data_input_config == "{'data': [1, 4]}"
    assert request.framework_version == "1.7"
    assert request.compiler_options == '{"mcpu": "x"}'
    assert request.allow_unverified


def test_a_name_that_no_file_can_have_is_the_customers_fault() -> None:
    with pytest.raises(ClientError, match="InputConfiguration: The name of the input object is too long"):
        compile_request(SOURCE, DEVICE, "x" * 250 + ".tar.gz", False)


@pytest.mark.parametrize(
    ("location", "uri"),
    [
        ("s3://bucket/out", "s3://bucket/out/name"),
        ("s3://bucket/out/", "s3://bucket/out/name"),
        ("s3://bucket", "s3://bucket/name"),
        ("s3://bucket/", "s3://bucket/name"),
        ("s3://bucket/a-/b%20c/", "s3://bucket/a-/b%20c/name"),
        ("https://bucket.s3.us-east-1.amazonaws.com/out/", "s3://bucket/out/name"),
        ("https://s3.amazonaws.com/bucket/out", "s3://bucket/out/name"),
    ],
)
def test_the_artifact_lies_under_the_output_location(location: str, uri: str) -> None:
    assert artifact_location(location, None, "name").uri == uri


def test_an_output_location_elsewhere_is_the_customers_fault() -> None:
    with pytest.raises(ClientError, match="OutputConfiguration"):
        artifact_location("https://example.org/bucket/out", None, "name")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (CompilerKilled("by SIGKILL"), LOST),
        (DiskFull("by others' doing"), NO_ROOM),
        (OSError(errno.ENOSPC, "No space left on device"), NO_ROOM),
        (OSError(errno.EIO, "Input/output error"), "InternalError: OSError: [Errno 5] Input/output error"),
        (Unavailable("The object store does not answer"), "InternalError: The object store does not answer"),
    ],
)
def test_what_speaks_against_the_machine_loses_the_attempt_and_not_the_job(
    error: Exception, outcome: int | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(module, "run", fail)
    order = AttemptOrder(
        "job-1", 1, {}, tmp_path / "log", (), 1, InputLimits(), SandboxOptions(), False, S3Options()
    )
    place = Workplace(tmp_path, Sandbox(SandboxOptions(), None, False, False))
    result = concluded(order, place, JobLog(order.log, 1))
    assert (result if isinstance(result, int) else result.failure_reason) == outcome


def test_a_workplace_survives_the_pipe(tmp_path: Path) -> None:
    options = SandboxOptions(read_only=(tmp_path,), require=("seccomp",))
    place = Workplace(tmp_path, Sandbox(options, "/usr/bin/bwrap", True, False, ("bubblewrap", "seccomp")))
    assert Workplace.from_json(place.to_json()) == place


def test_the_compiler_sees_no_variable_of_the_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names: dict[str, Any] = {"AWS_SECRET_ACCESS_KEY": "x", "LD_PRELOAD": "x", "PYTHONPATH": "x"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    seen = environment(WorkDirectory(tmp_path))
    zig = {"ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"}
    assert set(seen) == {"HOME", "LANG", "OPENBLAS_NUM_THREADS", "PATH", "TMPDIR", "USER", *zig}


@pytest.mark.parametrize(
    "module", ["tinsmith.worker.attempt", "tinsmith.worker.controller", "tinsmith.cli.serve"]
)
def test_neither_attempt_nor_service_loads_what_a_compiler_needs(module: str) -> None:
    heavy = {"numpy", "onnx_ir", "scipy", "tinsmith.compiler"}
    program = f"import sys, {module}; print(*{heavy} & {{*sys.modules}})"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "\n"
