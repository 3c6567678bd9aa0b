from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from tinsmith.jobs.job import Job, Status
from tinsmith.jobs.store import Cursor, JobQuery, Store

ACCOUNT, REGION = "000000000000", "us-east-1"
NewJob = Callable[..., Job]
SortBy = Literal["CreationTime", "Name", "Status"]


def names(store: Store, limit: int = 100, **query: object) -> list[str]:
    """All pages of a listing, one after the other."""
    found: list[str] = []
    after: Cursor | None = None
    while True:
        page = store.list(JobQuery(ACCOUNT, REGION, limit=limit, after=after, **query))  # type: ignore[arg-type]
        assert len(page.jobs) <= limit
        found += [job.key.name for job in page.jobs]
        if page.next is None:
            return found
        assert len(page.jobs) == limit
        after = page.next


@pytest.mark.parametrize("sort_by", ["CreationTime", "Name", "Status"])
@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 10, 11])
def test_pages_of_any_size_give_the_same_order(
    store: Store, new_job: NewJob, sort_by: SortBy, ascending: bool, limit: int
) -> None:
    created = [5.0, 5.0, 5.0, 1.0, 2.5, 2.5, 9.0, 9.0, 0.5, 5.0]
    jobs = [new_job(f"j{index}", created=time) for index, time in enumerate(created)]
    for job in jobs:
        store.add(job, {})
    for job in jobs[::3]:
        store.request_stop(job.key, 20.0)
    values: dict[SortBy, Callable[[Job], object]] = {
        "CreationTime": lambda job: (job.creation_time, job.key.name),
        "Name": lambda job: job.key.name,
        "Status": lambda job: ("STOPPING" if job in jobs[::3] else "STARTING", job.key.name),
    }
    expected = sorted(jobs, key=values[sort_by], reverse=not ascending)  # type: ignore[arg-type]
    assert names(store, limit, sort_by=sort_by, ascending=ascending) == [job.key.name for job in expected]


def test_jobs_added_or_deleted_between_pages_shift_nothing(store: Store, new_job: NewJob) -> None:
    for index in range(6):
        store.add(new_job(f"j{index}", created=10.0 + index), {})
    first = store.list(JobQuery(ACCOUNT, REGION, limit=3))
    assert [job.key.name for job in first.jobs] == ["j0", "j1", "j2"]
    store.add(new_job("early", created=1.0), {})
    last = first.jobs[-1]
    store.request_stop(last.key, 20.0)
    store.stopped(last.key, 0, 20.0)
    store.delete(last.key)
    second = store.list(JobQuery(ACCOUNT, REGION, limit=3, after=first.next))
    assert [job.key.name for job in second.jobs] == ["j3", "j4", "j5"]
    assert second.next is None


def test_filters_are_strict_and_combine(store: Store, new_job: NewJob) -> None:
    for name, created in (("alpha", 10.0), ("alphabet", 20.0), ("Alpha", 30.0), ("beta", 20.0)):
        store.add(new_job(name, created=created), {})
    store.add(new_job("alpha", created=20.0, account="111111111111"), {})
    store.request_stop(new_job("beta").key, 50.0)
    assert names(store, name_contains="lpha") == ["alpha", "alphabet", "Alpha"]
    assert names(store, name_contains="alpha") == ["alpha", "alphabet"]
    assert names(store, name_contains="%") == []
    assert names(store, status=Status.STOPPING) == ["beta"]
    assert names(store, creation_after=10.0, creation_before=30.0) == ["alphabet", "beta"]
    assert names(store, modified_after=30.0) == ["beta"]
    assert names(store, modified_before=20.0) == ["alpha"]
    assert names(store, name_contains="al", creation_after=10.0, status=Status.STARTING) == ["alphabet"]


def test_an_empty_store_has_one_empty_page(store: Store) -> None:
    page = store.list(JobQuery(ACCOUNT, REGION))
    assert (page.jobs, page.next) == ((), None)
