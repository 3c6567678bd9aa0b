"""Rates of requests, and what real clients make of it when theirs is exceeded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.api.conftest import ACCOUNT, Service, running
from tinsmith.api.errors import ApiError
from tinsmith.api.throttle import Throttle
from tinsmith.settings import Quota, QuotaOptions, Rate

BUDGET = 2e-6
"""Seconds that a request may cost more."""


class Hand:
    """A clock moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(throttle: Throttle, account: str, operation: str, tries: int) -> int:
    """How many of so many requests."""
    count = 0
    for _ in range(tries):
        with suppress(ApiError):
            throttle.admit(account, operation)
            count += 1
    return count


def test_the_refusal_is_that_of_the_service() -> None:
    throttle = Throttle(QuotaOptions(Quota(mutating=Rate(1, 1))), Hand())
    throttle.admit("a", "AddTags")
    with pytest.raises(ApiError) as refused:
        throttle.admit("a", "AddTags")
    error = refused.value
    assert (error.code, error.message, error.status) == ("ThrottlingException", "Rate exceeded", 400)


def test_a_burst_then_the_rate() -> None:
    clock = Hand()
    throttle = Throttle(QuotaOptions(Quota(mutating=Rate(2, 5))), clock)
    assert admitted(throttle, "a", "CreateCompilationJob", 20) == 5
    clock.now += 0.49
    assert admitted(throttle, "a", "CreateCompilationJob", 20) == 0
    clock.now += 0.01
    assert admitted(throttle, "a", "StopCompilationJob", 20) == 1
    clock.now += 1000.0  # no more than a bucket is saved up
    assert admitted(throttle, "a", "AddTags", 20) == 5


def test_accounts_and_kinds_have_buckets_of_their_own() -> None:
    default = Quota(mutating=Rate(1, 1), reading=Rate(1, 3))
    options = QuotaOptions(default, {"b": Quota(mutating=Rate(1, 2))})
    throttle = Throttle(options, Hand())
    assert admitted(throttle, "a", "CreateCompilationJob", 9) == 1
    assert admitted(throttle, "a", "DescribeCompilationJob", 2) == 2
    assert admitted(throttle, "a", "ListTags", 9) == 1
    assert admitted(throttle, "c", "DeleteTags", 9) == 1
    assert admitted(throttle, "b", "CreateCompilationJob", 9) == 2
    assert admitted(throttle, "b", "ListCompilationJobs", 9) == 9  # b has no rate for these


def test_threads_share_a_bucket() -> None:
    throttle = Throttle(QuotaOptions(Quota(reading=Rate(1e-3, 1000))))
    counts: list[int] = []
    ask = lambda: counts.append(admitted(throttle, "a", "ListTags", 400))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 1000


def test_a_request_costs_next_to_nothing() -> None:
    throttle = Throttle(QuotaOptions(Quota(reading=Rate(1e9, 1e9))))
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(1000):
            throttle.admit(ACCOUNT, "DescribeCompilationJob")
        best = min(best, (time.perf_counter() - began) / 1000)
    print(f"{best * 1e9:.0f} ns")
    assert best < BUDGET


def client(service: Service, attempts: int) -> Any:
    retries = {"mode": "standard", "total_max_attempts": attempts}
    return boto3.client(
        "sagemaker",
        region_name="us-east-1",
        endpoint_url=service.url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries=retries),
    )


def create_all(client: Any, requests: list[dict[str, Any]]) -> None:
    for request in requests:
        client.create_compilation_job(**request)


def test_boto3_backs_off_and_succeeds(tmp_path: Path, valid: Callable[..., dict[str, Any]]) -> None:
    with running(tmp_path, quotas=QuotaOptions(Quota(mutating=Rate(3, 1)))) as service:
        patient = client(service, 10)
        replies = [patient.create_compilation_job(**valid(f"j{index}")) for index in range(4)]
        attempts = [reply["ResponseMetadata"]["RetryAttempts"] for reply in replies]
        assert sum(attempts) > 0, attempts
        hasty = client(service, 1)
        with pytest.raises(ClientError, match="Rate exceeded") as refused:
            create_all(hasty, [valid(f"j{index}") for index in range(4, 8)])
        assert refused.value.response["Error"]["Code"] == "ThrottlingException"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert len(patient.list_compilation_jobs()["CompilationJobSummaries"]) >= 4  # reading has no rate


def test_a_full_quota_is_told_as_the_service_tells_it(
    tmp_path: Path, valid: Callable[..., dict[str, Any]]
) -> None:
    with running(tmp_path, quotas=QuotaOptions(accounts={ACCOUNT: Quota(unfinished=1)})) as service:
        own = client(service, 3)
        own.create_compilation_job(**valid("a"))
        with pytest.raises(own.exceptions.ResourceLimitExceeded) as refused:
            own.create_compilation_job(**valid("b"))
        assert refused.value.response["Message"] == (
            "The account-level service limit 'Maximum number of unfinished compilation jobs allowed per "
            "account' is 1 Jobs, with current utilization of 1 Jobs and a request delta of 1 Jobs. Please "
            "ask the operator of this service for an increase of this limit."
        )
        with pytest.raises(own.exceptions.ResourceInUse):
            own.create_compilation_job(**valid("a"))
