from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tinsmith.jobs.job import JobKey

Build = Callable[..., dict[str, Any]]
ACCOUNT = "123456789012"
DIGEST = "ab" * 64


def error_of(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def ordinary_client(service: Any) -> Any:
    """With boto3's own checks and retries."""
    return boto3.client(
        "sagemaker",
        region_name="us-west-2",
        endpoint_url=service.url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
    )


def names(reply: dict[str, Any]) -> list[str]:
    return [summary["CompilationJobName"] for summary in reply["CompilationJobSummaries"]]


def test_life_cycle_with_an_ordinary_boto3_client(own_service: Any, valid: Build) -> None:
    client = ordinary_client(own_service)
    arn = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:compilation-job/Churn-1"
    created = client.create_compilation_job(**valid("Churn-1", Tags=[{"Key": "team", "Value": "edge"}]))
    assert created["CompilationJobArn"] == arn
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "edge"}]

    job = own_service.store.claim("worker", 30.0, own_service.clock())
    started = client.describe_compilation_job(CompilationJobName="Churn-1")
    assert started["CompilationJobStatus"] == "INPROGRESS"
    image = "301217895009.dkr.ecr.us-west-2.amazonaws.com/xgboost-neo:latest"
    assert started["InferenceImage"] == image

    uri = "s3://models/compiled/model-ml_c5.tar.gz"
    own_service.store.complete(job.key, job.attempt, own_service.clock(), uri, DIGEST)
    done = client.describe_compilation_job(CompilationJobName="Churn-1")
    assert done["ModelArtifacts"] == {"S3ModelArtifacts": uri}
    assert done["ModelDigests"] == {"ArtifactDigest": DIGEST}
    assert done["LastModifiedTime"] == done["CompilationEndTime"] >= done["CompilationStartTime"]
    (summary,) = client.list_compilation_jobs(StatusEquals="COMPLETED")["CompilationJobSummaries"]
    assert summary["CompilationTargetDevice"] == "ml_c5"

    client.delete_compilation_job(CompilationJobName="Churn-1")
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.describe_compilation_job(CompilationJobName="Churn-1")
    client.create_compilation_job(**valid("Churn-1"))
    assert client.list_tags(ResourceArn=arn)["Tags"] == []


BASE = {
    "CompilationJobName",
    "CompilationJobArn",
    "CompilationJobStatus",
    "StoppingCondition",
    "CreationTime",
    "LastModifiedTime",
    "RoleArn",
    "InputConfig",
    "OutputConfig",
}
STARTED = {"CompilationStartTime", "InferenceImage"}
ENDED = {"CompilationEndTime"}
ARTIFACT = {"ModelArtifacts", "ModelDigests"}

SUMMARY = {
    "CompilationJobName",
    "CompilationJobArn",
    "CreationTime",
    "CompilationTargetDevice",
    "LastModifiedTime",
    "CompilationJobStatus",
}


class Stage:
    """Leads one job through its life in the store, as a worker would."""

    def __init__(self, service: Any, request: dict[str, Any]) -> None:
        self.service = service
        self.client = service.client()
        self.client.create_compilation_job(**request)
        self.key = JobKey(ACCOUNT, "us-east-1", request["CompilationJobName"])

    @property
    def now(self) -> float:
        self.service.clock.ahead += 1.25
        time: float = self.service.clock()
        return time

    def fields(self) -> tuple[str, set[str]]:
        body = json.dumps({"CompilationJobName": self.key.name})
        reply = self.service.post("DescribeCompilationJob", body).json()
        assert None not in reply.values()
        return reply["CompilationJobStatus"], set(reply)

    def summary(self) -> set[str]:
        (summary,) = self.service.post("ListCompilationJobs", "{}").json()["CompilationJobSummaries"]
        return set(summary)

    def claim(self) -> None:
        assert self.service.store.claim("worker", 30.0, self.now)

    def stop(self) -> None:
        self.client.stop_compilation_job(CompilationJobName=self.key.name)


@pytest.fixture
def stage(own_service: Any, valid: Build) -> Stage:
    return Stage(own_service, valid())


def test_fields_of_a_completed_job(stage: Stage) -> None:
    assert stage.fields() == ("STARTING", BASE)
    assert stage.summary() == SUMMARY
    stage.claim()
    assert stage.fields() == ("INPROGRESS", BASE | STARTED)
    assert stage.summary() == SUMMARY | {"CompilationStartTime"}
    stage.service.store.complete(stage.key, 1, stage.now, "s3://b/model-ml_c5.tar.gz", DIGEST)
    assert stage.fields() == ("COMPLETED", BASE | STARTED | ENDED | ARTIFACT)
    assert stage.summary() == SUMMARY | {"CompilationStartTime", "CompilationEndTime"}


