"""When a job has taken too long: StoppingCondition, in seconds.

    MaxRuntimeInSeconds        from CompilationStartTime, over all attempts
    MaxPendingTimeInSeconds    from the creation, while the job is queued
    MaxWaitTimeInSeconds       from the creation, queued and running together

Whichever ends first counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinsmith.errors import ClientError, failure_reason
from tinsmith.jobs.job import Job


@dataclass(frozen=True, order=True)
class Deadline:
    """The time, in epoch seconds, and the FailureReason of a job that is not finished then."""

    at: float
    reason: str


def max_runtime(job: Job, default: int) -> int:
    """Seconds that `job` may run; `default` where it does not say."""
    limit = _limit(job, "MaxRuntimeInSeconds")
    return default if limit is None else limit


def running_deadline(job: Job, default_max_runtime: int) -> Deadline:
    """Of a job that was claimed."""
    assert job.start_time is not None
    seconds = max_runtime(job, default_max_runtime)
    problem = f"The job did not complete within MaxRuntimeInSeconds ({seconds} s)."
    return min([Deadline(job.start_time + seconds, _timed_out(problem)), *_wait(job)])


def pending_deadline(job: Job) -> Deadline | None:
    """Of a job that is queued; None when it may be so for ever."""
    seconds = _limit(job, "MaxPendingTimeInSeconds")
    deadlines = _wait(job)
    if seconds is not None:
        problem = f"The job was pending for longer than MaxPendingTimeInSeconds ({seconds} s)."
        deadlines.append(Deadline(job.creation_time + seconds, _timed_out(problem)))
    return min(deadlines, default=None)


def _wait(job: Job) -> list[Deadline]:
    seconds = _limit(job, "MaxWaitTimeInSeconds")
    if seconds is None:
        return []
    problem = f"The job did not complete within MaxWaitTimeInSeconds ({seconds} s)."
    return [Deadline(job.creation_time + seconds, _timed_out(problem))]


def _limit(job: Job, name: str) -> int | None:
    limit: int | None = job.request.get("StoppingCondition", {}).get(name)
    return limit


def _timed_out(problem: str) -> str:
    return failure_reason(ClientError("TimeOut", problem))
