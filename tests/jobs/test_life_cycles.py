"""Random lives of jobs, in a store of each engine and in a dictionary."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.postgres import Postgres
from tinsmith.jobs.job import TERMINAL, TRANSITIONS, Job, JobKey, Status
from tinsmith.jobs.store import JobNotFound, NameInUse, StaleAttempt, Store, WrongStatus

NAMES = ("a", "b")
OWNERS = ("w1", "w2")


class Lifecycle(RuleBasedStateMachine):
    """Random operations on a store and on a dictionary; both must agree on every answer and state."""

    handles = Bundle("handles")

    def open_store(self) -> Store:
        self.folder = tempfile.TemporaryDirectory()
        return Store.open(f"sqlite:///{Path(self.folder.name) / 'jobs.db'}")

    @initialize()
    def open(self) -> None:
        self.store = self.open_store()
        self.now = 1000.0
        self.model: dict[str, Job] = {}
        self.events = 0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(seconds=st.sampled_from([0.0, 0.25, 29.75, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=st.sampled_from(NAMES))
    def add(self, name: str) -> None:
        job = conftest_job(name, self.now)
        if name in self.model:
            with pytest.raises(NameInUse):
                self.store.add(job, {})
        else:
            self.store.add(job, {})
            self.model[name] = job
            self.events += 1

    @rule(target=handles, owner=st.sampled_from(OWNERS))
    def claim(self, owner: str) -> Any:
        expired = [
            job
            for job in self.model.values()
            if job.status == "INPROGRESS" and (job.lease_until is None or job.lease_until <= self.now)
        ]
        queued = [job for job in self.model.values() if job.status == "STARTING"]
        expected = min(expired or queued, key=lambda job: job.creation_time, default=None)
        job = self.store.claim(owner, 30, self.now)
        if expected is None:
            assert job is None
            return multiple()
        assert job is not None
        assert job.attempt == self.model[job.key.name].attempt + 1
        assert job.creation_time == expected.creation_time
        assert (job.lease_owner, job.lease_until) == (owner, self.now + 30)
        self.advance(job, Status.INPROGRESS)
        return (job.key.name, job.attempt, owner)

    @rule(handle=handles)
    def heartbeat(self, handle: tuple[str, int, str]) -> None:
        name, attempt, owner = handle
        before = self.model.get(name)
        live = before and before.attempt == attempt and before.lease_owner == owner
        if before and live and before.status not in TERMINAL:
            after = self.store.heartbeat(before.key, attempt, owner, self.now + 30)
            assert after.status is before.status
            self.model[name] = after
        else:
            with pytest.raises(StaleAttempt):
                self.store.heartbeat(conftest_job(name, 0).key, attempt, owner, self.now + 30)

    @rule(handle=handles, to=st.sampled_from([Status.COMPLETED, Status.FAILED, Status.STOPPED]))
    def finish(self, handle: tuple[str, int, str], to: Status) -> None:
        name, attempt, _ = handle
        key = conftest_job(name, 0).key
        before = self.model.get(name)

        def call() -> Job:
            if to is Status.COMPLETED:
                return self.store.complete(key, attempt, self.now, "s3://b/k", "00")
            if to is Status.FAILED:
                return self.store.fail(key, attempt, self.now, "reason")
            return self.store.stopped(key, attempt, self.now)

        if before is None or before.attempt != attempt:
            with pytest.raises(StaleAttempt):
                call()
        elif to not in TRANSITIONS[before.status]:
            with pytest.raises(WrongStatus):
                call()
        else:
            after = call()
            assert after.end_time is not None
            assert after.lease_owner is None
            self.advance(after, to)

    @rule(handle=handles)
    def release(self, handle: tuple[str, int, str]) -> None:
        name, attempt, _ = handle
        key = conftest_job(name, 0).key
        before = self.model.get(name)
        if before is None or before.attempt != attempt:
            with pytest.raises(StaleAttempt):
                self.store.release(key, attempt, self.now)
        elif before.status in TERMINAL:
            with pytest.raises(WrongStatus):
                self.store.release(key, attempt, self.now)
        else:
            self.advance(self.store.release(key, attempt, self.now), before.status)

    @rule(name=st.sampled_from(NAMES))
    def request_stop(self, name: str) -> None:
        before = self.model.get(name)
        if before is None:
            with pytest.raises(JobNotFound):
                self.store.request_stop(conftest_job(name, 0).key, self.now)
        elif before.status in TERMINAL:
            with pytest.raises(WrongStatus):
                self.store.request_stop(before.key, self.now)
        elif before.status is Status.STOPPING:
            assert self.store.request_stop(before.key, self.now) == before
        else:
            self.advance(self.store.request_stop(before.key, self.now), Status.STOPPING)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        before = self.model.get(name)
        if before is None:
            with pytest.raises(JobNotFound):
                self.store.delete(conftest_job(name, 0).key)
        elif before.status not in TERMINAL:
            with pytest.raises(WrongStatus):
                self.store.delete(before.key)
        else:
            self.store.delete(before.key, self.now)
            del self.model[name]
            self.events += 1

    def advance(self, after: Job, to: Status) -> None:
        before = self.model[after.key.name]
        assert after.status is to
        assert after.version > before.version
        assert after.last_modified_time >= before.last_modified_time
        self.model[after.key.name] = after
        self.events += 1

    @invariant()
    def agrees(self) -> None:
        for name in NAMES:
            key = conftest_job(name, 0).key
            if name in self.model:
                assert self.store.get(key) == self.model[name]
            else:
                with pytest.raises(JobNotFound):
                    self.store.get(key)
        assert len(self.store.events(limit=10_000)) == self.events


def conftest_job(name: str, created: float) -> Job:
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:compilation-job/{name}"
    key = JobKey("000000000000", "us-east-1", name)
    return Job(key, arn, {"CompilationJobName": name}, Status.STARTING, 1, 0, created, created)


LIVES = settings(max_examples=25, stateful_step_count=30, deadline=None)
FEWER = settings(LIVES, max_examples=10)


def test_sqlite() -> None:
    run_state_machine_as_test(Lifecycle, settings=LIVES)


def test_postgresql(postgres: Postgres) -> None:
    url = postgres.database()
    store = Store.open(url)

    class OnPostgres(Lifecycle):
        def open_store(self) -> Store:
            postgres.execute("TRUNCATE job, job_tag, job_event RESTART IDENTITY")
            return store

        def teardown(self) -> None:
            pass

    run_state_machine_as_test(OnPostgres, settings=FEWER)
    store.close()
