"""What is told of a job beside its changes, also when it is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tinsmith.jobs.job import Job
from tinsmith.jobs.store import Event, JobNotFound, Store


@dataclass(frozen=True)
class Subject:
    """A job as its request has it."""

    creation_time: float
    request: Mapping[str, Any]
    """At least RoleArn, InputConfig and OutputConfig, where they were sent."""

    @staticmethod
    def of(job: Job) -> Subject:
        """Of a job that is there."""
        return Subject(job.creation_time, job.request)

    @property
    def role(self) -> str | None:
        """ARN of the job's role."""
        return self.request.get("RoleArn")

    @property
    def kind(self) -> dict[str, str]:
        """Framework and target, by which jobs are told apart in metrics; empty where they are not known."""
        output, source = self.request.get("OutputConfig"), self.request.get("InputConfig")
        if not output or not source:
            return {}
        platform = output.get("TargetPlatform", {})
        target = output.get("TargetDevice") or "_".join(
            platform[it] for it in ("Os", "Arch", "Accelerator") if it in platform
        )
        return {"Framework": source["Framework"], "Target": target}


def subject_of(store: Store, life: Sequence[Event]) -> Subject | None:
    """The job whose events `life` are (see `Store.life`); None where an older release deleted it."""
    if not life:
        return None
    if life[-1].kind == "deleted":
        detail = life[-1].detail
        return Subject(detail["creation_time"], detail["request"]) if "request" in detail else None
    with suppress(JobNotFound):
        return Subject.of(store.get(life[0].key))
    return None