def test_fields_when_the_input_was_derived(stage: Stage) -> None:
    stage.claim()
    derived = '{"data": [1, 13]}'
    stage.service.store.complete(stage.key, 1, stage.now, "s3://b/m.tar.gz", DIGEST, derived)
    assert stage.fields() == ("COMPLETED", BASE | STARTED | ENDED | ARTIFACT | {"DerivedInformation"})
    reply = stage.client.describe_compilation_job(CompilationJobName="job")
    assert reply["DerivedInformation"] == {"DerivedDataInputConfig": derived}


def test_fields_of_a_failed_job(stage: Stage) -> None:
    stage.claim()
    stage.service.store.fail(stage.key, 1, stage.now, "ClientError: InputConfiguration: no model")
    assert stage.fields() == ("FAILED", BASE | STARTED | ENDED | {"FailureReason"})


def test_fields_of_a_job_stopped_while_running(stage: Stage) -> None:
    stage.claim()
    stage.stop()
    assert stage.fields() == ("STOPPING", BASE | STARTED)
    stage.service.store.stopped(stage.key, 1, stage.now)
    assert stage.fields() == ("STOPPED", BASE | STARTED | ENDED)


def test_fields_of_a_job_stopped_in_the_queue(stage: Stage) -> None:
    stage.stop()
    assert stage.fields() == ("STOPPING", BASE | {"InferenceImage"})
    stage.service.store.stopped(stage.key, 0, stage.now)
    assert stage.fields() == ("STOPPED", BASE | {"InferenceImage"} | ENDED)


def test_edge_targets_and_platforms_have_no_image(own_service: Any, valid: Build) -> None:
    platform = {"Os": "LINUX", "Arch": "ARM64", "Accelerator": "MALI"}
    output = {"S3OutputLocation": "s3://b/o", "TargetPlatform": platform}
    stage = Stage(own_service, valid(OutputConfig=output))
    stage.claim()
    assert stage.fields() == ("INPROGRESS", BASE | {"CompilationStartTime"})
    assert stage.summary() == SUMMARY - {"CompilationTargetDevice"} | {
        "CompilationStartTime",
        "CompilationTargetPlatformOs",
        "CompilationTargetPlatformArch",
        "CompilationTargetPlatformAccelerator",
    }


def test_times(stage: Stage) -> None:
    describe = stage.client.describe_compilation_job
    created = describe(CompilationJobName="job")
    assert created["CreationTime"] == created["LastModifiedTime"]
    assert created["CreationTime"].microsecond % 1000 == 0
    stage.claim()
    started = describe(CompilationJobName="job")
    assert started["LastModifiedTime"] == started["CompilationStartTime"] >= created["CreationTime"]
    assert started["CompilationStartTime"].microsecond == 0
    stage.service.clock.ahead += 5
    stage.stop()
    assert describe(CompilationJobName="job")["LastModifiedTime"] > started["LastModifiedTime"]


def test_every_member_of_the_request_is_echoed(client: Any, valid: Build) -> None:
    request = valid(
        InputConfig={
            "S3Uri": "s3://b/k",
            "DataInputConfig": "{'x':[1,3]}",
            "Framework": "PYTORCH",
            "FrameworkVersion": "1.6",
        },
        OutputConfig={
            "S3OutputLocation": "s3://b/o/",
            "TargetPlatform": {"Os": "ANDROID", "Arch": "ARM64", "Accelerator": "MALI"},
            "CompilerOptions": "{'ANDROID_PLATFORM': 29}",
            "KmsKeyId": "alias/key",
        },
        VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        StoppingCondition={
            "MaxRuntimeInSeconds": 1,
            "MaxWaitTimeInSeconds": 2,
            "MaxPendingTimeInSeconds": 1800,
        },
    )
    client.create_compilation_job(**request)
    reply = client.describe_compilation_job(CompilationJobName="job")
    assert {name: reply[name] for name in request} == request


def test_name_in_use(client: Any, valid: Build, region: str) -> None:
    client.create_compilation_job(**valid())
    arn = f"arn:aws:sagemaker:{region}:{ACCOUNT}:compilation-job/job"
    assert error_of(client.create_compilation_job, **valid()) == (
        "ResourceInUse",
        "Compilation job names must be unique within an AWS account and region, "
        f"and a compilation job with this name already exists ({arn})",
    )
    with pytest.raises(client.exceptions.ResourceInUse):
        client.create_compilation_job(**valid())
    client.create_compilation_job(**valid("Job"))
    assert names(client.list_compilation_jobs()) == ["job", "Job"]


