from __future__ import annotations

from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Event
from tinsmith.telemetry.events import state_change
from tinsmith.telemetry.subjects import Subject

KEY = JobKey("000000000000", "us-east-1", "first")
ARN = "arn:aws:sagemaker:us-east-1:000000000000:compilation-job/first"


def test_an_event_has_the_form_that_rules_expect() -> None:
    event = Event(
        7, KEY, 1_767_225_700.0, "completed", {"status": "COMPLETED", "artifact_uri": "s3://b/o.tar.gz"}
    )
    told = state_change(event, ARN, Subject(1_767_225_600.25, {"RoleArn": "arn:role", "VpcConfig": {}}))
    told_id = told.pop("id")
    assert told == {
        "version": "0",
        "detail-type": "SageMaker Compilation Job State Change",
        "source": "aws.sagemaker",
        "account": "000000000000",
        "time": "2026-01-01T00:01:40Z",
        "region": "us-east-1",
        "resources": [ARN],
        "detail": {
            "CompilationJobName": "first",
            "CompilationJobArn": ARN,
            "CompilationJobStatus": "COMPLETED",
            "CreationTime": 1_767_225_600_250,
            "LastModifiedTime": 1_767_225_700_000,
            "RoleArn": "arn:role",
            "ModelArtifacts": {"S3ModelArtifacts": "s3://b/o.tar.gz"},
        },
    }
    assert state_change(event, ARN, None)["id"] == told_id


def test_a_failure_has_its_reason_and_ids_differ() -> None:
    failed = Event(8, KEY, 5.0, "failed", {"status": "FAILED", "reason": "ClientError: x"})
    told = state_change(failed, ARN, None)
    assert told["detail"]["FailureReason"] == "ClientError: x"
    assert "CreationTime" not in told["detail"]
    other = Event(9, KEY, 5.0, "failed", {"status": "FAILED", "reason": "ClientError: x"})
    assert state_change(other, ARN, None)["id"] != told["id"]
