from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tinsmith.jobs.job import JobKey
from tinsmith.jobs.query import JobQuery, Page

Build = Callable[..., dict[str, Any]]
LIMIT = 1024 * 1024


def get(service: Any, path: str) -> httpx.Response:
    return httpx.get(f"{service.url}{path}", trust_env=False)


def test_healthz(service: Any) -> None:
    reply = get(service, "/healthz")
    assert (reply.status_code, reply.text) == (200, "ok\n")


def test_healthz_needs_the_store(own_service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError("disk gone")

    monkeypatch.setattr(own_service.store, "ping", broken)
    assert get(own_service, "/healthz").status_code == 503


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 405), ("PUT", "/", 405), ("POST", "/healthz", 405), ("POST", "/jobs", 404)],
)
def test_other_routes(service: Any, method: str, path: str, status: int) -> None:
    reply = httpx.request(method, f"{service.url}{path}", trust_env=False)
    assert reply.status_code == status
    assert reply.json()["__type"] == "UnknownOperationException"
    assert "x-amzn-requestid" in reply.headers


def chunks(total: int) -> Iterator[bytes]:
    for _ in range(total // 65536):
        yield b" " * 65536


@pytest.mark.parametrize(
    "content", [b" " * (LIMIT + 1), b" " * 20 * LIMIT, chunks(LIMIT + 65536)], ids=["just", "far", "chunked"]
)
def test_bodies_have_a_limit(service: Any, content: Any) -> None:
    reply = service.post("ListCompilationJobs", content)
    assert reply.status_code == 413
    assert reply.json() == {
        "__type": "RequestEntityTooLargeException",
        "message": "The request body exceeds 1048576 bytes.",
    }


def test_a_huge_body_is_cut_off(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinsmith.api.app.MAX_DROPPED", LIMIT)
    sent = 0

    def huge() -> Iterator[bytes]:
        nonlocal sent
        for chunk in chunks(200 * LIMIT):
            sent += len(chunk)
            yield chunk

    with suppress(httpx.TransportError):
        assert service.post("ListCompilationJobs", huge()).status_code == 413
    assert sent < 100 * LIMIT
    assert get(service, "/healthz").status_code == 200


def test_a_body_of_just_that_size_is_read(service: Any) -> None:
    assert service.post("ListCompilationJobs", b"{}" + b" " * (LIMIT - 2)).status_code == 200


def test_the_largest_valid_request_fits(client: Any, service: Any, valid: Build) -> None:
    """Every string at its bound, every character escaped as two UTF-16 halves."""
    letter = "\U00020000"
    request = valid(
        InputConfig={"S3Uri": "s3://b/k", "Framework": "MXNET", "DataInputConfig": letter * 16384},
        Tags=[{"Key": f"{number:02}{letter * 126}", "Value": letter * 256} for number in range(50)],
    )
    body = json.dumps(request)
    assert len(body) > 400_000
    assert service.post("CreateCompilationJob", body).status_code == 200


def test_a_slow_store_does_not_block_the_others(
    own_service: Any, valid: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_service.client().create_compilation_job(**valid())
    entered, release = threading.Event(), threading.Event()
    real = own_service.store.list

    def slow(query: JobQuery) -> Page:
        entered.set()
        assert release.wait(30)
        page: Page = real(query)
        return page

    monkeypatch.setattr(own_service.store, "list", slow)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(own_service.post, "ListCompilationJobs", "{}")
        assert entered.wait(30)
        try:
            assert get(own_service, "/healthz").status_code == 200
            assert not waiting.done()
        finally:
            release.set()
        assert waiting.result().status_code == 200


def test_life_cycle_with_the_aws_cli(own_service: Any, valid: Build, tmp_path: Path) -> None:
    def aws(operation: str, **parameters: Any) -> Any:
        options = ["--endpoint-url", own_service.url, "--region", "us-east-1", "--output", "json"]
        arguments = ["--cli-input-json", json.dumps(parameters)] if parameters else []
        done = subprocess.run(
            [Path(sys.executable).with_name("aws"), "sagemaker", operation, *options, *arguments],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
            | {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"},
        )
        if done.returncode:
            return done.stderr.strip()
        return json.loads(done.stdout) if done.stdout else None

    arn = "arn:aws:sagemaker:us-east-1:123456789012:compilation-job/job"
    name = {"CompilationJobName": "job"}
    assert aws("create-compilation-job", **valid()) == {"CompilationJobArn": arn}
    assert "(ResourceInUse)" in aws("create-compilation-job", **valid())
    assert aws("describe-compilation-job", **name)["CompilationJobStatus"] == "STARTING"
    own_service.client().create_compilation_job(**valid("job-2"))
    listed = aws("list-compilation-jobs", MaxResults=1)  # the CLI fetches page after page
    assert [job["CompilationJobName"] for job in listed["CompilationJobSummaries"]] == ["job", "job-2"]
    tag = {"Key": "team", "Value": "edge"}
    assert aws("add-tags", ResourceArn=arn, Tags=[tag]) == {"Tags": [tag]}
    assert aws("delete-tags", ResourceArn=arn, TagKeys=["team"]) is None
    assert aws("list-tags", ResourceArn=arn) == {"Tags": []}
    assert aws("stop-compilation-job", **name) is None
    own_service.store.stopped(JobKey("123456789012", "us-east-1", "job"), 0, own_service.clock())
    assert aws("delete-compilation-job", **name) is None
    assert "(ResourceNotFound)" in aws("describe-compilation-job", **name)
