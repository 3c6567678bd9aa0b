from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tinsmith.jobs.job import Job, JobKey, Status
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
    text = odd.replace("\0", "")  # the API takes no such tag
    store.add(job, {"k": text})
    assert store.get(job.key) == job
    assert store.tags(job.arn) == {"k": text}


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


@pytest.mark.parametrize(
    ("limits", "until"),
    [
        ({"MaxWaitTimeInSeconds": 60, "MaxRuntimeInSeconds": 5}, 1060.25),
        ({"MaxWaitTimeInSeconds": 3600, "MaxPendingTimeInSeconds": 1800}, 2800.25),
        ({"MaxWaitTimeInSeconds": 900, "MaxPendingTimeInSeconds": 1800}, 1900.25),
    ],
)
def test_the_earlier_of_two_limits_ends_the_pending(
    store: Store, new_job: NewJob, limits: dict[str, int], until: float
) -> None:
    store.add(new_job("bound", StoppingCondition=limits), {})
    assert store.pending_too_long(until - 0.25) == []
    assert [job.key.name for job in store.pending_too_long(until)] == ["bound"]


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
