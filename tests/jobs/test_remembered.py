from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tinsmith.jobs import remembered
from tinsmith.jobs.engines import open_database
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.remembered import Remembered
from tinsmith.jobs.store import JobNotFound, Store

NewJob = Callable[..., Job]


class Reads:
    """A store of jobs that counts how often it is asked."""

    def __init__(self, *jobs: Job) -> None:
        self.jobs = {job.key: job for job in jobs}
        self.count = 0

    def __call__(self, key: JobKey) -> Job:
        self.count += 1
        return self.jobs[key]


def test_a_job_is_read_once_until_it_changes(new_job: NewJob) -> None:
    job, jobs = new_job("a"), Remembered()
    read = Reads(job)
    assert [jobs.get(job.key, read) for _ in range(3)] == [job] * 3
    assert read.count == 1
    jobs.begin(job.key)
    assert [jobs.get(job.key, read) for _ in range(3)] == [job] * 3
    assert read.count == 4
    jobs.end(job.key)
    assert [jobs.get(job.key, read) for _ in range(3)] == [job] * 3
    assert read.count == 5


def test_two_changes_at_once_both_have_to_end(new_job: NewJob) -> None:
    job, jobs = new_job("a"), Remembered()
    read = Reads(job)
    jobs.begin(job.key)
    jobs.begin(job.key)
    jobs.end(job.key)
    for _ in range(3):
        jobs.get(job.key, read)
    assert read.count == 3
    jobs.end(job.key)
    for _ in range(3):
        jobs.get(job.key, read)
    assert read.count == 4


def test_what_was_read_before_a_change_is_not_kept(new_job: NewJob) -> None:
    old, new, jobs = new_job("a"), new_job("a", creation_time=2.0), Remembered()

    def changed_meanwhile(key: JobKey) -> Job:
        jobs.begin(key)
        jobs.end(key)
        return old

    assert jobs.get(old.key, changed_meanwhile) is old
    assert jobs.get(old.key, lambda _: new) is new


def test_the_oldest_goes_when_there_are_too_many(new_job: NewJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "SIZE", 2)
    made = [new_job(name) for name in "abc"]
    jobs, read = Remembered(), Reads(*made)
    for job in (*made, made[2], made[1], made[0]):
        jobs.get(job.key, read)
    assert read.count == 4


@pytest.fixture
def alone(tmp_path: Path) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'jobs.db'}", alone=True)


def test_every_change_of_a_job_is_seen(alone: Store, new_job: NewJob) -> None:
    job = new_job("a")
    key = job.key
    seen = []

    def look(_: object = None) -> None:
        found = alone.get(key)
        seen.append((found.status, found.attempt, found.lease_owner))

    alone.add(job, {})
    look()
    look(alone.claim("w", 30.0, 2000.0))
    look(alone.heartbeat(key, 1, "w", 2100.0))
    assert alone.get(key).lease_until == 2100.0
    look(alone.release(key, 1, 2001.0))
    look(alone.claim("v", 30.0, 2002.0))
    look(alone.request_stop(key, 2003.0))
    look(alone.stopped(key, 2, 2004.0))
    assert seen == [
        (Status.STARTING, 0, None),
        (Status.INPROGRESS, 1, "w"),
        (Status.INPROGRESS, 1, "w"),
        (Status.INPROGRESS, 1, None),
        (Status.INPROGRESS, 2, "v"),
        (Status.STOPPING, 2, "v"),
        (Status.STOPPED, 2, None),
    ]
    alone.delete(key, 2005.0)
    with pytest.raises(JobNotFound):
        alone.get(key)
    alone.add(new_job("a"), {})
    look()
    look(alone.claim("w", 30.0, 2006.0))
    alone.fail(key, 1, 2007.0, "why")
    assert alone.get(key).failure_reason == "why"
    alone.close()


def test_one_who_looks_again_and_again_never_goes_back(alone: Store, new_job: NewJob) -> None:
    job = new_job("a")
    alone.add(job, {})
    assert alone.claim("w", 30.0, 2000.0) is not None
    over, wrong = threading.Event(), []

    def look() -> None:
        last = 0
        while not over.is_set():
            version = alone.get(job.key).version
            if version < last:
                wrong.append((last, version))
            last = version

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(60):
        after = alone.heartbeat(job.key, 1, "w", 2100.0 + step)
        assert alone.get(job.key) == after
    over.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    alone.close()


def test_where_others_change_jobs_nothing_is_remembered(tmp_path: Path, new_job: NewJob) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    here, there = Store.open(url), Store(open_database(url))
    here.add(new_job("a"), {})
    assert here.get(new_job("a").key).attempt == 0
    assert there.claim("w", 30.0, 2000.0) is not None
    assert here.get(new_job("a").key).attempt == 1
    here.close()
    there.close()
