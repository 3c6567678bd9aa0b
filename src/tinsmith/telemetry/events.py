"""A job's changes of state as EventBridge tells them.

The real service's documentation lists no event for compilation jobs. The detail-type and the members follow
what users' rules and handlers expect of one, see `docs/telemetry.md`.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from tinsmith.jobs.store import TOLD, Event
from tinsmith.telemetry.subjects import Subject

SOURCE, DETAIL_TYPE = "aws.sagemaker", "SageMaker Compilation Job State Change"
KINDS = frozenset({"created", "claimed", "stop_requested", "stopped", "completed", "failed"})
"""Events of the store that change what DescribeCompilationJob calls the status."""
ENDS = frozenset({"stopped", "completed", "failed"})
_IDS = uuid.UUID("b9f5b0c1-6f0e-4f3e-9a57-0d1a1c3f7d52")


def state_change(event: Event, arn: str, subject: Subject | None) -> dict[str, Any]:
    """The EventBridge event of `event`, one of `KINDS`, which happened to `subject`.

    Its id is the same whenever it is told, so that a receiver can drop what it has had.
    """
    detail = {
        "CompilationJobName": event.key.name,
        "CompilationJobArn": arn,
        "CompilationJobStatus": event.detail["status"],
        "LastModifiedTime": _milliseconds(event.time),
    }
    if subject is not None:
        detail["CreationTime"] = _milliseconds(subject.creation_time)
        detail |= {member: subject.request[member] for member in TOLD if member in subject.request}
    if "artifact_uri" in event.detail:
        detail["ModelArtifacts"] = {"S3ModelArtifacts": event.detail["artifact_uri"]}
    if "reason" in event.detail:
        detail["FailureReason"] = event.detail["reason"]
    return {
        "version": "0",
        "id": str(uuid.uuid5(_IDS, f"{arn} {event.seq}")),
        "detail-type": DETAIL_TYPE,
        "source": SOURCE,
        "account": event.key.account,
        "time": datetime.fromtimestamp(event.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": event.key.region,
        "resources": [arn],
        "detail": detail,
    }


def _milliseconds(time: float) -> int:
    return round(time * 1000)