def test_same_name_created_at_the_same_time(service: Any, client: Any, valid: Build, region: str) -> None:
    start = threading.Barrier(8)

    def create(_: int) -> str:
        one = service.client(region)
        start.wait()
        try:
            one.create_compilation_job(**valid())
        except one.exceptions.ResourceInUse:
            return "in use"
        return "created"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(create, range(8)))
    assert outcomes == ["created"] + ["in use"] * 7
    events = service.store.events(JobKey(ACCOUNT, region, "job"))
    assert [event.kind for event in events] == ["created"]


def test_a_create_whose_reply_was_lost_runs_once(
    own_service: Any, valid: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, tries = own_service.store, []
    add = store.add

    def stored_but_not_answered(job: Any, tags: Any, trace: str) -> Future[None]:
        tries.append(job)
        add(job, tags, trace)
        raise OSError("connection lost")

    monkeypatch.setattr(store, "add_soon", stored_but_not_answered)
    client = ordinary_client(own_service)
    with pytest.raises(client.exceptions.ResourceInUse):
        client.create_compilation_job(**valid())
    assert len(tries) == 2
    assert [event.kind for event in store.events()] == ["created"]
    assert store.claim("worker", 30.0, own_service.clock()) is not None
    assert store.claim("worker", 30.0, own_service.clock()) is None


def test_unknown_job(client: Any, region: str) -> None:
    text = f"Could not find compilation job arn:aws:sagemaker:{region}:{ACCOUNT}:compilation-job/job."
    for call in (
        client.describe_compilation_job,
        client.stop_compilation_job,
        client.delete_compilation_job,
    ):
        assert error_of(call, CompilationJobName="job") == ("ResourceNotFound", text)
        with pytest.raises(client.exceptions.ResourceNotFound):
            call(CompilationJobName="job")


def test_stop_again_while_stopping_and_after_the_end(stage: Stage) -> None:
    stage.stop()
    stage.stop()
    stage.service.store.stopped(stage.key, 0, stage.now)
    assert error_of(stage.client.stop_compilation_job, CompilationJobName="job") == (
        "ValidationException",
        "The request was rejected because the compilation job is in status STOPPED.",
    )


def test_delete_needs_a_finished_job(stage: Stage) -> None:
    delete = stage.client.delete_compilation_job
    rest = "A compilation job can be deleted only if its status is COMPLETED, FAILED, or STOPPED."
    for status in ("STARTING", "INPROGRESS", "STOPPING"):
        if status == "INPROGRESS":
            stage.claim()
        if status == "STOPPING":
            stage.stop()
        assert error_of(delete, CompilationJobName="job") == (
            "ValidationException",
            f"The request was rejected because the compilation job is in status {status}. {rest}",
        )
    stage.service.store.stopped(stage.key, 1, stage.now)
    delete(CompilationJobName="job")


def test_pages_stay_stable_while_jobs_are_added(client: Any, valid: Build) -> None:
    for number in range(7):
        client.create_compilation_job(**valid(f"m-{number}"))
    for sort_by in ("Name", "CreationTime", "Status"):
        for order, expected in (("Ascending", range(7)), ("Descending", range(6, -1, -1))):
            added = f"{'zz' if order == 'Descending' else 'a0'}-{sort_by}"
            paging: dict[str, Any] = {"SortBy": sort_by, "SortOrder": order, "NameContains": "-"}
            first = client.list_compilation_jobs(MaxResults=3, **paging)
            client.create_compilation_job(**valid(added))
            rest, token = [], first["NextToken"]
            while token:
                page = client.list_compilation_jobs(MaxResults=2, NextToken=token, **paging)
                assert len(page["CompilationJobSummaries"]) <= 2
                rest += names(page)
                token = page.get("NextToken")
            seen = [name for name in names(first) + rest if name.startswith("m-")]
            assert seen == [f"m-{number}" for number in expected]
            assert len(set(names(first) + rest)) == len(names(first) + rest)


def test_paginator_and_last_page(client: Any, valid: Build) -> None:
    assert client.list_compilation_jobs()["CompilationJobSummaries"] == []
    for number in range(4):
        client.create_compilation_job(**valid(f"job-{number}"))
    pages = client.get_paginator("list_compilation_jobs").paginate(PaginationConfig={"PageSize": 2})
    replies = list(pages)
    assert [names(reply) for reply in replies] == [["job-0", "job-1"], ["job-2", "job-3"]]
    assert "NextToken" not in replies[-1]


def test_filters(service: Any, client: Any, valid: Build, region: str) -> None:
    for number, name in enumerate(["alpha", "beta-Alpha", "gamma"]):
        client.create_compilation_job(**valid(name))
        service.clock.ahead += 10
        if number == 1:
            client.stop_compilation_job(CompilationJobName=name)
    summaries = client.list_compilation_jobs()["CompilationJobSummaries"]
    created = [summary["CreationTime"] for summary in summaries]
    listed = client.list_compilation_jobs
    assert names(listed(NameContains="lpha")) == ["alpha", "beta-Alpha"]
    assert names(listed(NameContains="Al")) == ["beta-Alpha"]
    assert names(listed(StatusEquals="STOPPING")) == ["beta-Alpha"]
    assert names(listed(StatusEquals="FAILED")) == []
    assert names(listed(CreationTimeAfter=created[0])) == ["beta-Alpha", "gamma"]
    assert names(listed(CreationTimeBefore=created[1])) == ["alpha"]
    assert names(listed(CreationTimeAfter=created[0], CreationTimeBefore=created[2])) == ["beta-Alpha"]
    assert names(listed(LastModifiedTimeAfter=created[1])) == ["beta-Alpha", "gamma"]
    assert names(listed(LastModifiedTimeBefore=created[1])) == ["alpha"]
    assert names(listed(CreationTimeAfter=datetime(2000, 1, 1, tzinfo=UTC), SortBy="Status")) == [
        "alpha",
        "gamma",
        "beta-Alpha",
    ]
    assert names(service.client(f"{region}-x").list_compilation_jobs()) == []


def test_a_token_of_another_request_is_refused(client: Any, valid: Build) -> None:
    for number in range(3):
        client.create_compilation_job(**valid(f"job-{number}"))
    token = client.list_compilation_jobs(MaxResults=1)["NextToken"]
    text = "Invalid NextToken: it must be one that this operation returned for the same request."
    for changed in (token[:-2] + "AA", "made-up", ""):
        assert error_of(client.list_compilation_jobs, NextToken=changed) == ("ValidationException", text)
    assert error_of(client.list_compilation_jobs, NextToken=token, SortBy="Name")[1] == text
    assert names(client.list_compilation_jobs(NextToken=token)) == ["job-1", "job-2"]


def test_tags(client: Any, valid: Build) -> None:
    arn = client.create_compilation_job(**valid(Tags=[{"Key": "a", "Value": "1"}]))["CompilationJobArn"]
    after = client.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "A", "Value": ""}])
    assert after["Tags"] == [{"Key": "a", "Value": "2"}, {"Key": "A", "Value": ""}]
    listed = client.list_tags(ResourceArn=arn, MaxResults=50)
    assert listed["Tags"] == after["Tags"]
    assert "NextToken" not in listed
    client.delete_tags(ResourceArn=arn, TagKeys=["a", "missing"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "A", "Value": ""}]
    lowered = client.add_tags(ResourceArn=arn.lower(), Tags=[])
    assert lowered["Tags"] == [{"Key": "A", "Value": ""}]


