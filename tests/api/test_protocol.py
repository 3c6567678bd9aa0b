"""The wire, byte by byte: what boto3 would not send, and what it hides of the replies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tinsmith.api.protocol import ApiOptions, Protocol
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Store

Build = Callable[..., dict[str, Any]]
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_success(service: Any, valid: Build) -> None:
    reply = service.post("CreateCompilationJob", json.dumps(valid("wire-success")))
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/x-amz-json-1.1"
    assert UUID.fullmatch(reply.headers["x-amzn-requestid"])
    assert "date" in reply.headers
    arn = "arn:aws:sagemaker:us-east-1:123456789012:compilation-job/wire-success"
    assert reply.content == b'{"CompilationJobArn":"%s"}' % arn.encode()


def test_request_ids_differ(service: Any) -> None:
    replies = [service.post("ListCompilationJobs", "{}") for _ in range(3)]
    assert len({reply.headers["x-amzn-requestid"] for reply in replies}) == 3


def test_operations_without_output_answer_no_bytes(own_service: Any, valid: Build) -> None:
    own_service.client().create_compilation_job(**valid())
    body = '{"CompilationJobName":"job"}'
    stopped = own_service.post("StopCompilationJob", body)
    own_service.store.stopped(JobKey("123456789012", "us-east-1", "job"), 0, own_service.clock())
    deleted = own_service.post("DeleteCompilationJob", body)
    for reply in (stopped, deleted):
        assert (reply.status_code, reply.content, reply.headers["content-length"]) == (200, b"", "0")


def test_delete_tags_answers_an_empty_object(service: Any, valid: Build) -> None:
    arn = service.client().create_compilation_job(**valid("wire-tags"))["CompilationJobArn"]
    reply = service.post("DeleteTags", json.dumps({"ResourceArn": arn, "TagKeys": ["a"]}))
    assert (reply.status_code, reply.content) == (200, b"{}")


def test_modeled_errors_say_message_with_a_capital(service: Any) -> None:
    reply = service.post("DescribeCompilationJob", '{"CompilationJobName":"wire-none"}')
    assert reply.status_code == 400
    assert reply.headers["content-type"] == "application/x-amz-json-1.1"
    arn = "arn:aws:sagemaker:us-east-1:123456789012:compilation-job/wire-none"
    assert reply.json() == {"__type": "ResourceNotFound", "Message": f"Could not find compilation job {arn}."}


def test_validation_errors_say_message_in_lower_case(service: Any) -> None:
    reply = service.post("DescribeCompilationJob", "{}")
    assert reply.status_code == 400
    assert reply.json() == {
        "__type": "ValidationException",
        "message": "1 validation error detected: Value null at 'compilationJobName' failed to satisfy "
        "constraint: Member must not be null",
    }


def test_timestamps_are_numbers(own_service: Any, valid: Build) -> None:
    own_service.client().create_compilation_job(**valid())
    own_service.store.claim("worker", 30.0, own_service.clock() + 2)
    body = own_service.post("DescribeCompilationJob", '{"CompilationJobName":"job"}').text
    assert re.search(r'"CreationTime":\d{10}(\.\d{1,3})?,', body)
    assert re.search(r'"CompilationStartTime":\d{10},', body)
    assert re.search(r'"LastModifiedTime":\d{10},', body)


@pytest.mark.parametrize("time", ["4102444800", "4102444800.5", "4.1024448E9", '"2100-01-01T00:00:00Z"'])
def test_timestamps_of_any_spelling_are_read(service: Any, valid: Build, time: str) -> None:
    service.client().create_compilation_job(**valid(f"wire-{abs(hash(time))}"))
    after = service.post("ListCompilationJobs", f'{{"CreationTimeAfter":{time}}}').json()
    before = service.post("ListCompilationJobs", f'{{"CreationTimeBefore":{time}}}').json()
    assert after["CompilationJobSummaries"] == []
    assert before["CompilationJobSummaries"] != []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"CompilationJobName": }',
        b"CompilationJobName=job",
        b"\xff\xfe{}",
        b'{"CompilationJobName": "\xff"}',
        b'{"CompilationJobName": "\\ud800"}',
        b'{"MaxResults": NaN}',
        b"{} {}",
        b"[" * 5000 + b"]" * 5000,
    ],
)
def test_malformed_bodies(service: Any, body: bytes) -> None:
    reply = service.post("DescribeCompilationJob", body)
    assert reply.status_code == 400
    assert reply.json()["__type"] == "SerializationException"
    assert reply.json()["message"].startswith("The request body is not valid JSON: ")


def test_an_empty_body_is_an_empty_request(service: Any) -> None:
    assert service.post("ListCompilationJobs", b"").status_code == 200
    assert service.post("DescribeCompilationJob", b"").json()["__type"] == "ValidationException"


@pytest.mark.parametrize(
    "target",
    [
        "SageMaker.CreateTrainingJob",
        "SageMaker.createCompilationJob",
        "SageMaker.",
        "sagemaker.ListTags",
        "ListTags",
        "DynamoDB_20120810.ListTables",
        "",
    ],
)
def test_unknown_operations(service: Any, target: str) -> None:
    reply = httpx.post(service.url, content=b"{}", headers={"X-Amz-Target": target}, trust_env=False)
    assert reply.status_code == 400
    assert reply.json() == {
        "__type": "UnknownOperationException",
        "message": f"The operation {target!r} is not supported here.",
    }


def test_no_target(service: Any) -> None:
    reply = httpx.post(service.url, content=b"{}", trust_env=False)
    assert (reply.status_code, reply.json()["__type"]) == (400, "UnknownOperationException")


def test_header_names_have_no_case_and_the_content_type_does_not_matter(service: Any) -> None:
    headers = {"x-amz-target": "SageMaker.ListCompilationJobs", "content-type": "text/plain"}
    assert httpx.post(service.url, content=b"{}", headers=headers, trust_env=False).status_code == 200


def test_region_comes_from_the_signature(service: Any, valid: Build) -> None:
    scope = "AWS4-HMAC-SHA256 Credential=KEY/20261122/eu-west-3/sagemaker/aws4_request, Signature=00"
    reply = service.post("CreateCompilationJob", json.dumps(valid("wire-region")), Authorization=scope)
    arn = "arn:aws:sagemaker:eu-west-3:123456789012:compilation-job/wire-region"
    assert reply.json() == {"CompilationJobArn": arn}
    assert service.post("DescribeCompilationJob", '{"CompilationJobName":"wire-region"}').status_code == 400


def test_a_fault_of_ours_is_an_internal_failure_that_tells_nothing(
    tmp_path: Path, valid: Build, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OSError("disk full: /secret/path")

    store = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}")
    monkeypatch.setattr(store, "add", broken)
    protocol = Protocol(store, ApiOptions(), lambda: 1.0)
    headers = {"x-amz-target": "SageMaker.CreateCompilationJob"}
    reply = protocol.answer(headers, json.dumps(valid()).encode(), "request-17")
    assert reply.status == 500
    assert json.loads(reply.body) == {
        "__type": "InternalFailure",
        "message": "The request failed due to an internal error.",
    }
    assert "request-17" in caplog.text
    assert "disk full" in caplog.text
    store.close()


def test_default_account_and_region(tmp_path: Path, valid: Build) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}")
    protocol = Protocol(store, ApiOptions(region="local"), lambda: 1713274189.1704)
    headers = {"x-amz-target": "SageMaker.CreateCompilationJob"}
    reply = protocol.answer(headers, json.dumps(valid()).encode(), "request-1")
    arn = "arn:aws:sagemaker:local:000000000000:compilation-job/job"
    assert json.loads(reply.body) == {"CompilationJobArn": arn}
    assert store.get(JobKey("000000000000", "local", "job")).creation_time == 1713274189.170
    store.close()
