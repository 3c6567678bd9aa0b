from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tinsmith.errors import ClientError
from tinsmith.settings import InputLimits, S3Options, SandboxOptions
from tinsmith.spec.request import WorkDirectory
from tinsmith.worker.attempt import (
    AttemptOrder,
    AttemptResult,
    artifact_location,
    compile_request,
    environment,
)
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


def test_an_order_survives_the_pipe_and_hides_its_keys(tmp_path: Path) -> None:
    options = SandboxOptions(read_only=(tmp_path,), require=("seccomp",))
    order = AttemptOrder(
        attempt=3,
        request={"InputConfig": SOURCE, "OutputConfig": DEVICE},
        folder=tmp_path,
        log=tmp_path / "log",
        compiler=("compiler", "--flag"),
        cpu_seconds=10,
        limits=InputLimits(max_members=7),
        sandbox=Sandbox(options, "/usr/bin/bwrap", True, False, ("bubblewrap", "seccomp")),
        allow_unverified=True,
        s3=S3Options("http://host", "eu-west-1", "key", "SECRET"),
    )
    assert AttemptOrder.from_json(order.to_json()) == order
    assert "SECRET" not in repr(order)


def test_a_result_is_written_whole_and_read_back(tmp_path: Path) -> None:
    assert AttemptResult.read(tmp_path) is None
    result = AttemptResult(2, artifact_uri="s3://b/k", digest="00", derived_data_input_config="{}")
    result.write(tmp_path)
    assert AttemptResult.read(tmp_path) == result
    replace(result, attempt=3).write(tmp_path)
    assert AttemptResult.read(tmp_path) == replace(result, attempt=3)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"odd": 1}'])
def test_a_broken_result_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    assert AttemptResult.read(tmp_path) is None


def test_the_compiler_sees_no_variable_of_the_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names: dict[str, Any] = {"AWS_SECRET_ACCESS_KEY": "x", "LD_PRELOAD": "x", "PYTHONPATH": "x"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    seen = environment(WorkDirectory(tmp_path))
    zig = {"ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"}
    assert set(seen) == {"HOME", "LANG", "OPENBLAS_NUM_THREADS", "PATH", "TMPDIR", *zig}
