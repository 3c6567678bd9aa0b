"""Jobs as replies show them. A field that a job does not have yet is a missing key, never null.

CreationTime carries milliseconds; the other times are whole seconds, except the LastModifiedTime of
a job whose last change was its creation or a stop request.
"""

from __future__ import annotations

from typing import Any

from tinsmith.jobs.job import TERMINAL, Job, Status


def description(job: Job) -> dict[str, Any]:
    """The DescribeCompilationJob reply of `job`."""
    completed = job.status is Status.COMPLETED
    derived = job.derived_data_input_config
    return _present(
        CompilationJobName=job.key.name,
        CompilationJobArn=job.arn,
        CompilationJobStatus=job.status,
        CompilationStartTime=_seconds(job.start_time),
        CompilationEndTime=_seconds(job.end_time) if job.status in TERMINAL else None,
        StoppingCondition=job.request["StoppingCondition"],
        InferenceImage=job.inference_image if job.status is not Status.STARTING else None,
        ModelPackageVersionArn=job.request.get("ModelPackageVersionArn"),
        CreationTime=_seconds(job.creation_time),
        LastModifiedTime=_seconds(job.last_modified_time),
        FailureReason=job.failure_reason if job.status is Status.FAILED else None,
        ModelArtifacts={"S3ModelArtifacts": job.artifact_uri} if completed else None,
        ModelDigests={"ArtifactDigest": job.artifact_digest} if completed else None,
        RoleArn=job.request["RoleArn"],
        InputConfig=job.request.get("InputConfig"),
        OutputConfig=job.request["OutputConfig"],
        VpcConfig=job.request.get("VpcConfig"),
        DerivedInformation={"DerivedDataInputConfig": derived} if completed and derived else None,
    )


def summary(job: Job) -> dict[str, Any]:
    """The entry of `job` in a ListCompilationJobs reply."""
    output = job.request["OutputConfig"]
    platform = output.get("TargetPlatform", {})
    return _present(
        CompilationJobName=job.key.name,
        CompilationJobArn=job.arn,
        CreationTime=_seconds(job.creation_time),
        CompilationStartTime=_seconds(job.start_time),
        CompilationEndTime=_seconds(job.end_time) if job.status in TERMINAL else None,
        CompilationTargetDevice=output.get("TargetDevice"),
        CompilationTargetPlatformOs=platform.get("Os"),
        CompilationTargetPlatformArch=platform.get("Arch"),
        CompilationTargetPlatformAccelerator=platform.get("Accelerator"),
        LastModifiedTime=_seconds(job.last_modified_time),
        CompilationJobStatus=job.status,
    )


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as the API lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _seconds(time: float | None) -> float | None:
    """Epoch seconds to the millisecond, as an integer where there is no fraction."""
    if time is None:
        return None
    rounded = round(time, 3)
    return int(rounded) if rounded.is_integer() else rounded
