from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from tinsmith.jobs.job import TERMINAL, TRANSITIONS, Job, JobKey, Status
from tinsmith.jobs.store import (
    MAX_TAGS,
    JobNotFound,
    NameInUse,
    StaleAttempt,
    Store,
    TooManyTags,
    WrongStatus,
)

NewJob = Callable[..., Job]


def kinds(store: Store, key: JobKey | None = None) -> list[str]:
    return [event.kind for event in store.events(key)]


def claimed(store: Store, job: Job, now: float = 2000.0, owner: str = "w") -> Job:
    store.add(job, {})
    taken = store.claim(owner, 30, now)
    assert taken is not None
    assert taken.key == job.key
    return taken


def test_what_was_added_is_read_back_unchanged(store: Store, new_job: NewJob) -> None:
    odd = "ä\u0000😀'\"\\ \n"
    job = replace(
        new_job("a", InputConfig={"DataInputConfig": odd, "n": [1, 2.5, None]}), inference_image="repo/x:1"
    )
    store.add(job, {"k": odd})
    assert store.get(job.key) == job
    assert store.tags(job.arn) == {"k": odd}


def test_a_name_is_unique_within_account_and_region(store: Store, new_job: NewJob) -> None:
    first = new_job("a")
    store.add(first, {})
    with pytest.raises(NameInUse) as refused:
        store.add(new_job("a", created=2000.0), {"k": "v"})
    assert refused.value.job == first
    assert store.tags(first.arn) == {}
    assert kinds(store) == ["created"]
    store.add(new_job("a", account="111111111111"), {})
    store.add(new_job("A"), {})


def test_unknown_jobs_are_not_found(store: Store, new_job: NewJob) -> None:
    job = new_job("gone")
    for ask in (store.get, store.delete, lambda key: store.request_stop(key, 1.0)):
        with pytest.raises(JobNotFound):
            ask(job.key)
    for ask_arn in (store.tags, lambda arn: store.put_tags(arn, {}), lambda arn: store.remove_tags(arn, [])):
        with pytest.raises(JobNotFound):
            ask_arn(job.arn)
    with pytest.raises(StaleAttempt):
        store.complete(job.key, 1, 1.0, "s3://b/k", "00")


def test_claim_takes_the_oldest_and_sets_whole_second_times(store: Store, new_job: NewJob) -> None:
    store.add(new_job("young", created=1001.5), {})
    store.add(new_job("old", created=1000.25), {})
    old = store.claim("w", 30, 2000.75)
    assert old is not None
    assert (old.key.name, old.status, old.attempt) == ("old", Status.INPROGRESS, 1)
    assert (old.start_time, old.last_modified_time, old.lease_until) == (2000.0, 2000.0, 2030.75)
    young = store.claim("w", 30, 1001.75)
    assert young is not None
    assert young.start_time == 1002.0  # a start is never shown before the creation
    assert store.claim("w", 30, 1002.0) is None


def test_an_expired_lease_is_claimed_again_and_fences_the_first(store: Store, new_job: NewJob) -> None:
    first = claimed(store, new_job("a"), now=2000.0)
    assert store.claim("other", 30, 2029.9) is None
    second = store.claim("other", 30, 2030.0)
    assert second is not None
    assert (second.attempt, second.start_time) == (2, first.start_time)
    with pytest.raises(StaleAttempt):
        store.heartbeat(first.key, 1, "w", 3000.0)
    with pytest.raises(StaleAttempt):
        store.complete(first.key, 1, 2031.0, "s3://b/k", "00")
    with pytest.raises(StaleAttempt):
        store.fail(first.key, 1, 2031.0, "no")
    done = store.complete(first.key, 2, 2031.5, "s3://b/k", "0f", "{}")
    assert (done.status, done.artifact_uri, done.artifact_digest) == (Status.COMPLETED, "s3://b/k", "0f")
    assert (done.derived_data_input_config, done.end_time, done.lease_owner) == ("{}", 2031.0, None)
    assert store.get(first.key) == done


def test_heartbeat_extends_the_lease_for_its_owner_alone(store: Store, new_job: NewJob) -> None:
    job = claimed(store, new_job("a"), now=2000.0)
    assert store.heartbeat(job.key, 1, "w", 2100.0).lease_until == 2100.0
    assert store.claim("other", 30, 2099.0) is None
    with pytest.raises(StaleAttempt):
        store.heartbeat(job.key, 1, "other", 2200.0)
    assert store.get(job.key).last_modified_time == job.last_modified_time


def test_a_stop_wins_over_the_end_of_the_attempt(store: Store, new_job: NewJob) -> None:
    job = claimed(store, new_job("a"))
    assert store.request_stop(job.key, 2005.5).last_modified_time == 2005.5
    again = store.request_stop(job.key, 2009.0)
    assert (again.status, again.last_modified_time) == (Status.STOPPING, 2005.5)
    assert store.heartbeat(job.key, 1, "w", 2040.0).status is Status.STOPPING
    with pytest.raises(WrongStatus):
        store.complete(job.key, 1, 2006.0, "s3://b/k", "00")
    with pytest.raises(WrongStatus):
        store.fail(job.key, 1, 2006.0, "no")
    stopped = store.stopped(job.key, 1, 2007.9)
    assert (stopped.status, stopped.end_time, stopped.last_modified_time) == (Status.STOPPED, 2007.0, 2007.0)
    with pytest.raises(WrongStatus):
        store.request_stop(job.key, 2010.0)


