"""Random kill -9 of the service and of everything that it runs, while it works through real jobs.

With `-s` a table of what was killed and of how the jobs ended is printed.
"""

from __future__ import annotations

import hashlib
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

import tinsmith_runtime
from tests.acceptance.models import Trained, boosted, forest, tarball
from tests.acceptance.service import AT_LENGTH, BUCKET, ENDED, Service, signal_all, until
from tinsmith.jobs.store import Event, Store

pytestmark = pytest.mark.slow

SEED = 20261122
AT_MOST = {"service": 7, "attempt": 12, "spare": 3, "compiler": 12}
PART = 1 if AT_LENGTH else 2
"""Of jobs and of kills, one in so many."""
VICTIMS = {victim: -(-times // PART) for victim, times in AT_MOST.items()}
"""How often each is killed; less often only when all jobs have ended before."""
LEAD = 3
"""Kills that may come before the first job ends: there are never more kills than this beyond the jobs that
have ended, however slow the machine is."""
GOOD, BAD = 38 // PART, 12 // PART
LOSSES = 3
"""Lost attempts after which a job is given up."""
BAD_REASON = "expected one XGBoost model, found 2: a.json, b.json"
LOST_REASON = f"InternalError: The job was given up after {LOSSES} lost attempts."
DAMAGED_REASON = re.compile("status -9|signal 9|SIGKILL")
"""A program that the compiler had started was killed, and the compiler said so."""


@dataclass
class Storm:
    """What was done to the service, and what became of the jobs."""

    service: Service
    models: dict[str, Trained]
    """Name of a good job: its model."""
    acknowledged: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def storm(data_dir: Path) -> Iterator[Storm]:
    """All jobs submitted, disturbed, and run to their ends."""
    kinds = (boosted(trees=1, depth=1), forest(trees=1, depth=1))
    models = {f"good-{number}": kinds[number % 2] for number in range(GOOD)}
    with Service(data_dir, "--concurrency", "2") as service:
        storm = Storm(service, models)
        submission = threading.Thread(target=_submit, args=(storm,))
        submission.start()
        _disturb(storm, submission)
        submission.join()
        for name in _statuses(service):
            storm.jobs[name] = service.await_status(name, *ENDED)
        storm.events = _events(data_dir)
        yield storm
        _print(storm)


def _submit(storm: Storm) -> None:
    """Creates every job, again and again until it is acknowledged."""
    both = tarball({"a.json": boosted().content, "b.json": boosted().content})
    inputs = {name: (trained.tarball, trained.file) for name, trained in storm.models.items()}
    inputs |= {f"bad-{number}": (both, "a.json") for number in range(BAD)}
    names = sorted(inputs, key=lambda name: hashlib.sha256(name.encode()).digest())
    for name in names:
        content, file = inputs[name]
        framework = "SKLEARN" if file.endswith(".pkl") else "XGBOOST"
        until(lambda: _created(storm.service, name, content, framework))  # noqa: B023
        storm.acknowledged.append(name)


def _created(service: Service, name: str, content: bytes, framework: str) -> bool:
    try:
        uri = service.put(f"in/{name}/model.tar.gz", content)
        service.client("sagemaker").create_compilation_job(**service.request(name, uri, framework))
    except ClientError as error:
        return bool(error.response["Error"]["Code"] == "ResourceInUse")  # stored, only the reply was lost
    except BotoCoreError:
        return False
    return True


def _disturb(storm: Storm, submission: threading.Thread) -> None:
    chance, service = random.Random(SEED), storm.service
    victims = [victim for victim, times in VICTIMS.items() for _ in range(times)]
    chance.shuffle(victims)
    while victims:
        time.sleep(chance.uniform(0.1, 1.5))
        statuses = _statuses(service)
        ended = sum(status in ENDED for status in statuses.values())
        if ended == len(statuses) and not submission.is_alive():
            return
        if storm.kills.total() < ended + LEAD and _kill(service, victims[-1], chance):
            storm.kills[victims.pop()] += 1


def _kill(service: Service, victim: str, chance: random.Random) -> bool:
    """Whether there was somebody to kill."""
    if victim == "service":
        service.kill()
        until(lambda: not service.processes())  # no orphan outlives it
        service.start()
        return True
    find = {"attempt": service.attempts, "spare": service.spares, "compiler": service.compilers}
    candidates = find[victim]()
    signal_all([chance.choice(candidates)] if candidates else [])
    return bool(candidates)


def _statuses(service: Service) -> dict[str, str]:
    """The status of every job."""
    pages = service.client("sagemaker").get_paginator("list_compilation_jobs").paginate()
    jobs = [summary for page in pages for summary in page["CompilationJobSummaries"]]
    return {job["CompilationJobName"]: job["CompilationJobStatus"] for job in jobs}


def _events(data_dir: Path) -> dict[str, list[Event]]:
    store = Store.open(f"sqlite:///{data_dir / 'jobs.db'}")
    try:
        found: dict[str, list[Event]] = {}
        for event in store.events(limit=10_000):
            found.setdefault(event.key.name, []).append(event)
        return found
    finally:
        store.close()


def _print(storm: Storm) -> None:
    table = Table("killed by kill -9", "times", box=None, header_style="bold")
    for victim, times in storm.kills.items():
        table.add_row(victim, str(times))
    table.add_section()
    endings = Counter(
        f"{job['CompilationJobStatus']} {job.get('FailureReason', '')[:100]}" for job in storm.jobs.values()
    )
    for ending, times in sorted(endings.items()):
        table.add_row(ending, str(times))
    claims = Counter(sum(event.kind == "claimed" for event in events) for events in storm.events.values())
    for attempts, times in sorted(claims.items()):
        table.add_row(f"jobs that took {attempts} attempts", str(times))
    Console(width=160, markup=False, highlight=False).print(table)


def test_there_was_a_storm(storm: Storm) -> None:
    assert storm.kills["service"] * PART >= 3
    assert storm.kills["attempt"] * PART >= 5
    assert storm.kills["compiler"] * PART >= 5


def test_no_job_is_lost(storm: Storm) -> None:
    assert len(storm.acknowledged) == GOOD + BAD
    assert sorted(storm.jobs) == sorted(storm.acknowledged) == sorted(storm.events)


def test_every_job_ends_once(storm: Storm) -> None:
    for name, events in storm.events.items():
        kinds = [event.kind for event in events]
        ends = [kind for kind in kinds if kind in ("completed", "failed", "stopped")]
        assert kinds[0] == "created", name
        assert kinds.count("created") == 1, name
        assert ends == [storm.jobs[name]["CompilationJobStatus"].lower()] == kinds[-1:], (name, kinds)


def test_every_artifact_is_intact(storm: Storm, tmp_path: Path) -> None:
    """The same bytes for the same model, whatever happened to its job; and they predict."""
    digests: dict[str, set[str]] = {}
    for name, trained in storm.models.items():
        job = storm.jobs[name]
        if job["CompilationJobStatus"] != "COMPLETED":
            continue
        content = storm.service.get(job["ModelArtifacts"]["S3ModelArtifacts"])
        digest = job["ModelDigests"]["ArtifactDigest"]
        assert hashlib.blake2b(content).hexdigest() == digest
        if digest not in digests.setdefault(trained.file, set()):
            digests[trained.file].add(digest)
            _check_predictions(content, trained, tmp_path / f"{name}.tar.gz")
    assert {file: len(found) for file, found in digests.items()} == {"model.json": 1, "model.pkl": 1}


def _check_predictions(content: bytes, trained: Trained, artifact: Path) -> None:
    artifact.write_bytes(content)
    compiled = tinsmith_runtime.load(artifact)
    if trained.file == "model.json":
        found = compiled.run({"data": trained.rows}, margin=True)
        expected = trained.model.inplace_predict(trained.rows, predict_type="margin")
    else:
        found = compiled.run({"data": trained.rows})
        expected = trained.model.predict_proba(trained.rows)
    np.testing.assert_array_equal(next(iter(found.values())), expected)


def test_every_failure_has_a_true_reason(storm: Storm) -> None:
    for name, job in storm.jobs.items():
        reason = job.get("FailureReason", "")
        claims = sum(event.kind == "claimed" for event in storm.events[name])
        given_up = reason.startswith(LOST_REASON) and claims >= LOSSES
        if name.startswith("bad-"):
            assert given_up or BAD_REASON in reason, (name, reason)
        elif job["CompilationJobStatus"] == "FAILED":
            assert given_up or DAMAGED_REASON.search(reason), (name, reason)
    completed = [name for name, job in storm.jobs.items() if job["CompilationJobStatus"] == "COMPLETED"]
    assert len(completed) > GOOD / 2


def test_nothing_is_left_over(storm: Storm) -> None:
    service = storm.service
    assert service.is_healthy()
    assert not service.attempts()
    assert not service.compilers()
    assert list((service.data_dir / "work").iterdir()) == []
    listed = service.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="compiled/")
    completed = [job for job in storm.jobs.values() if job["CompilationJobStatus"] == "COMPLETED"]
    assert listed["KeyCount"] >= len(completed)
