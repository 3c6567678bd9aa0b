from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

VERSION_REFUSED = (
    "Unsupported framework version field for target. Framework version is supported for Target Platform "
    "configuration and only part of target devices. \nFramework version is only supported for ml_c4, ml_c5, "
    "ml_m4, ml_m5, ml_p2, ml_p3, ml_g4dn cloud targetsand lambda, jetson_tx1, jetson_nano, jetson_tx2, "
    "jetson_xavier, deeplens, rasp3b, rasp4b, imx8qm, rk3288, rk3399, aisage, sbe_"
)
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/1"
LINUX = {"Os": "LINUX", "Arch": "ARM64"}


def model(framework: str, **members: str) -> dict[str, str]:
    return {"S3Uri": "s3://b/k.tar.gz", "Framework": framework, **members}


def output(**members: Any) -> dict[str, Any]:
    return {"S3OutputLocation": "s3://b/out", **members}


def refused(client: Any, request: dict[str, Any]) -> str:
    with pytest.raises(ClientError) as raised:
        client.create_compilation_job(**request)
    error: dict[str, str] = raised.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert client.list_compilation_jobs()["CompilationJobSummaries"] == []
    return error["Message"]


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (
            {"ModelPackageVersionArn": PACKAGE},
            "InputConfig and ModelPackageVersionArn cannot be specified at the same time.",
        ),
        ({"InputConfig": None}, "Either InputConfig or ModelPackageVersionArn must be specified."),
        (
            {"OutputConfig": output(TargetDevice="ml_c5", TargetPlatform=LINUX)},
            "TargetDevice and TargetPlatform cannot be specified at the same time.",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 900, "MaxWaitTimeInSeconds": 899}},
            "Invalid MaxWaitTimeInSeconds. It must be greater than or equal to MaxRuntimeInSeconds.",
        ),
        ({"OutputConfig": output()}, "Either TargetDevice or TargetPlatform must be specified."),
        (
            {"InputConfig": model("XGBOOST", FrameworkVersion="1.3")},
            "FrameworkVersion is not supported for framework XGBOOST. "
            "It is only supported for the MXNet, PyTorch, TensorFlow and TensorFlow Lite frameworks.",
        ),
        (
            {"InputConfig": model("MXNET", FrameworkVersion="2.0")},
            "1 validation error detected: Value '2.0' at 'inputConfig.frameworkVersion' failed to satisfy "
            "constraint: Member must satisfy enum value set: [0.8, 0.9, 0.10, 0.11, 0.12, 1.0, 1.1, 1.2, "
            "1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9]",
        ),
        (
            {"InputConfig": model("TFLITE")},
            "Framework TFLITE is only supported for edge targets, not for target device ml_c5.",
        ),
        (
            {"OutputConfig": output(TargetDevice="coreml")},
            "Target device coreml is only supported for TENSORFLOW and PYTORCH, not for XGBOOST.",
        ),
        (
            {"Tags": [{"Key": key, "Value": ""} for key in ("a", "b", "A", "b", "a")]},
            "Tag keys must be unique per resource. Duplicate keys: a, b.",
        ),
        (
            {"Tags": [{"Key": "aws:team", "Value": ""}, {"Key": "AWS:x", "Value": ""}]},
            "Tag keys beginning with aws: are reserved for system use: aws:team, AWS:x.",
        ),
        (
            {"InputConfig": None, "OutputConfig": output()},
            "Either InputConfig or ModelPackageVersionArn must be specified. "
            "Either TargetDevice or TargetPlatform must be specified.",
        ),
    ],
)
def test_refused(
    client: Any, valid: Callable[..., dict[str, Any]], members: dict[str, Any], text: str
) -> None:
    assert refused(client, valid(**members)) == text


