"""Every constraint of every input shape, broken once over the wire by boto3, with the exact reply.

The constraints are listed from botocore's own model, so one that has no entry in BROKEN fails here.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.loaders import Loader

from tinsmith.api.model import OPERATIONS

MODEL = Loader().load_service_model("sagemaker", "service-2")
SHAPES = MODEL["shapes"]

TAG_PATTERN = r"Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"
NAME_PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
ROLE_PATTERN = (
    "Member must satisfy regular expression pattern: "
    r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
)
PACKAGE_PATTERN = (
    "Member must satisfy regular expression pattern: "
    r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]{9,16}:[0-9]{12}:model-package/[\S]{1,2048}"
)
RESOURCE_PATTERN = (
    "Member must satisfy regular expression pattern: arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:[0-9]{12}:.+"
)
VPC_ITEM = (
    "Member must satisfy constraint: [Member must have length less than or equal to 32, "
    "Member must have length greater than or equal to 0, "
    "Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]"
)
TAG_KEY_ITEM = (
    "Member must satisfy constraint: [Member must have length less than or equal to 128, "
    f"Member must have length greater than or equal to 1, {TAG_PATTERN}]"
)
AT_MOST, AT_LEAST = (
    "Member must have length less than or equal to ",
    "Member must have length greater than or equal to ",
)
VALUE_AT_MOST, VALUE_AT_LEAST = (
    "Member must have value less than or equal to ",
    "Member must have value greater than or equal to ",
)
ENUM, PATTERN = "Member must satisfy enum value set: ", "Member must satisfy regular expression pattern: "
DEVICES = (
    "lambda, ml_m4, ml_m5, ml_m6g, ml_c4, ml_c5, ml_c6g, ml_p2, ml_p3, ml_g4dn, ml_inf1, ml_inf2, ml_trn1, "
    "ml_eia2, jetson_tx1, jetson_tx2, jetson_nano, jetson_xavier, rasp3b, rasp4b, imx8qm, deeplens, rk3399, "
    "rk3288, aisage, sbe_c, qcs605, qcs603, sitara_am57x, amba_cv2, amba_cv22, amba_cv25, x86_win32, "
    "x86_win64, coreml, jacinto_tda4vm, imx8mplus"
)

TAGS_51 = [{"Key": str(number), "Value": ""} for number in range(51)]
TAGS_51_TEXT = f"[{', '.join(f'Tag(key={number}, value=)' for number in range(51))}]"[:1024] + "..."


@dataclass(frozen=True)
class Broken:
    """A value that breaks a constraint, and all that the reply says about it."""

    value: Any
    texts: tuple[str, ...]
    quoted: str | None = None
    """How the reply quotes the value; None: as it is."""


def broken(value: Any, *texts: str, quoted: str | None = None) -> Broken:
    return Broken(value, texts, quoted)


# By shape and kind of constraint. "length" is the bound on a list, "item" a bound on what it holds.
BROKEN: Mapping[tuple[str, str], Broken] = {
    ("EntityName", "max"): broken("a" * 64, AT_MOST + "63", NAME_PATTERN),
    ("EntityName", "min"): broken("", AT_LEAST + "1", NAME_PATTERN),
    ("EntityName", "pattern"): broken("no_underscore", NAME_PATTERN),
    ("RoleArn", "max"): broken("arn:aws:iam::123456789012:role/" + "r" * 2018, AT_MOST + "2048"),
    ("RoleArn", "min"): broken("arn:aws:iam::1", AT_LEAST + "20", ROLE_PATTERN),
    ("RoleArn", "pattern"): broken("arn:aws:iam::123456789012:user/someone", ROLE_PATTERN),
    ("ModelPackageArn", "max"): broken(
        "arn:aws:sagemaker:us-east-1:123456789012:model-package/" + "p" * 1994, AT_MOST + "2048"
    ),
    ("ModelPackageArn", "min"): broken("", AT_LEAST + "1", PACKAGE_PATTERN),
    ("ModelPackageArn", "pattern"): broken(
        "arn:aws:sagemaker:us-east-1:123456789012:model/p", PACKAGE_PATTERN
    ),
    ("S3Uri", "max"): broken("s3://b/" + "k" * 1018, AT_MOST + "1024"),
    ("S3Uri", "pattern"): broken("ftp://b/k", PATTERN + "(https|s3)://([^/]+)/?(.*)"),
    ("DataInputConfig", "max"): broken("x" * 16385, AT_MOST + "16384"),
    ("DataInputConfig", "min"): broken("", AT_LEAST + "1", PATTERN + r"[\S\s]+"),
    ("DataInputConfig", "pattern"): broken("", AT_LEAST + "1", PATTERN + r"[\S\s]+"),
    ("Framework", "enum"): broken(
        "xgboost", ENUM + "[TENSORFLOW, KERAS, MXNET, ONNX, PYTORCH, XGBOOST, TFLITE, DARKNET, SKLEARN]"
    ),
    ("FrameworkVersion", "max"): broken("1.234567890", AT_MOST + "10"),
    ("FrameworkVersion", "min"): broken("1.", AT_LEAST + "3", PATTERN + r"[0-9]\.[A-Za-z0-9.]+"),
    ("FrameworkVersion", "pattern"): broken("1,6", PATTERN + r"[0-9]\.[A-Za-z0-9.]+"),
    ("TargetDevice", "enum"): broken("ml_c7", ENUM + f"[{DEVICES}]"),
    ("TargetPlatformOs", "enum"): broken("WINDOWS", ENUM + "[ANDROID, LINUX]"),
    ("TargetPlatformArch", "enum"): broken("RISCV", ENUM + "[X86_64, X86, ARM64, ARM_EABI, ARM_EABIHF]"),
    ("TargetPlatformAccelerator", "enum"): broken("TPU", ENUM + "[INTEL_GRAPHICS, MALI, NVIDIA, NNA]"),
    ("CompilerOptions", "max"): broken("{" + " " * 1023 + "}", AT_MOST + "1024"),
    ("CompilerOptions", "min"): broken("{}", AT_LEAST + "3"),
    ("CompilerOptions", "pattern"): broken("{\n}", PATTERN + ".*"),
    ("KmsKeyId", "max"): broken("k" * 2049, AT_MOST + "2048"),
    ("KmsKeyId", "pattern"): broken("key id", PATTERN + "[a-zA-Z0-9:/_-]*"),
    ("NeoVpcSecurityGroupIds", "max"): broken(["s"] * 6, AT_MOST + "5", quoted="[s, s, s, s, s, s]"),
    ("NeoVpcSecurityGroupIds", "min"): broken([], AT_LEAST + "1", quoted="[]"),
    ("NeoVpcSecurityGroupId", "max"): broken("g" * 33, VPC_ITEM),
    ("NeoVpcSecurityGroupId", "pattern"): broken("sg_1", VPC_ITEM),
    ("NeoVpcSubnets", "max"): broken(["s"] * 17, AT_MOST + "16", quoted=f"[{', '.join('s' * 17)}]"),
    ("NeoVpcSubnets", "min"): broken([], AT_LEAST + "1", quoted="[]"),
    ("NeoVpcSubnetId", "max"): broken("n" * 33, VPC_ITEM),
    ("NeoVpcSubnetId", "pattern"): broken("", VPC_ITEM),
    ("MaxRuntimeInSeconds", "min"): broken(0, VALUE_AT_LEAST + "1"),
    ("MaxWaitTimeInSeconds", "min"): broken(-1, VALUE_AT_LEAST + "1"),
    ("MaxPendingTimeInSeconds", "max"): broken(2419201, VALUE_AT_MOST + "2419200"),
    ("MaxPendingTimeInSeconds", "min"): broken(1799, VALUE_AT_LEAST + "1800"),
    ("TagList", "max"): broken(TAGS_51, AT_MOST + "50", quoted=TAGS_51_TEXT),
    ("TagKey", "max"): broken("k" * 129, AT_MOST + "128"),
    ("TagKey", "min"): broken("", AT_LEAST + "1"),
    ("TagKey", "pattern"): broken("a!", TAG_PATTERN),
    ("TagValue", "max"): broken("v" * 257, AT_MOST + "256"),
    ("TagValue", "pattern"): broken("a*", TAG_PATTERN),
    ("TagKeyList", "max"): broken(["t"] * 51, AT_MOST + "50", quoted=f"[{', '.join('t' * 51)}]"),
    ("TagKeyList", "min"): broken([], AT_LEAST + "1", quoted="[]"),
    ("NextToken", "max"): broken("t" * 8193, AT_MOST + "8192", quoted="t" * 1024 + "..."),
    ("NextToken", "pattern"): broken("a\nb", PATTERN + ".*"),
    ("MaxResults", "max"): broken(101, VALUE_AT_MOST + "100"),
    ("MaxResults", "min"): broken(0, VALUE_AT_LEAST + "1"),
    ("ListTagsMaxResults", "min"): broken(49, VALUE_AT_LEAST + "50"),
    ("NameContains", "max"): broken("n" * 64, AT_MOST + "63"),
    ("NameContains", "pattern"): broken("", PATTERN + r"[a-zA-Z0-9\-]+"),
    ("CompilationJobStatus", "enum"): broken(
        "Completed", ENUM + "[INPROGRESS, COMPLETED, FAILED, STARTING, STOPPING, STOPPED]"
    ),
    ("ListCompilationJobsSortBy", "enum"): broken("LastModifiedTime", ENUM + "[Name, CreationTime, Status]"),
    ("SortOrder", "enum"): broken("ascending", ENUM + "[Ascending, Descending]"),
    ("ResourceArn", "max"): broken(
        "arn:aws:sagemaker:us-east-1:123456789012:compilation-job/" + "j" * 200, AT_MOST + "256"
    ),
    ("ResourceArn", "pattern"): broken("arn:aws:s3:::bucket", RESOURCE_PATTERN),
}

TAG = {"Key": "team", "Value": "edge"}
ARN = "arn:aws:sagemaker:us-east-1:123456789012:compilation-job/job"

# Every member of every input, within all bounds.
COMPLETE: Mapping[str, dict[str, Any]] = {
    "CreateCompilationJob": {
        "CompilationJobName": "job",
        "RoleArn": "arn:aws:iam::123456789012:role/compiler",
        "ModelPackageVersionArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/p",
        "InputConfig": {
            "S3Uri": "s3://b/k",
            "DataInputConfig": "{}",
            "Framework": "PYTORCH",
            "FrameworkVersion": "1.6",
        },
        "OutputConfig": {
            "S3OutputLocation": "s3://b/o",
            "TargetDevice": "ml_c5",
            "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64", "Accelerator": "NVIDIA"},
            "CompilerOptions": "{ }",
            "KmsKeyId": "alias/key",
        },
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "StoppingCondition": {
            "MaxRuntimeInSeconds": 1,
            "MaxWaitTimeInSeconds": 1,
            "MaxPendingTimeInSeconds": 1800,
        },
        "Tags": [TAG],
    },
    "DescribeCompilationJob": {"CompilationJobName": "job"},
    "StopCompilationJob": {"CompilationJobName": "job"},
    "DeleteCompilationJob": {"CompilationJobName": "job"},
    "ListCompilationJobs": {
        "NextToken": "t",
        "MaxResults": 1,
        "CreationTimeAfter": 1,
        "CreationTimeBefore": 2,
        "LastModifiedTimeAfter": 1,
        "LastModifiedTimeBefore": 2,
        "NameContains": "a",
        "StatusEquals": "FAILED",
        "SortBy": "Name",
        "SortOrder": "Ascending",
    },
    "AddTags": {"ResourceArn": ARN, "Tags": [TAG]},
    "ListTags": {"ResourceArn": ARN, "NextToken": "t", "MaxResults": 50},
    "DeleteTags": {"ResourceArn": ARN, "TagKeys": ["team"]},
}

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Constraint:
    """One constraint of the model: where it applies and what kind it is."""

    operation: str
    path: Path
    shape: str
    kind: str

    def __str__(self) -> str:
        return f"{self.operation}-{'.'.join(map(str, self.path))}-{self.kind}"


def constraints(operation: str, shape_name: str, path: Path = ()) -> Iterator[Constraint]:
    shape = SHAPES[shape_name]
    for kind in ("enum", "max", "min", "pattern"):
        if kind in shape and not (kind == "min" and shape[kind] == 0):
            yield Constraint(operation, path, shape_name, kind)
    for name, member in shape.get("members", {}).items():
        if name in shape.get("required", ()):
            yield Constraint(operation, (*path, name), shape_name, "required")
        yield from constraints(operation, member["shape"], (*path, name))
    if "member" in shape:
        yield from constraints(operation, shape["member"]["shape"], (*path, 0))


ALL = [
    constraint
    for operation in OPERATIONS
    for constraint in constraints(operation, MODEL["operations"][operation]["input"]["shape"])
]


def test_every_member_is_in_the_complete_requests() -> None:
    for constraint in ALL:
        document: Any = COMPLETE[constraint.operation]
        for step in constraint.path:
            document = document[step]


def test_every_kind_of_constraint_has_a_case() -> None:
    known = {(constraint.shape, constraint.kind) for constraint in ALL if constraint.kind != "required"}
    assert known == set(BROKEN)
    assert len(ALL) > 100


@pytest.fixture(scope="module")
def any_client(service: Any) -> Any:
    return service.client()


@pytest.mark.parametrize("constraint", ALL, ids=str)
def test_constraint(any_client: Any, constraint: Constraint) -> None:
    request = copy.deepcopy(COMPLETE[constraint.operation])
    with pytest.raises(ClientError) as raised:
        call(any_client, constraint.operation)(**violate(request, constraint))
    assert raised.value.response["Error"] == {"Code": "ValidationException", "Message": expected(constraint)}
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def call(client: Any, operation: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(client, xform_name(operation))
    return method


def violate(request: dict[str, Any], constraint: Constraint) -> dict[str, Any]:
    *parents, last = constraint.path
    owner: Any = request
    for step in parents:
        owner = owner[step]
    if constraint.kind == "required":
        del owner[last]
    else:
        owner[last] = BROKEN[constraint.shape, constraint.kind].value
    return request


def expected(constraint: Constraint) -> str:
    if constraint.kind == "required":
        return report(f"Value null at '{spelled(constraint.path)}'", ["Member must not be null"])
    case = BROKEN[constraint.shape, constraint.kind]
    quoted = str(case.value) if case.quoted is None else case.quoted
    if constraint.path[-1] == 0 and constraint.shape != "Tag":
        texts = [TAG_KEY_ITEM] if constraint.shape == "TagKey" else list(case.texts)
        return report(f"Value '[{cut(quoted)}]' at '{spelled(constraint.path[:-1])}'", texts)
    return report(f"Value '{cut(quoted)}' at '{spelled(constraint.path)}'", list(case.texts))


def cut(quoted: str) -> str:
    return quoted if len(quoted) <= 1024 or quoted.endswith("...") else quoted[:1024] + "..."


def spelled(path: Path) -> str:
    return ".".join(
        f"{step + 1}.member" if isinstance(step, int) else step[0].lower() + step[1:] for step in path
    )


def report(subject: str, texts: list[str]) -> str:
    sentences = "; ".join(f"{subject} failed to satisfy constraint: {text}" for text in texts)
    return f"{len(texts)} validation error{'s' if len(texts) > 1 else ''} detected: {sentences}"


def test_a_long_value_takes_no_time(any_client: Any) -> None:
    """The pattern of S3Uri backtracks over every place of what it matches."""
    request = copy.deepcopy(COMPLETE["CreateCompilationJob"])
    request["InputConfig"]["S3Uri"] = f"s3://{'a' * 500_000}/\n"
    began = time.perf_counter()
    with pytest.raises(ClientError, match="less than or equal to 1024"):
        any_client.create_compilation_job(**request)
    assert time.perf_counter() - began < 5
