from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import Postgres
from tinsmith.errors import ClientError
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.query import JobQuery
from tinsmith.jobs.store import JobNotFound, Store
from tinsmith.jobs.transfer import EXPORTED, Imported, export_lines, import_lines

NewJob = Callable[..., Job]
ACCOUNT, REGION = "000000000000", "us-east-1"


@pytest.fixture
def source(tmp_path: Path, new_job: NewJob) -> Iterator[Store]:
    """A job in each state, and a deleted one."""
    store = Store.open(f"sqlite:///{tmp_path / 'source.db'}")
    names = ("done", "failed", "stopped", "deleted", "running", "stopping", "released")
    for index, name in enumerate(names):
        store.add(new_job(name, created=1000.25 + index, note="ä\u0000😀"), {"k": "ä"} if index % 2 else {})
        assert store.claim("w", 30, 2000.0) is not None
    keys = {name: new_job(name).key for name in names}
    store.complete(keys["done"], 1, 2010.5, "s3://b/k", "0f", "{}")
    store.fail(keys["failed"], 1, 2011.0, "ClientError: no")
    store.request_stop(keys["stopped"], 2005.5)
    store.stopped(keys["stopped"], 1, 2006.0)
    store.fail(keys["deleted"], 1, 2011.0, "no")
    store.delete(keys["deleted"], 2012.0)
    store.request_stop(keys["stopping"], 2005.5)
    store.release(keys["released"], 1, 2006.0, "the service was stopped")
    store.add(new_job("queued", StoppingCondition={"MaxPendingTimeInSeconds": 1800}), {"a": "1", "b": "2"})
    store.add(new_job("done", account="111111111111"), {})
    yield store
    store.close()


def exported(store: Store) -> list[bytes]:
    return list(export_lines(store.database))


def imported(store: Store, lines: list[bytes]) -> Imported:
    return import_lines(store.database, lambda: lines)


def everything(store: Store) -> list[tuple[Job, dict[str, str], list[str]]]:
    jobs = [job for account in (ACCOUNT, "1" * 12) for job in store.list(JobQuery(account, REGION)).jobs]
    return [(job, store.tags(job.arn), [event.kind for event in store.events(job.key)]) for job in jobs]


def test_an_import_has_all_that_was_exported(source: Store, store: Store, new_job: NewJob) -> None:
    assert imported(store, exported(source)) == Imported(new=9, known=0)
    before = {job.key: (job, tags, kinds) for job, tags, kinds in everything(source)}
    after = {job.key: (job, tags, kinds) for job, tags, kinds in everything(store)}
    ran = {new_job("running").key, new_job("stopping").key}
    assert before.keys() == after.keys()
    for key in before.keys() - ran:
        assert after[key] == before[key]
    for key in ran:
        job, tags, kinds = after[key]
        assert (job.status, job.attempt, job.lease_owner) == (before[key][0].status, 1, None)
        assert (tags, kinds) == (before[key][1], [*before[key][2], "released"])
        assert store.events(key)[-1].detail["cause"] == EXPORTED
    deleted = new_job("deleted").key
    with pytest.raises(JobNotFound):
        store.get(deleted)
    assert [event.kind for event in store.events(deleted)] == ["created", "claimed", "failed", "deleted"]


def test_imported_jobs_go_on(source: Store, store: Store, new_job: NewJob) -> None:
    imported(store, exported(source))
    claimed = [store.claim("here", 30, 2007.0) for _ in range(5)]
    assert [(job.key.name, job.attempt) for job in claimed if job] == [
        ("running", 2),
        ("released", 2),
        ("done", 1),  # of an account that runs nothing
        ("queued", 1),
    ]
    assert [job.key.name for job in store.stopping_unowned(2007.0)] == ["stopping"]
    store.delete(new_job("done").key)


def test_an_import_may_be_repeated_also_after_its_jobs_went_on(source: Store, store: Store) -> None:
    lines = exported(source)
    imported(store, lines)
    before = everything(store)
    assert imported(store, lines) == Imported(new=0, known=9)
    assert everything(store) == before
    assert imported(store, exported(store)) == Imported(new=0, known=9)
    running = store.claim("here", 30, 2007.0)
    assert running is not None
    store.complete(running.key, 2, 2009.0, "s3://b/k", "00")
    assert imported(store, lines) == Imported(new=0, known=9)
    assert store.get(running.key).status is Status.COMPLETED


