"""Names of compilation jobs as Amazon Resource Names."""

from __future__ import annotations

import re

from tinsmith.jobs.job import JobKey

_PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov", "us-iso": "aws-iso", "us-isob": "aws-iso-b"}
_PREFIX = re.compile(r"(us-gov|us-isob|us-iso|cn)-")
_JOB = re.compile(
    r"arn:aws[a-z-]*:sagemaker:(?P<region>[a-z0-9-]*):(?P<account>\d{12}):compilation-job/(?P<name>.+)",
    re.ASCII,
)


def job_arn(key: JobKey) -> str:
    """arn:<partition>:sagemaker:<region>:<account>:compilation-job/<name>, the name's case kept."""
    prefix = _PREFIX.match(key.region)
    partition = _PARTITIONS[prefix[1]] if prefix else "aws"
    return f"arn:{partition}:sagemaker:{key.region}:{key.account}:compilation-job/{key.name}"


def job_of(arn: str) -> JobKey | None:
    """The job that `arn` names; None when it names another kind of resource."""
    match = _JOB.fullmatch(arn)
    return JobKey(match["account"], match["region"], match["name"]) if match else None