@pytest.mark.parametrize("device", ["ml_c6g", "ml_eia2", "imx8mplus", "jacinto_tda4vm", "amba_cv22"])
def test_framework_version_is_refused_outside_its_targets(
    client: Any, valid: Callable[..., dict[str, Any]], device: str
) -> None:
    request = valid(
        InputConfig=model("PYTORCH", FrameworkVersion="1.6"), OutputConfig=output(TargetDevice=device)
    )
    assert refused(client, request).startswith(VERSION_REFUSED)


@pytest.mark.parametrize(
    "members",
    [
        {"StoppingCondition": {"MaxRuntimeInSeconds": 900, "MaxWaitTimeInSeconds": 900}},
        {"StoppingCondition": {"MaxWaitTimeInSeconds": 1}},
        {"InputConfig": {"S3Uri": "s3://b/train.csv", "Framework": "XGBOOST"}},
        {"InputConfig": {"S3Uri": "https://s3.us-east-1.amazonaws.com/b/m", "Framework": "SKLEARN"}},
        {"InputConfig": model("XGBOOST", DataInputConfig='{"data": [1, 2, 3, 4]}')},
        {"InputConfig": model("MXNET", DataInputConfig="{'data': [1,3,1024,1024]}\n")},
        {"InputConfig": model("DARKNET")},
        {"InputConfig": model("PYTORCH", FrameworkVersion="1.6")},
        {
            "InputConfig": model("TENSORFLOW", FrameworkVersion="1.15"),
            "OutputConfig": output(TargetDevice="ml_inf1"),
        },
        {
            "InputConfig": model("TFLITE", FrameworkVersion="1.15"),
            "OutputConfig": output(TargetDevice="rasp4b"),
        },
        {
            "InputConfig": model("TENSORFLOW", FrameworkVersion="2.9"),
            "OutputConfig": output(TargetPlatform=LINUX),
        },
        {"InputConfig": model("TENSORFLOW"), "OutputConfig": output(TargetDevice="coreml")},
        {"OutputConfig": output(TargetPlatform={**LINUX, "Accelerator": "NVIDIA"})},
        {"OutputConfig": output(TargetDevice="ml_c5", CompilerOptions="{'mcpu': 'skylake-avx512'}")},
        {
            "OutputConfig": output(
                TargetPlatform={**LINUX, "Accelerator": "NVIDIA"},
                CompilerOptions='{"jetson-platform":"xavier"}',
            )
        },
        {"OutputConfig": output(TargetDevice="ml_inf1", CompilerOptions='"--verbose 1"')},
        {"OutputConfig": output(TargetDevice="ml_trn1", KmsKeyId="")},
        {"StoppingCondition": {}},
        {"Tags": []},
        {"Tags": [{"Key": "Ünicode 9_.:/=+-@", "Value": ""}, {"Key": "a", "Value": "aws:b"}]},
        {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]}},
    ],
)
def test_accepted(client: Any, valid: Callable[..., dict[str, Any]], members: dict[str, Any]) -> None:
    request = valid(**members)
    client.create_compilation_job(**request)
    reply = client.describe_compilation_job(CompilationJobName="job")
    echoed = {name: reply[name] for name in request if name != "Tags"}
    assert echoed == {name: value for name, value in request.items() if name != "Tags"}


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["twice", "twice"], "Tag keys must be unique per resource. Duplicate keys: twice."),
        (["aws:x"], "Tag keys beginning with aws: are reserved for system use: aws:x."),
    ],
)
def test_add_tags_follows_the_tag_rules(
    client: Any, valid: Callable[..., dict[str, Any]], keys: list[str], text: str
) -> None:
    arn = client.create_compilation_job(**valid())["CompilationJobArn"]
    with pytest.raises(ClientError) as raised:
        client.add_tags(ResourceArn=arn, Tags=[{"Key": key, "Value": ""} for key in keys])
    assert raised.value.response["Error"] == {"Code": "ValidationException", "Message": text}
    assert client.list_tags(ResourceArn=arn)["Tags"] == []