def test_at_most_50_tags(client: Any, valid: Build) -> None:
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    arn = client.create_compilation_job(**valid(Tags=tags))["CompilationJobArn"]
    client.add_tags(ResourceArn=arn, Tags=tags)
    assert error_of(client.add_tags, ResourceArn=arn, Tags=[{"Key": "one more", "Value": ""}]) == (
        "ValidationException",
        "A resource can have at most 50 tags.",
    )
    assert client.list_tags(ResourceArn=arn)["Tags"] == tags


def test_tags_of_what_is_not_there(client: Any, region: str) -> None:
    for place in (f"{region}:{ACCOUNT}", f"us-east-1:{ACCOUNT}", f"{region}:210987654321"):
        arn = f"arn:aws:sagemaker:{place}:compilation-job/job"
        for call, more in (
            (client.add_tags, {"Tags": []}),
            (client.list_tags, {}),
            (client.delete_tags, {"TagKeys": ["a"]}),
        ):
            assert error_of(call, ResourceArn=arn, **more) == (
                "ValidationException",
                f"Could not find compilation job {arn}.",
            )
    other = f"arn:aws:sagemaker:{region}:{ACCOUNT}:training-job/job"
    assert error_of(client.list_tags, ResourceArn=other) == (
        "ValidationException",
        f"{other} is not a compilation job: only compilation jobs can be tagged here.",
    )


def test_tags_never_have_a_second_page(client: Any, valid: Build) -> None:
    arn = client.create_compilation_job(**valid())["CompilationJobArn"]
    assert error_of(client.list_tags, ResourceArn=arn, NextToken="t") == (
        "ValidationException",
        "Invalid NextToken: it must be one that this operation returned for the same request.",
    )
