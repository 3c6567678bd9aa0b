from __future__ import annotations

import pytest

from tinsmith.api.arns import job_arn, job_of
from tinsmith.jobs.job import JobKey


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("eu-south-1", "aws"),
        ("local", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
    ],
)
def test_arn_of_a_job_and_back(region: str, partition: str) -> None:
    key = JobKey("123456789012", region, "Job-1")
    arn = job_arn(key)
    assert arn == f"arn:{partition}:sagemaker:{region}:123456789012:compilation-job/Job-1"
    assert job_of(arn) == key


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sagemaker:us-east-1:123456789012:training-job/a",
        "arn:aws:sagemaker:us-east-1:123456789012:compilation-job/",
        "arn:aws:sagemaker:us-east-1:12345678901:compilation-job/a",
        "arn:aws:s3:us-east-1:123456789012:compilation-job/a",
        "",
    ],
)
def test_other_resources(arn: str) -> None:
    assert job_of(arn) is None
