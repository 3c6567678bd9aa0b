"""Schemas of former releases are brought forward, on both engines, and no newer one is touched."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import tinsmith.identity.schema
import tinsmith.kms.schema
import tinsmith.telemetry.schema  # noqa: F401  whose tables are in the metadata then
from tinsmith.errors import InternalError
from tinsmith.identity.owner import Owner
from tinsmith.jobs import migrations, schema
from tinsmith.jobs.engines import open_database
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.migrations import HEAD, VERSIONS
from tinsmith.jobs.query import JobQuery
from tinsmith.jobs.store import Store
from tinsmith.telemetry.logs import LogStore

for package in ("identity", "kms", "telemetry"):
    import_module(f"tinsmith.{package}.schema")  # their tables are added to those of `schema`
DUMP = Path(__file__).parents[1] / "data" / "jobs-version-1.sql"
"""What the first release (PRAGMA user_version 1) wrote: jobs in every state, a deleted one, tags."""


@pytest.fixture
def first_release(tmp_path: Path) -> str:
    connection = sqlite3.connect(tmp_path / "jobs.db")
    connection.executescript(DUMP.read_text())
    connection.close()
    return f"sqlite:///{tmp_path / 'jobs.db'}"


def test_steps_form_one_line_and_their_files_have_their_numbers() -> None:
    scripts = ScriptDirectory(str(VERSIONS.parent))
    steps = list(scripts.walk_revisions())
    assert scripts.get_heads() == [HEAD]
    assert [step.revision for step in steps] == [f"{number:04d}" for number in range(len(steps), 0, -1)]
    assert [Path(step.path).name[:4] for step in steps] == [step.revision for step in steps]


def test_the_steps_make_the_tables_that_the_sources_name(store: Store) -> None:
    with store.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_a_difference_between_steps_and_sources_is_seen(store: Store) -> None:
    with store.database.writing() as connection:
        connection.execute(text("DROP INDEX job_status"))
        context = MigrationContext.configure(connection)
        assert [change[0] for change in compare_metadata(context, schema.metadata)] == ["add_index"]


def test_jobs_of_the_first_release_are_all_there(first_release: str, tmp_path: Path) -> None:
    before = sqlite3.connect(tmp_path / "jobs.db")
    rows = before.execute(
        "SELECT name, status, version, attempt, lease_owner FROM job ORDER BY id"
    ).fetchall()
    events = before.execute("SELECT seq, name, kind, time FROM job_event ORDER BY seq").fetchall()
    tags = before.execute("SELECT count(*) FROM job_tag").fetchone()[0]
    before.close()
    assert (len(rows), len(events), tags) == (8, 22, 7)
    store = Store.open(first_release)
    jobs = [
        job
        for account in ("000000000000", "111111111111")
        for job in store.list(JobQuery(account, "us-east-1")).jobs
    ]
    assert [(job.key.name, job.status, job.version, job.attempt, job.lease_owner) for job in jobs] == rows
    assert [(event.seq, event.key.name, event.kind, event.time) for event in store.events()] == events
    done = store.get(JobKey("000000000000", "us-east-1", "done"))
    assert (done.artifact_uri, done.derived_data_input_config) == ("s3://b/out/x.tar.gz", '{"x":[1,3]}')
    assert done.request["InputConfig"]["S3Uri"] == "s3://b/in/ä.tar.gz"
    assert store.tags(done.arn) == {"team": "ä'\"", "n": "0"}
    store.close()


def test_jobs_of_the_first_release_go_on(first_release: str) -> None:
    store = Store.open(first_release)
    assert [job.key.name for job in store.pending_too_long(1500.125 + 1800)] == ["queued"]
    assert store.pending_too_long(1500.125 + 1799) == []
    running = store.claim("worker-2", 30, 2031.0)
    assert running is not None
    assert (running.key.name, running.attempt) == ("running", 2)
    assert [job.key.name for job in store.stopping_unowned(2031.0)] == ["stopping"]
    queued = [store.claim("worker-2", 30, 2031.0) for _ in range(2)]
    assert [job.key.name for job in queued if job] == ["done", "queued"]  # the accounts take turns
    store.complete(running.key, 2, 2040.0, "s3://b/k", "00")
    assert store.events()[-1].seq == 26
    store.close()


def test_a_second_start_changes_nothing(url: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "run", lambda *_: pytest.fail("ran steps again"))
    Store.open(url).close()


def test_many_services_start_on_a_new_database_at_once(url: str, new_job: Callable[..., Job]) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(6)

    def open_and_add(name: str) -> None:
        start.wait()
        store = Store.open(url)
        store.add(new_job(name), {})
        outcomes.append(name)
        store.close()

    threads = [threading.Thread(target=open_and_add, args=(f"j{index}",)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = Store.open(url)
    assert Counter(event.kind for event in store.events()) == {"created": 6}
    assert len(outcomes) == 6
    store.close()


def test_a_database_of_a_newer_release_is_refused_and_left_alone(url: str, store: Store) -> None:
    with store.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(InternalError, match="has schema 0999, which a newer tinsmith wrote"):
        Store.open(url)
    with store.database.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0999"


def test_the_first_release_refuses_a_database_of_this_one(store: Store, url: str) -> None:
    """It looked for PRAGMA user_version 1."""
    if url.startswith("sqlite"):
        with store.database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA user_version").scalar() == int(HEAD) > 1


def test_a_step_that_fails_leaves_the_former_schema(
    first_release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = migrations.run

    def fail_at_the_end(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        raise OSError("disk full")

    monkeypatch.setattr(migrations, "run", fail_at_the_end)
    with pytest.raises(OSError, match="disk full"):
        open_database(first_release)
    connection = sqlite3.connect(tmp_path / "jobs.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(job)")]
    assert "pending_until" not in columns
    assert connection.execute("SELECT count(*) FROM job").fetchone() == (8,)
    connection.close()
    monkeypatch.undo()
    store = Store.open(first_release)
    assert store.get(JobKey("000000000000", "us-east-1", "done")).status is Status.COMPLETED
    store.close()


def test_queued_jobs_get_their_longest_wait(url: str, store: Store, new_job: Callable[..., Job]) -> None:
    """Before schema 6 MaxWaitTimeInSeconds did not count."""
    for name, limits in (
        ("wait", {"MaxWaitTimeInSeconds": 60}),
        ("both", {"MaxWaitTimeInSeconds": 90, "MaxPendingTimeInSeconds": 1800}),
        ("pending", {"MaxPendingTimeInSeconds": 1800}),
        ("none", {}),
    ):
        store.add(new_job(name, StoppingCondition=limits), {})
    with store.database.writing() as connection:
        connection.execute(text("DROP INDEX job_queue"))
        connection.execute(text("DROP INDEX job_event_claim"))
        connection.execute(text("CREATE INDEX job_queue ON job (status, creation_time)"))
        connection.execute(text("UPDATE job SET pending_until = NULL WHERE name IN ('wait', 'both')"))
        migrations.run(connection, "0005", "0006")
        until = connection.execute(text("SELECT name, pending_until FROM job")).all()
    assert {row.name: row.pending_until for row in until} == {
        "wait": 1060.25, "both": 1090.25, "pending": 2800.25, "none": None,
    }  # fmt: skip


def test_log_groups_get_the_bytes_that_they_hold(url: str, store: Store) -> None:
    """Before schema 7 nobody counted."""
    owner, logs = Owner("000000000000", "us-east-1"), LogStore(store.database)
    for group, lines in (("held", ("ä", "xy")), ("empty", ())):
        logs.create_group(owner, group)
        logs.create_stream(owner, group, "s")
        logs.put(owner, group, "s", [(int(time.time() * 1000), line) for line in lines])
    with store.database.writing() as connection:
        connection.execute(text("DROP TABLE delivery_parked"))
        connection.execute(text("ALTER TABLE log_group DROP COLUMN stored_bytes"))
        migrations.run(connection, "0006")
    assert {group.name: group.stored_bytes for group in logs.groups(owner)} == {"held": 4, "empty": 0}
