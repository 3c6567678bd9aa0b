"""What an account may have, also when many ask for the last of it at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from tinsmith.jobs.job import Job, Status
from tinsmith.jobs.query import JobQuery
from tinsmith.jobs.store import NameInUse, QuotaExceeded, Store
from tinsmith.settings import Quota, QuotaOptions

NewJob = Callable[..., Job]
OTHER = "111111111111"


@pytest.fixture
def quotas() -> QuotaOptions:
    """Of the tests' own account; others have none."""
    return QuotaOptions(accounts={"000000000000": Quota(unfinished=3, running=2, stored=5)})


@pytest.fixture
def bound(url: str, quotas: QuotaOptions, store: Store) -> Store:
    """`store` with quotas."""
    return Store(store.database, quotas)


def finish(store: Store, job: Job | None) -> None:
    assert job is not None
    store.fail(job.key, job.attempt, 3000.0, "no")


def test_unfinished_jobs_are_bound(bound: Store, new_job: NewJob) -> None:
    for index in range(3):
        bound.add(new_job(f"j{index}", created=1000.0 + index), {"k": "v"})
    with pytest.raises(QuotaExceeded) as refused:
        bound.add(new_job("more"), {"k": "v"})
    assert (refused.value.limit, refused.value.used) == (3, 3)
    assert "unfinished" in refused.value.name
    assert [event.kind for event in bound.events()] == ["created"] * 3  # the refused one left nothing
    bound.add(new_job("more", account=OTHER), {})
    running = bound.claim("w", 30, 2000.0)
    bound.request_stop(new_job("j1").key, 2000.0)
    with pytest.raises(QuotaExceeded):  # running and stopping jobs are not finished
        bound.add(new_job("more"), {})
    finish(bound, running)
    bound.add(new_job("more"), {})


def test_stored_jobs_are_bound_until_one_is_deleted(bound: Store, new_job: NewJob) -> None:
    for index in range(5):
        bound.add(new_job(f"j{index}"), {})
        finish(bound, bound.claim("w", 30, 2000.0))
    with pytest.raises(QuotaExceeded, match="stored compilation jobs") as refused:
        bound.add(new_job("more"), {})
    assert (refused.value.limit, refused.value.used) == (5, 5)
    bound.delete(new_job("j0").key)
    bound.add(new_job("more"), {})


def test_a_name_in_use_is_said_before_a_full_quota(bound: Store, new_job: NewJob) -> None:
    """A client that sends a create again, whose reply was lost, learns that its job is there."""
    for index in range(3):
        bound.add(new_job(f"j{index}"), {})
    with pytest.raises(NameInUse):
        bound.add(new_job("j2"), {})


def test_a_quota_is_one_for_all_regions(bound: Store, new_job: NewJob) -> None:
    jobs = [new_job(f"j{index}") for index in range(4)]
    jobs = [replace(job, key=replace(job.key, region=f"r{index}")) for index, job in enumerate(jobs)]
    for job in jobs[:3]:
        bound.add(job, {})
    with pytest.raises(QuotaExceeded):
        bound.add(jobs[3], {})


def test_creates_at_once_cannot_pass_a_quota(url: str, new_job: NewJob) -> None:
    """Eight threads of two services."""
    quotas = QuotaOptions(Quota(unfinished=10))
    stores = [Store.open(url, quotas) for _ in range(1 if url.startswith("sqlite") else 2)]
    start = threading.Barrier(8)

    def add_five(number: int) -> None:
        start.wait()
        for index in range(5):
            with suppress(QuotaExceeded):
                stores[number % len(stores)].add(new_job(f"j{number}-{index}"), {})

    threads = [threading.Thread(target=add_five, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores[0].list(JobQuery("000000000000", "us-east-1")).jobs) == 10
    for store in stores:
        store.close()


def test_more_than_may_run_wait_and_others_go_ahead(bound: Store, new_job: NewJob) -> None:
    for index in range(3):
        bound.add(new_job(f"j{index}", created=1000.0 + index), {})
    first, _ = bound.claim("w", 30, 2000.0), bound.claim("w", 30, 2000.0)
    assert bound.claim("w", 30, 2000.0) is None
    bound.add(new_job("later", account=OTHER), {})
    other = bound.claim("w", 30, 2000.0)
    assert other is not None
    assert other.key.account == OTHER
    finish(bound, first)
    third = bound.claim("w", 30, 2000.0)
    assert third is not None
    assert third.key.name == "j2"


def test_a_lost_attempt_keeps_its_place_among_those_that_run(bound: Store, new_job: NewJob) -> None:
    for index in range(3):
        bound.add(new_job(f"j{index}", created=1000.0 + index), {})
    first, second = bound.claim("w", 30, 2000.0), bound.claim("w", 300, 2000.0)
    assert first is not None
    assert second is not None
    bound.release(second.key, 1, 2001.0)
    again = [bound.claim("w", 300, 2001.0), bound.claim("w", 300, 2031.0)]  # released, then expired
    assert [job and (job.key, job.attempt) for job in again] == [(second.key, 2), (first.key, 2)]
    assert bound.claim("w", 300, 2031.0) is None


def test_claims_at_once_cannot_pass_a_quota(url: str, new_job: NewJob) -> None:
    stores = [Store.open(url, QuotaOptions(Quota(running=3)))]
    if not url.startswith("sqlite"):
        stores.append(Store.open(url, QuotaOptions(Quota(running=3))))
    for index in range(20):
        stores[0].add(new_job(f"j{index}"), {})
    start = threading.Barrier(6)

    def claim_three(number: int) -> None:
        start.wait()
        for _ in range(3):
            stores[number % len(stores)].claim(f"w{number}", 30, 2000.0)

    threads = [threading.Thread(target=claim_three, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running = JobQuery("000000000000", "us-east-1", status=Status.INPROGRESS)
    assert len(stores[0].list(running).jobs) == 3
    for store in stores:
        store.close()