def test_stopping_jobs_without_an_owner_are_found(store: Store, new_job: NewJob) -> None:
    running = claimed(store, new_job("running"), now=2000.0)
    queued = new_job("queued")
    store.add(queued, {})
    for key in (running.key, queued.key):
        store.request_stop(key, 2001.0)
    assert [job.key for job in store.stopping_unowned(2029.0)] == [queued.key]
    assert [job.key.name for job in store.stopping_unowned(2030.0)] == ["running", "queued"]
    stopped = store.stopped(queued.key, 0, 2002.0)
    assert (stopped.start_time, stopped.end_time) == (None, 2002.0)
    assert store.claim("w", 30, 5000.0) is None  # a stopping job is never run again


def test_a_released_job_can_be_claimed_at_once(store: Store, new_job: NewJob) -> None:
    job = claimed(store, new_job("a"), now=2000.0)
    assert [held.key for held in store.held("w")] == [job.key]
    store.release(job.key, 1, 2001.0, "killed by signal 9")
    assert store.held("w") == []
    again = store.claim("w", 30, 2001.0)
    assert again is not None
    assert again.attempt == 2
    assert store.events(job.key)[2].detail == {
        "status": "INPROGRESS",
        "attempt": 1,
        "cause": "killed by signal 9",
    }


def test_only_a_queued_job_fails_without_an_attempt(store: Store, new_job: NewJob) -> None:
    job = new_job("a")
    store.add(job, {})
    failed = store.fail(job.key, 0, 1500.0, "ClientError: TimeOut: pending too long")
    assert (failed.status, failed.start_time, failed.failure_reason) == (
        Status.FAILED,
        None,
        "ClientError: TimeOut: pending too long",
    )


def test_jobs_pending_beyond_their_own_limit_are_found(store: Store, new_job: NewJob) -> None:
    store.add(new_job("bound", StoppingCondition={"MaxPendingTimeInSeconds": 1800}), {})
    store.add(new_job("unbound"), {})
    assert store.pending_too_long(2800.0) == []
    assert [job.key.name for job in store.pending_too_long(2800.25)] == ["bound"]


def test_only_finished_jobs_are_deleted_and_the_name_is_free_again(store: Store, new_job: NewJob) -> None:
    job = claimed(store, new_job("a"))
    store.put_tags(job.arn, {"k": "v"})
    with pytest.raises(WrongStatus):
        store.delete(job.key)
    store.fail(job.key, 1, 2001.0, "no")
    store.delete(job.key, 2002.0)
    with pytest.raises(JobNotFound):
        store.get(job.key)
    assert kinds(store, job.key) == ["created", "claimed", "failed", "deleted"]
    store.add(new_job("a"), {})
    assert store.tags(job.arn) == {}


def test_times_never_run_backwards(store: Store, new_job: NewJob) -> None:
    job = claimed(store, new_job("a", created=1000.25), now=10.0)
    assert job.start_time == 1001.0
    assert store.request_stop(job.key, 5.0).last_modified_time == 1001.0
    assert store.stopped(job.key, 1, 1.0).end_time == 1001.0


def test_tags_are_overwritten_in_place_and_limited(store: Store, new_job: NewJob) -> None:
    job = new_job("MixedCase")
    store.add(job, {"a": "1", "b": "2"})
    assert store.put_tags(job.arn, {"c": "3", "a": "9"}) == {"a": "9", "b": "2", "c": "3"}
    store.remove_tags(job.arn, ["b", "unknown"])
    assert list(store.tags(job.arn).items()) == [("a", "9"), ("c", "3")]
    with pytest.raises(TooManyTags):
        store.put_tags(job.arn, {f"t{index}": "" for index in range(MAX_TAGS - 1)})
    assert len(store.put_tags(job.arn, {f"t{index}": "" for index in range(MAX_TAGS - 2)})) == MAX_TAGS
    with pytest.raises(TooManyTags):
        store.add(new_job("b"), {f"t{index}": "" for index in range(MAX_TAGS + 1)})
    with pytest.raises(JobNotFound):
        store.get(new_job("b").key)


def test_an_arn_in_lower_case_finds_its_job(store: Store, new_job: NewJob) -> None:
    job = new_job("MixedCase")
    store.add(job, {"a": "1"})
    assert store.tags(job.arn.lower()) == {"a": "1"}
    store.add(new_job("mixedcase"), {"exact": ""})
    assert store.tags(job.arn.lower()) == {"exact": ""}


def test_events_are_numbered_and_paged(store: Store, new_job: NewJob) -> None:
    for index in range(5):
        store.add(new_job(f"j{index}"), {})
    first = store.events(limit=2)
    assert [event.key.name for event in first] == ["j0", "j1"]
    rest = store.events(after=first[-1].seq)
    assert [event.key.name for event in rest] == ["j2", "j3", "j4"]
    assert [event.key.name for event in store.events(new_job("j3").key)] == ["j3"]


NAMES = ("a", "b")
OWNERS = ("w1", "w2")


class Lifecycle(RuleBasedStateMachine):
    """Random operations on a store and on a dictionary; both must agree on every answer and state."""

    handles = Bundle("handles")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store.open(f"sqlite:///{Path(self.folder.name) / 'jobs.db'}")
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


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
