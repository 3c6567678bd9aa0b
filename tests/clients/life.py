"""What every client does with the service, and what it must see."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.service import BUCKET, ENDED, PATIENCE, Service, frozen
from tests.clients.clients import Client, Kind, Refused
from tests.clients.proxy import proxy

REFUSED = "InvalidSignatureException"


@dataclass
class Record:
    """What one client was seen to do."""

    version: str = ""
    operations: list[str] = field(default_factory=list)
    signed_headers: str = ""
    """Separated by semicolons."""


def live(kind: Kind, service: Service, model: Path, folder: Path, record: Record) -> None:
    """Two jobs from creation to deletion; AssertionError or Refused where one is not as it should be."""
    name = kind.name.lower().replace(" ", "-")
    with kind.connected(service.env) as client:
        record.version = client.version()

        def call(operation: str, **request: Any) -> Any:
            reply = client.call(operation, **request)
            if operation not in record.operations:
                record.operations.append(operation)
            return reply

        client.upload(model, BUCKET, f"{name}/model.tar.gz")
        record.operations.append("upload")
        _create_and_stop(call, service, name)
        done = _awaited(call, f"{name}-done", "COMPLETED")
        client.download(*_place(done), folder / "artifact.tar.gz")
        record.operations.append("download")
        digest = hashlib.blake2b((folder / "artifact.tar.gz").read_bytes()).hexdigest()
        assert digest == done["ModelDigests"]["ArtifactDigest"]
        _list(call, name)
        _tag(call, done["CompilationJobArn"])
        gone = f"{name}-{'done' if _deleted(kind, call, name) else 'never'}"
        _not_found(kind, client, gone)
        record.operations.append("error")


def tamper(kind: Kind, service: Service, record: Record) -> None:
    """Through a proxy a request is accepted as it was signed, and refused with one byte changed."""
    endpoint = "AWS_ENDPOINT_URL_SAGEMAKER"
    with (
        proxy(service.env[endpoint]) as between,
        kind.connected({**service.env, endpoint: between.url}) as client,
    ):
        client.call("ListCompilationJobs", NameContains="signed")
        assert between.signed_headers
        record.signed_headers = between.signed_headers
        between.replaced = b"signed", b"Signed"
        refusal = _refusal(client, "ListCompilationJobs", NameContains="signed")
    assert refusal.code == REFUSED, refusal
    assert between.changes == 1


def compile_model(kind: Kind, service: Service, model: Path) -> None:
    """`Model.compile()` of the SageMaker SDK: what a deployment needs is there, and a failed job is told."""
    options = {
        "model_data": f"s3://{BUCKET}/compile/model.tar.gz",
        "role": service.env["TINSMITH_ROLE_ARN"],
        "target_instance_family": "ml_c4",
        "input_shape": {"data": [1, 6]},
        "output_path": f"s3://{BUCKET}/compile/out",
        "tags": [{"Key": "team", "Value": "edge"}],
    }
    with kind.connected(service.env) as client:
        client.upload(model, BUCKET, "compile/model.tar.gz")
        compiled = client.call("Compile", framework="xgboost", job_name="sdk-compiled", **options)
        assert compiled["deployable"]
        assert compiled["model_data"] == f"s3://{BUCKET}/compile/out/model-ml_c4.tar.gz"
        assert compiled["image_uri"].endswith("/xgboost-neo:latest")
        assert service.get(compiled["model_data"])
        refusal = _refusal(client, "Compile", framework="onnx", job_name="sdk-failed", **options)
    assert (refusal.type, refusal.code) == ("UnexpectedStatusException", "Failed"), refusal
    assert "Reason: ClientError: InputConfiguration: Exactly one .onnx file" in refusal.message


Call = Callable[..., Any]


def _create_and_stop(call: Call, service: Service, name: str) -> None:
    """While the attempt of the first job stands still, the second one waits and is stopped."""
    for suffix in ("done", "stopped"):
        request = service.request(f"{name}-{suffix}", f"s3://{BUCKET}/{name}/model.tar.gz", target="ml_c4")
        request["InputConfig"]["DataInputConfig"] = '{"data": [1, 6]}'
        if suffix == "done":
            arn = call("CreateCompilationJob", **request, Tags=[{"Key": "team", "Value": "Ödön"}])
            assert arn["CompilationJobArn"].endswith(f":compilation-job/{name}-done")
            continue
        with frozen(service):
            call("CreateCompilationJob", **request)
            call("StopCompilationJob", CompilationJobName=f"{name}-stopped")
            _awaited(call, f"{name}-stopped", "STOPPED")


def _awaited(call: Call, job: str, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        seen: dict[str, Any] = call("DescribeCompilationJob", CompilationJobName=job)
        if seen["CompilationJobStatus"] in ENDED:
            assert seen["CompilationJobStatus"] == status, seen.get("FailureReason")
            return seen
        assert time.monotonic() < deadline, f"{job} is {seen['CompilationJobStatus']} for ever"
        time.sleep(0.2)


def _place(job: dict[str, Any]) -> tuple[str, str]:
    """Bucket and key of the artifact; a deployment wants the image too."""
    assert job["InferenceImage"].endswith("/xgboost-neo:latest")
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    assert key.endswith("/model-ml_c4.tar.gz")
    return bucket, key


def _list(call: Call, name: str) -> None:
    found = call("ListCompilationJobs", NameContains=f"{name}-", SortBy="Name", SortOrder="Ascending")
    listed = [
        (it["CompilationJobName"], it["CompilationJobStatus"]) for it in found["CompilationJobSummaries"]
    ]
    assert listed == [(f"{name}-done", "COMPLETED"), (f"{name}-stopped", "STOPPED")]


def _tag(call: Call, arn: str) -> None:
    call("AddTags", ResourceArn=arn, Tags=[{"Key": "owner", "Value": "me"}])
    call("DeleteTags", ResourceArn=arn, TagKeys=["owner"])
    assert call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "Ödön"}]


def _deleted(kind: Kind, call: Call, name: str) -> bool:
    """Whether the client can delete: an old one says on its own that it cannot."""
    try:
        call("DeleteCompilationJob", CompilationJobName=f"{name}-done")
    except Refused as refusal:
        if refusal.code or not kind.old:
            raise
        return False
    return True


def _not_found(kind: Kind, client: Client, job: str) -> None:
    """The client's own exception, with the service's text in it."""
    refusal = _refusal(client, "DescribeCompilationJob", CompilationJobName=job)
    assert (refusal.type, refusal.code) == (kind.not_found, "ResourceNotFound"), refusal
    assert refusal.message.startswith("Could not find compilation job arn:"), refusal
    assert refusal.message.endswith(f":compilation-job/{job}."), refusal


def _refusal(client: Client, operation: str, **request: Any) -> Refused:
    try:
        client.call(operation, **request)
    except Refused as refusal:
        return refusal
    raise AssertionError(f"{operation} was not refused")
