from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/3"
CONTAINER = {
    "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1",
    "ModelDataUrl": "s3://models/churn/model.tar.gz",
    "Framework": "PYTORCH",
    "FrameworkVersion": "1.13",
    "ModelInput": {"DataInputConfig": '{"input0": [1, 3, 224, 224]}'},
}

Build = Callable[..., dict[str, Any]]


@pytest.fixture
def package(own_service: Any) -> Callable[..., None]:
    """Writes a package with `containers` as the AWS CLI prints one."""

    def write(*containers: Any, arn: str = ARN, name: str = "churn.json") -> None:
        own_service.model_packages.mkdir(exist_ok=True)
        printed = {
            "ModelPackageGroupName": "churn",
            "ModelPackageVersion": 3,
            "ModelPackageArn": arn,
            "CreationTime": datetime(2024, 5, 1, tzinfo=UTC).isoformat(),
            "InferenceSpecification": {"Containers": list(containers)},
            "ModelPackageStatus": "Completed",
        }
        (own_service.model_packages / name).write_text(json.dumps(printed))

    return write


@pytest.fixture
def create(own_service: Any, valid: Build) -> Callable[..., dict[str, Any]]:
    """Creates a job on the package and describes it."""

    def do(**members: Any) -> dict[str, Any]:
        client = own_service.client()
        client.create_compilation_job(**valid(InputConfig=None, ModelPackageVersionArn=ARN, **members))
        found: dict[str, Any] = client.describe_compilation_job(CompilationJobName="job")
        return found

    return do


@pytest.fixture
def refused(create: Callable[..., dict[str, Any]]) -> Callable[..., str]:
    def do(**members: Any) -> str:
        with pytest.raises(ClientError) as raised:
            create(**members)
        error: dict[str, str] = raised.value.response["Error"]
        assert error["Code"] == "ValidationException"
        return error["Message"]

    return do


def test_a_job_on_a_package_is_one_on_its_container(package: Any, create: Any) -> None:
    package({**CONTAINER, "Framework": "TENSORFLOW"}, arn="arn:of:another", name="another.json")
    package(CONTAINER)
    job = create()
    assert job["ModelPackageVersionArn"] == ARN
    assert job["InputConfig"] == {
        "S3Uri": "s3://models/churn/model.tar.gz",
        "Framework": "PYTORCH",
        "FrameworkVersion": "1.13",
        "DataInputConfig": '{"input0": [1, 3, 224, 224]}',
    }


def test_what_a_package_leaves_out_is_left_out(package: Any, create: Any) -> None:
    package({"ModelDataUrl": "s3://models/m.tar.gz", "Framework": "xgboost"})
    assert create()["InputConfig"] == {"S3Uri": "s3://models/m.tar.gz", "Framework": "XGBOOST"}


def test_a_job_keeps_what_its_package_was(own_service: Any, package: Any, create: Any) -> None:
    package(CONTAINER)
    create()
    (own_service.model_packages / "churn.json").unlink()
    job = own_service.client().describe_compilation_job(CompilationJobName="job")
    assert job["InputConfig"]["S3Uri"] == "s3://models/churn/model.tar.gz"


def test_an_unknown_package_says_where_it_was_looked_for(own_service: Any, refused: Any) -> None:
    assert refused() == (
        f"Could not find model package {ARN} in the files {own_service.model_packages}/*.json; expected is "
        "what `aws sagemaker describe-model-package --model-package-name ARN` prints."
    )


def test_a_broken_file_hides_no_other(own_service: Any, package: Any, create: Any) -> None:
    own_service.model_packages.mkdir()
    (own_service.model_packages / "a.json").write_text("{")
    (own_service.model_packages / "b.json").write_text("[]")
    (own_service.model_packages / "c.json").mkdir()
    package(CONTAINER)
    assert create()["ModelPackageVersionArn"] == ARN


@pytest.mark.parametrize("containers", [[], [CONTAINER, CONTAINER]])
def test_a_package_has_one_container(package: Any, refused: Any, containers: list[Any]) -> None:
    package(*containers)
    assert refused() == (
        f"Model package {ARN}: InferenceSpecification.Containers has {len(containers)} entries, expected 1."
    )


def test_all_that_a_container_lacks_is_told_at_once(package: Any, refused: Any) -> None:
    package({"Framework": "CAFFE"})
    assert refused() == (
        f"Model package {ARN}: the container: ModelDataUrl is missing, expected the S3 URI of model.tar.gz. "
        "Framework is 'CAFFE', expected one of TENSORFLOW, KERAS, MXNET, ONNX, PYTORCH, XGBOOST, TFLITE, "
        "DARKNET, SKLEARN."
    )


def test_the_rules_for_models_hold_for_packages(package: Any, refused: Any) -> None:
    package({**CONTAINER, "Framework": "TFLITE"})
    assert "Framework TFLITE is only supported for edge targets" in refused()
