from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.faults.verdict import Verdict, judge
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.store import Event

KEY = JobKey("0", "us-east-1", "job")
JOB = Job(KEY, "arn", {}, Status.COMPLETED, 3, 1, 1.0, 2.0, artifact_digest="00")
KILLED = Counter({"attempt": 3, "object store": 1})
GIVEN_UP = (
    "InternalError: The job was given up after 3 lost attempts. The last one: it was killed by signal 9."
)


def verdict(
    job: Job | None, *kinds: str, bad: str | None = None, digest: str = "00", killed: Counter[str] = KILLED
) -> Verdict:
    events = [Event(number, KEY, 1.0, kind, {}) for number, kind in enumerate(kinds)]
    jobs = {} if job is None else {"job": job}
    refusals = {} if bad is None else {"job": bad}
    return judge(["job"], jobs, {"job": events}, refusals, {"job": digest}, killed)


def failed(reason: str) -> Job:
    return replace(JOB, status=Status.FAILED, failure_reason=reason, artifact_digest=None, attempt=3)


def test_what_must_be_is_no_fault() -> None:
    assert verdict(JOB, "created", "claimed", "completed").faults == []
    claims = ["claimed"] * 3
    assert verdict(failed(GIVEN_UP), "created", *claims, "failed").faults == []
    away = failed("InternalError: The object store http://127.0.0.1:1 does not answer: reset")
    assert verdict(away, "created", "claimed", "failed").faults == []
    refused = verdict(failed("ClientError: no tar"), "created", "claimed", "failed", bad="no tar")
    assert (refused.faults, refused.refused) == ([], 1)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (verdict(None), "lost"),
        (verdict(replace(JOB, status=Status.INPROGRESS), "created", "claimed"), "lost"),
        (verdict(JOB, "created", "created", "claimed", "completed"), "lost"),
        (verdict(JOB, "created", "claimed", "completed", "completed"), "completed twice"),
        (verdict(JOB, "created", "failed", "completed"), "completed twice"),
        (verdict(JOB, "created", "claimed", "completed", digest="01"), "damaged"),
        (verdict(JOB, "created", "claimed", "completed", bad="no tar"), "untrue"),
        (verdict(failed("ClientError: no tar"), "created", "failed"), "untrue"),
        (verdict(failed(GIVEN_UP), "created", "claimed", "failed"), "untrue"),
        (
            verdict(failed(GIVEN_UP), *(["created"] + ["claimed"] * 3 + ["failed"]), killed=Counter()),
            "untrue",
        ),
        (
            verdict(failed("InternalError: No space left on device"), "created", "claimed", "failed"),
            "untrue",
        ),
        (
            verdict(failed("ClientError: InputConfiguration: S3 object does not exist"), "created", "failed"),
            "untrue",
        ),
    ],
)
def test_whatever_is_wrong_is_named(found: Verdict, fault: str) -> None:
    assert [each.partition(":")[0] for each in found.faults] == [fault]
