from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tinsmith.api.replies import description, summary, tag_list
from tinsmith.jobs.job import Job, JobKey, Status

REQUEST: dict[str, Any] = {
    "CompilationJobName": "job",
    "RoleArn": "arn:aws:iam::123456789012:role/compiler",
    "InputConfig": {"S3Uri": "s3://b/k", "Framework": "XGBOOST"},
    "OutputConfig": {"S3OutputLocation": "s3://b/o", "TargetDevice": "ml_c5"},
    "StoppingCondition": {},
}
EVERYTHING = Job(
    key=JobKey("123456789012", "us-east-1", "job"),
    arn="arn:aws:sagemaker:us-east-1:123456789012:compilation-job/job",
    request=REQUEST,
    status=Status.COMPLETED,
    version=9,
    attempt=2,
    creation_time=1713274189.1704,
    last_modified_time=1713274376.0,
    start_time=1713274291.0,
    end_time=1713274376.0,
    failure_reason="ClientError: InputConfiguration: left over",
    artifact_uri="s3://b/o/k-ml_c5.tar.gz",
    artifact_digest="ab" * 64,
    derived_data_input_config='{"data": [1, 4]}',
    inference_image="registry/xgboost-neo:latest",
)


@pytest.mark.parametrize("status", Status)
def test_the_status_alone_decides_what_the_outcome_shows(status: Status) -> None:
    reply = description(replace(EVERYTHING, status=status))
    ended = status in (Status.COMPLETED, Status.FAILED, Status.STOPPED)
    assert ("CompilationEndTime" in reply) == ended
    assert ("FailureReason" in reply) == (status is Status.FAILED)
    assert ("InferenceImage" in reply) == (status is not Status.STARTING)
    for outcome in ("ModelArtifacts", "ModelDigests", "DerivedInformation"):
        assert (outcome in reply) == (status is Status.COMPLETED)
    assert ("CompilationEndTime" in summary(replace(EVERYTHING, status=status))) == ended


def test_times_have_milliseconds_or_are_whole() -> None:
    reply = description(EVERYTHING)
    assert (reply["CreationTime"], reply["CompilationStartTime"]) == (1713274189.17, 1713274291)
    assert isinstance(reply["CompilationStartTime"], int)
    assert isinstance(description(replace(EVERYTHING, creation_time=5.0))["CreationTime"], int)


def test_tag_list() -> None:
    assert tag_list({}) == []
    assert tag_list({"a": "1", "b": ""}) == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
