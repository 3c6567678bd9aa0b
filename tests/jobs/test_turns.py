"""A flood of one account does not starve another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

from tinsmith.jobs import turns
from tinsmith.jobs.job import Job
from tinsmith.jobs.rows import insert_job
from tinsmith.jobs.store import Store

NewJob = Callable[..., Job]
A, B, C = "000000000000", "111111111111", "222222222222"


def flood(store: Store, new_job: NewJob, account: str, count: int = 1000) -> None:
    jobs = [new_job(f"j{index}", created=1000.0 + index, account=account) for index in range(count)]

    def insert(connection: Connection) -> None:
        for job in jobs:
            insert_job(connection, job, {})

    store.database.write(insert)


def claim(store: Store) -> Job:
    job = store.claim("w", 30, 9000.0)
    assert job is not None
    return job


def names(jobs: list[Job]) -> list[tuple[str, str]]:
    return [(job.key.account, job.key.name) for job in jobs]


@pytest.mark.parametrize(("flooder", "other"), [(A, B), (B, A)])
def test_one_job_is_next_behind_a_thousand_of_another_account(
    store: Store, new_job: NewJob, flooder: str, other: str
) -> None:
    flood(store, new_job, flooder)
    running = [claim(store), claim(store)]
    store.add(new_job("only", created=8000.0, account=other), {})
    assert names([*running, claim(store), claim(store)]) == [
        (flooder, "j0"), (flooder, "j1"), (other, "only"), (flooder, "j2"),
    ]  # fmt: skip


def test_accounts_take_turns_where_one_job_runs_at_a_time(store: Store, new_job: NewJob) -> None:
    for account in (C, A, B):
        flood(store, new_job, account, 4)
    order = []
    for _ in range(8):
        job = claim(store)
        order.append(job)
        store.fail(job.key, job.attempt, 9001.0, "no")
    assert [job.key.account for job in order] == [A, B, C, A, B, C, A, B]
    assert [job.key.name for job in order[::3]] == ["j0", "j1", "j2"]


def test_the_account_with_the_fewest_running_jobs_is_next(store: Store, new_job: NewJob) -> None:
    flood(store, new_job, A, 5)
    first, second, third = claim(store), claim(store), claim(store)
    flood(store, new_job, B, 4)
    assert names([claim(store), claim(store)]) == [(B, "j0"), (B, "j1")]
    store.request_stop(first.key, 9000.0)  # which still holds its place
    assert names([claim(store)]) == [(B, "j2")]
    store.stopped(first.key, 1, 9001.0)
    store.release(second.key, 1, 9001.0)
    assert claim(store).key == second.key  # what was lost is run again first
    store.fail(third.key, 1, 9001.0, "no")
    assert names([claim(store)]) == [(A, "j3")]


def test_a_job_that_does_not_fit_is_not_overtaken(store: Store, new_job: NewJob) -> None:
    flood(store, new_job, A, 2)
    flood(store, new_job, B, 2)
    assert store.claim("w", 30, 9000.0, lambda job: job.key.account != A) is None
    assert [event.kind for event in store.events()] == []
    assert names([claim(store)]) == [(A, "j0")]


def test_turns_are_found_in_indexes(store: Store, new_job: NewJob) -> None:
    """No look at all the queued jobs, however many there are."""
    if store.database.changed_by_others:
        pytest.skip("PostgreSQL chooses by the tables' sizes")
    with store.database.reading() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {turns._TURNS.text}")).all()
    looks = [
        row.detail for row in plan if row.detail.startswith(("SEARCH job", "SCAN job", "SEARCH job_event"))
    ]
    assert looks
    assert not [look for look in looks if look.startswith("SCAN")], plan
    assert any("job_event_claim" in look for look in looks), plan