def test_both_engines_export_the_same_lines(source: Store, postgres: Postgres) -> None:
    lines = exported(source)
    other = Store.open(postgres.database())
    imported(other, lines)
    again = Store.open(str(source.database._engine.url).replace("source.db", "again.db"))
    imported(again, exported(other))
    assert exported(again) == exported(other)
    settled = [
        index for index, line in enumerate(lines) if b"running" not in line and b"stopping" not in line
    ]
    assert [exported(again)[index] for index in settled] == [lines[index] for index in settled]
    other.close()
    again.close()


def test_names_in_use_by_other_jobs_are_all_told_and_nothing_is_added(
    source: Store, store: Store, new_job: NewJob
) -> None:
    store.add(new_job("failed", created=5.0), {})
    store.add(new_job("queued", created=6.0), {})
    before = everything(store)
    with pytest.raises(ClientError) as refused:
        imported(store, exported(source))
    assert refused.value.problems == (
        "line 2: job failed (account 000000000000, us-east-1) is here already: "
        "its event 1 is 'created' at 5.0, in the file 'created' at 1001.25.",
        "line 8: job queued (account 000000000000, us-east-1) is here already: "
        "its event 1 is 'created' at 6.0, in the file 'created' at 1000.25.",
    )
    assert everything(store) == before


def changed(line: bytes, **changes: Any) -> bytes:
    return json.dumps(json.loads(line) | changes).encode()


def test_all_problems_of_a_file_are_told_at_once(source: Store, store: Store) -> None:
    lines = exported(source)
    job = json.loads(lines[0])["job"]
    lines[0] = changed(lines[0], job=job | {"status": "BROKEN", "version": "1", "more": 1})
    lines[1] = b'{"account": '
    lines[2] = b"[]"
    lines[3] = changed(lines[3], events=[{"time": -1, "kind": "x"}], name="bad name", tags={"k": 1})
    lines[4] = changed(lines[4], account=None)
    lines.append(lines[5])
    with pytest.raises(ClientError) as refused:
        imported(store, lines)
    statuses = "STARTING, INPROGRESS, COMPLETED, FAILED, STOPPING, STOPPED"
    assert list(refused.value.problems) == [
        f"line 1: job.more is unknown, expected only {', '.join(job)}.",
        f'line 1: job.status is "BROKEN", expected one of {statuses}.',
        'line 1: job.version is "1", expected a whole number.',
        "line 2: the line is not JSON: unexpected end of data: line 1 column 13 (char 12).",
        "line 3: the line is [], expected an object.",
        'line 4: name is "bad name", expected the name of a job.',
        'line 4: tags is {"k":1}, expected an object of texts.',
        "line 4: events[0].time is -1, expected epoch seconds.",
        "line 4: events[0].detail is missing, expected an object.",
        "line 5: account is null, expected 12 digits.",
        "line 10: job stopping (account 000000000000, us-east-1) is on line 6 too.",
    ]
    assert everything(store) == []


def test_of_very_many_problems_the_first_are_told(store: Store) -> None:
    with pytest.raises(ClientError) as refused:
        imported(store, [b"{"] * 250)
    assert len(refused.value.problems) == 101
    assert refused.value.problems[-1] == "... and 150 more problems."


@pytest.mark.parametrize(
    "line", [b"1", b"null", b'"x"', b'{"job": 1}', b"\xff", b'{"tags": [], "events": {}}']
)
def test_no_line_is_too_odd(store: Store, line: bytes) -> None:
    with pytest.raises(ClientError, match="line 1: "):
        imported(store, [line])


def test_the_name_of_a_deleted_job_can_be_imported_and_used(
    source: Store, store: Store, new_job: NewJob
) -> None:
    imported(store, exported(source))
    store.add(new_job("deleted", created=3000.0), {})
    assert store.get(JobKey(ACCOUNT, REGION, "deleted")).creation_time == 3000.0
