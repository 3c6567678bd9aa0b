"""The job record and its state machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """CompilationJobStatus, as the API spells it."""

    STARTING = "STARTING"
    """Accepted and queued."""
    INPROGRESS = "INPROGRESS"
    """An attempt holds the lease."""
    COMPLETED = "COMPLETED"
    """The artifact was executed, compared and uploaded."""
    FAILED = "FAILED"
    STOPPING = "STOPPING"
    """Stop was asked for while queued or running."""
    STOPPED = "STOPPED"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.STOPPED})

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.STARTING: frozenset({Status.INPROGRESS, Status.STOPPING, Status.FAILED}),
    Status.INPROGRESS: frozenset({Status.INPROGRESS, Status.COMPLETED, Status.FAILED, Status.STOPPING}),
    Status.STOPPING: frozenset({Status.STOPPED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.STOPPED: frozenset(),
}
"""INPROGRESS to INPROGRESS is a new attempt after a lost one."""


@dataclass(frozen=True)
class JobKey:
    """What makes a job name unique."""

    account: str
    region: str
    name: str


@dataclass(frozen=True)
class Job:
    """One row of the store. Times are epoch seconds (float)."""

    key: JobKey
    arn: str
    request: dict[str, Any]
    """The CreateCompilationJob request as it was sent, without Tags."""
    status: Status
    version: int
    """Grows with every change; the compare-and-set token."""
    attempt: int
    """0 before the first claim; the fencing token of every worker write."""
    creation_time: float
    last_modified_time: float
    start_time: float | None = None
    end_time: float | None = None
    failure_reason: str | None = None
    artifact_uri: str | None = None
    artifact_digest: str | None = None
    derived_data_input_config: str | None = None
    lease_owner: str | None = None
    lease_until: float | None = None
    inference_image: str | None = None


@dataclass(frozen=True)
class Event:
    """One line of a job's history.

    `kind` is created, claimed, released, stop_requested, stopped, completed, failed or deleted.
    `detail` has the status and attempt after the change, and `owner`, `cause`, `reason`, `artifact_uri`,
    `stages`, `trace` (of created) or the job's `creation_time` and `request` (of deleted, what is told of
    it) where the kind has one.
    """

    seq: int
    """Grows over all jobs."""
    key: JobKey
    time: float
    kind: str
    detail: dict[str, Any]
