from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import IntegrityError, StatementError

from tinsmith.jobs.engines import open_database
from tinsmith.jobs.job import Job
from tinsmith.jobs.query import JobQuery
from tinsmith.jobs.sqlite import SqliteDatabase
from tinsmith.jobs.store import NameInUse, Store

NewJob = Callable[..., Job]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    database = open_database(f"sqlite:///{tmp_path / 'jobs.db'}")
    assert isinstance(database, SqliteDatabase)
    yield database
    database.close()


def test_commits_are_durable(database: SqliteDatabase) -> None:
    with database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_missing_folder_is_created(tmp_path: Path) -> None:
    Store.open(f"sqlite:///{tmp_path / 'a' / 'b' / 'jobs.db'}").close()
    assert (tmp_path / "a" / "b" / "jobs.db").is_file()


def test_changes_that_wait_share_a_commit_and_fail_alone(database: SqliteDatabase, new_job: NewJob) -> None:
    commits: list[str] = []
    event.listen(database._engine, "commit", lambda connection: commits.append("commit"))
    outcomes: list[str] = []

    def insert(name: str) -> None:
        def change(connection: Connection) -> str:
            statement = "INSERT INTO job_tag (job_id, key, value) VALUES (1, ?, '')"
            connection.exec_driver_sql(statement, (name,))
            return name

        try:
            outcomes.append(database.write(change))
        except IntegrityError:
            outcomes.append("refused")

    job = new_job("tagged")
    store = Store(database)
    store.add(job, {})
    commits.clear()
    with database.writing():
        threads = [threading.Thread(target=insert, args=(name,)) for name in ("x", "x", "y", "z")]
        for thread in threads:
            thread.start()
        while len(database._waiting) < 4:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", "x", "y", "z"]
    assert commits == ["commit", "commit"]
    assert sorted(store.tags(job.arn)) == ["x", "y", "z"]


def test_changes_of_one_who_does_not_wait_share_a_commit(database: SqliteDatabase, new_job: NewJob) -> None:
    commits: list[str] = []
    store = Store(database)
    event.listen(database._engine, "commit", lambda connection: commits.append("commit"))
    with database.writing():
        added = [store.add_soon(new_job(name), {}) for name in ("a", "b", "a", "c")]
    errors = [future.exception(timeout=30) for future in added]
    assert [type(error) for error in errors] == [type(None), type(None), NameInUse, type(None)]
    assert commits == ["commit", "commit"]
    assert [job.key.name for job in store.list(JobQuery("000000000000", "us-east-1")).jobs] == ["a", "b", "c"]


def test_after_a_failed_commit_the_next_one_is_made(database: SqliteDatabase, new_job: NewJob) -> None:
    failing = True

    def full(_: Connection) -> None:
        if failing:
            raise OSError("disk full")

    event.listen(database._engine, "commit", full)
    store = Store(database)
    with pytest.raises(OSError, match="disk full"):
        store.add(new_job("a"), {})
    with pytest.raises(OSError, match="disk full"):
        store.add_soon(new_job("a"), {}).result(timeout=30)
    failing = False
    store.add(new_job("a"), {})
    assert [event.kind for event in store.events()] == ["created"]


def test_without_a_connection_a_change_fails_and_the_next_one_is_made(
    database: SqliteDatabase, new_job: NewJob
) -> None:
    """After a failed commit the connection is made anew, which may fail as well."""
    failing = True

    def full(*_: object) -> None:
        if failing:
            raise OSError("disk full")

    event.listen(database._engine, "commit", full)
    event.listen(database._engine, "connect", full)
    store = Store(database)
    for _ in range(2):
        with pytest.raises((OSError, StatementError), match="disk full"):
            store.add_soon(new_job("a"), {}).result(timeout=30)
    failing = False
    store.add(new_job("a"), {})
    assert [event.kind for event in store.events()] == ["created"]


def test_one_who_gives_up_takes_nothing_from_the_others(database: SqliteDatabase, new_job: NewJob) -> None:
    store = Store(database)
    with database.writing():
        added = [store.add_soon(new_job(name), {}) for name in "abc"]
        assert not added[0].cancel()
    assert [future.exception(timeout=30) for future in added] == [None] * 3
    assert [job.key.name for job in store.list(JobQuery("000000000000", "us-east-1")).jobs] == ["a", "b", "c"]


def test_closing_waits_for_changes(tmp_path: Path, new_job: NewJob) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}")
    added = [store.add_soon(new_job(f"j{index}"), {}) for index in range(20)]
    store.close()
    assert [future.exception(timeout=0) for future in added] == [None] * 20


def test_a_failed_commit_is_told_to_everyone(database: SqliteDatabase) -> None:

    def fail(connection: Connection) -> None:
        raise OSError("disk full")

    event.listen(database._engine, "commit", fail)
    errors: list[str] = []

    def work() -> None:
        try:
            database.write(lambda connection: None)
        except OSError as error:
            errors.append(str(error))

    with database._lock:
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(database._waiting) < 3:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert errors == ["disk full"] * 3


def test_reads_do_not_keep_the_log_from_being_emptied(database: SqliteDatabase, new_job: NewJob) -> None:
    store = Store(database)
    job = new_job("a")
    store.add(job, {})
    store.get(job.key)
    with database._engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        busy, left, moved = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        connection.exec_driver_sql("BEGIN")
    assert (busy, left, moved) == (0, 0, 0)
