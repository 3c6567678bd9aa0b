"""What a storm has done to the jobs, held against what must not happen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tinsmith.jobs.job import TERMINAL, Job, Status
from tinsmith.jobs.store import Event

GIVEN_UP = re.compile(r"^InternalError: The job was given up after (\d+) lost attempts\. The last one: .+\.$")
REASONS = {
    "sandbox or compiler": re.compile(r"signal 9|SIGKILL|status -9|exit code 137|without a report|kill"),
    "object store": re.compile(
        r"object store .*(does not answer|failed)|Connection|IncompleteRead|Could not connect|timed out"
    ),
    "disk": re.compile(r"No space left on device"),
}
"""A victim, and what a job may say that failed because of it."""


@dataclass
class Verdict:
    """Names of jobs, by what is wrong with them; all empty is what must be."""

    jobs: int
    completed: int = 0
    refused: int = 0
    """Bad models, with the reason that they deserve."""
    failed: Counter[str] = field(default_factory=Counter)
    """Reasons of other failed jobs."""
    attempts: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    completed_twice: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    """Failed for a reason that no kill explains, or completed though bad."""
    damaged: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """Everything that is wrong."""
        kinds = ("lost", "completed_twice", "untrue", "damaged", "orphans")
        return [f"{kind.replace('_', ' ')}: {each}" for kind in kinds for each in getattr(self, kind)]


def judge(
    submitted: Sequence[str],
    jobs: Mapping[str, Job],
    events: Mapping[str, Sequence[Event]],
    bad: Mapping[str, str],
    artifacts: Mapping[str, str],
    killed: Counter[str],
) -> Verdict:
    """`bad` jobs have texts that their reasons must hold; `artifacts` are the digests of what was read back.

    A completed job must have the digest of its artifact; jobs that make the same artifact are the
    caller's to compare.
    """
    verdict = Verdict(len(submitted))
    for name in submitted:
        job, kinds = jobs.get(name), Counter(event.kind for event in events.get(name, ()))
        if job is None or job.status not in TERMINAL or kinds["created"] != 1:
            verdict.lost.append(name)
            continue
        if kinds["completed"] + kinds["failed"] + kinds["stopped"] != 1:
            verdict.completed_twice.append(name)
        verdict.attempts[job.attempt] += 1
        if job.status is Status.COMPLETED:
            verdict.completed += 1
            if name in bad:
                verdict.untrue.append(f"{name}: completed")
            if job.artifact_digest is None or artifacts.get(name) != job.artifact_digest:
                verdict.damaged.append(name)
        elif name in bad and bad[name] in (job.failure_reason or ""):
            verdict.refused += 1
        else:
            _judge_failure(verdict, job, killed, kinds["claimed"])
    return verdict


def _judge_failure(verdict: Verdict, job: Job, killed: Counter[str], claims: int) -> None:
    reason = job.failure_reason or ""
    given_up = GIVEN_UP.match(reason)
    if given_up is not None:
        true = claims >= int(given_up[1]) and killed.total() >= int(given_up[1])
    else:
        true = any(killed[victim] and pattern.search(reason) for victim, pattern in REASONS.items())
    if not true:
        verdict.untrue.append(f"{job.key.name}: {job.status} {reason}")
    verdict.failed[reason[:120]] += 1
