from __future__ import annotations

import pytest

from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.worker.deadlines import max_runtime, pending_deadline, running_deadline

DAY = 86_400


def job_of(**limits: int) -> Job:
    """Created at 1000.5, started at 1100."""
    key, request = JobKey("0", "r", "n"), {"StoppingCondition": limits}
    return Job(key, "arn", request, Status.INPROGRESS, 1, 1, 1000.5, 1100.0, start_time=1100.0)


@pytest.mark.parametrize(
    ("limits", "at", "named"),
    [
        ({}, 1100.0 + DAY, f"MaxRuntimeInSeconds ({DAY} s)"),
        ({"MaxRuntimeInSeconds": 60}, 1160.0, "MaxRuntimeInSeconds (60 s)"),
        ({"MaxRuntimeInSeconds": 60, "MaxPendingTimeInSeconds": 1800}, 1160.0, "MaxRuntimeInSeconds (60 s)"),
        ({"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 3600}, 1160.0, "MaxRuntimeInSeconds (60 s)"),
        ({"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120}, 1120.5, "MaxWaitTimeInSeconds (120 s)"),
        ({"MaxWaitTimeInSeconds": 120}, 1120.5, "MaxWaitTimeInSeconds (120 s)"),
        ({"MaxWaitTimeInSeconds": 10}, 1010.5, "MaxWaitTimeInSeconds (10 s)"),
    ],
)
def test_a_running_job_ends_at_the_earlier_limit(limits: dict[str, int], at: float, named: str) -> None:
    deadline = running_deadline(job_of(**limits), DAY)
    assert deadline.at == at
    assert deadline.reason == f"ClientError: TimeOut: The job did not complete within {named}."


@pytest.mark.parametrize(
    ("limits", "at", "named"),
    [
        ({"MaxPendingTimeInSeconds": 1800}, 2800.5, "MaxPendingTimeInSeconds (1800 s)"),
        (
            {"MaxPendingTimeInSeconds": 1800, "MaxWaitTimeInSeconds": 60},
            1060.5,
            "MaxWaitTimeInSeconds (60 s)",
        ),
        (
            {"MaxPendingTimeInSeconds": 1800, "MaxWaitTimeInSeconds": 1801},
            2800.5,
            "MaxPendingTimeInSeconds (1800 s)",
        ),
        ({"MaxWaitTimeInSeconds": 60, "MaxRuntimeInSeconds": 5}, 1060.5, "MaxWaitTimeInSeconds (60 s)"),
    ],
)
def test_a_queued_job_ends_at_the_earlier_limit(limits: dict[str, int], at: float, named: str) -> None:
    deadline = pending_deadline(job_of(**limits))
    assert deadline is not None
    assert deadline.at == at
    assert deadline.reason.startswith("ClientError: TimeOut: The job ")
    assert deadline.reason.endswith(f"{named}.")


def test_without_limits_a_job_may_wait_for_ever() -> None:
    assert pending_deadline(job_of(MaxRuntimeInSeconds=1)) is None
    assert max_runtime(job_of(), 7) == 7
