"""What is PostgreSQL's own: row locks, lost connections, events that are committed out of turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from tests.postgres import INSTALLED, Postgres
from tinsmith.errors import InternalError
from tinsmith.jobs import postgresql, schema
from tinsmith.jobs.job import Job, Status
from tinsmith.jobs.store import NameInUse, Store

NewJob = Callable[..., Job]


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture
def other(url: str) -> Iterator[Store]:
    """A second service's store on the same database."""
    store = Store.open(url)
    yield store
    store.close()


@pytest.fixture
def own() -> Iterator[Postgres]:
    """A server that the test may stop."""
    if not INSTALLED:
        pytest.skip("PostgreSQL is not installed")
    server = Postgres(INSTALLED[-1])
    yield server
    server.remove()


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(
        InternalError, match=r"postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/db does not answer"
    ):
        Store.open("postgresql://me:secret@127.0.0.1:1/db")


def test_names_are_unique_across_services(store: Store, other: Store, new_job: NewJob) -> None:
    store.add(new_job("a"), {})
    with pytest.raises(NameInUse):
        other.add(new_job("a"), {})


def test_a_claim_passes_over_a_row_that_another_service_holds(
    store: Store, other: Store, new_job: NewJob
) -> None:
    store.add(new_job("first", created=1.0), {})
    store.add(new_job("second", created=2.0), {})
    with store.database.writing() as connection:
        connection.execute(select(schema.job).where(schema.job.c.name == "first").with_for_update())
        claimed = other.claim("w", 30, 1000.0)
        assert claimed is not None
        assert claimed.key.name == "second"
        assert other.claim("w", 30, 1000.0) is None
    assert other.claim("w", 30, 1000.0) is not None


def test_changes_of_one_job_take_turns(store: Store, other: Store, new_job: NewJob) -> None:
    """Many services' heartbeats and stops of one job: none finds the row changed under it."""
    job = new_job("a")
    store.add(job, {})
    assert store.claim("w", 30, 1000.0) is not None
    errors: list[Exception] = []

    def beat(store: Store) -> None:
        try:
            for until in range(50):
                store.heartbeat(job.key, 1, "w", 2000.0 + until)
                store.put_tags(job.arn, {f"t{until % 7}": "x"})
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=beat, args=(each,)) for each in (store, other, store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.get(job.key).version == 2 + 200
    assert sorted(store.tags(job.arn)) == [f"t{index}" for index in range(7)]


def test_no_event_appears_before_one_that_was_read(store: Store, other: Store, new_job: NewJob) -> None:
    """A transaction that took a number first and commits last."""
    values = {"account": "0", "region": "r", "name": "late", "time": 1.0, "kind": "created", "detail": {}}
    seen: list[str] = []
    with store.database.writing() as connection:
        connection.execute(insert(schema.event).values(values))
        other.add(new_job("early"), {})
        reader = threading.Thread(target=lambda: seen.extend(each.key.name for each in other.events()))
        reader.start()
        reader.join(0.3)
        assert seen == []
    reader.join()
    assert seen == ["late", "early"]


def test_lost_connections_are_made_again(
    own: Postgres, new_job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "PAUSES", (0.1,) * 300)  # however slow the machine
    url = own.database()
    store = Store.open(url)
    store.add(new_job("a"), {})
    own.stop()
    with ThreadPoolExecutor(1) as pool:  # a server that another thread starts would end with that thread
        reading = pool.submit(store.get, new_job("a").key)
        time.sleep(0.5)
        own.start()
        assert reading.result().status is Status.STARTING
    store.add(new_job("b"), {})
    own.stop()
    own.start()
    claimed = store.claim("w", 30, 2000.0)  # its pooled connections are dead, which only their use shows
    assert claimed is not None
    assert store.request_stop(claimed.key, 2001.0).status is Status.STOPPING
    store.close()


def test_a_server_that_stays_away_is_an_error(own: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(own.database())
    own.stop()
    monkeypatch.setattr(postgresql, "PAUSES", (0.01, 0.01))
    with pytest.raises(OperationalError):
        store.claim("w", 30, 1.0)
    store.close()


def test_a_commit_of_unknown_outcome_is_not_tried_again(postgres: Postgres, store: Store, url: str) -> None:
    runs = 0

    def change(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        postgres.execute(f"SELECT pg_terminate_backend({pid})")
        time.sleep(0.1)

    with pytest.raises(DBAPIError):
        store.database.write(change)
    assert runs == 1


def test_a_deadlock_is_resolved_by_another_try(store: Store, other: Store, new_job: NewJob) -> None:
    for name in ("a", "b"):
        store.add(new_job(name), {})
    meet = threading.Barrier(2)
    runs: list[str] = []

    def lock_both(first: str, second: str) -> Callable[[Connection], None]:
        def change(connection: Connection) -> None:
            runs.append(first)
            for name in (first, second):
                connection.execute(select(schema.job).where(schema.job.c.name == name).with_for_update())
                if len(runs) <= 2 and name == first:
                    meet.wait(10)

        return change

    threads = [
        threading.Thread(target=store.database.write, args=(lock_both("a", "b"),)),
        threading.Thread(target=other.database.write, args=(lock_both("b", "a"),)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 3


def test_errors_of_the_change_are_not_tried_again(store: Store) -> None:
    runs = 0

    def change(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        for _ in range(2):
            connection.exec_driver_sql("INSERT INTO job_event VALUES (1, '', '', '', 1, '', '{}')")

    with pytest.raises(IntegrityError):
        store.database.write(change)
    assert runs == 1


def test_text_with_nul_is_stored_without_it(store: Store, new_job: NewJob) -> None:
    job = new_job("a")
    store.add(job, {})
    assert store.claim("w", 30, 2000.0) is not None
    assert store.fail(job.key, 1, 2001.0, "bad\0model").status is Status.FAILED
    assert store.get(job.key).failure_reason == "bad\ufffdmodel"


def test_lists_are_sorted_by_bytes_whatever_the_locale(store: Store, url: str) -> None:
    with psycopg.connect(url) as connection:
        collations = connection.execute(
            "SELECT attname, collname FROM pg_attribute JOIN pg_collation c ON c.oid = attcollation "
            "WHERE attrelid = 'job'::regclass AND attname IN ('name', 'status', 'account', 'region')"
        ).fetchall()
    assert sorted(collations) == [(name, "C") for name in ("account", "name", "region", "status")]
