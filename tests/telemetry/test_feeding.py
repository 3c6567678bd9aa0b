from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.jobs.conftest import make_job
from tests.telemetry.conftest import Clock
from tinsmith.identity.owner import Owner
from tinsmith.jobs.database import Database
from tinsmith.jobs.job import Job
from tinsmith.jobs.store import Store
from tinsmith.settings import Settings
from tinsmith.telemetry.feeding import CHUNK, GROUP, Feeder
from tinsmith.telemetry.logs import LogStore, Span
from tinsmith.telemetry.metrics import MetricStore
from tinsmith.worker.logs import JobLog

OURS = Owner("000000000000", "us-east-1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings.under(tmp_path)
    settings.logs_dir.mkdir()
    return settings


@pytest.fixture
def feeder(settings: Settings, store: Store, logs: LogStore, database: Database, clock: Clock) -> Feeder:
    return Feeder(settings, store, logs, MetricStore(database, clock))


@pytest.fixture(autouse=True)
def job(store: Store, clock: Clock) -> Job:
    """Runs."""
    store.add(make_job("job", created=clock.now), {})
    job = store.claim("worker", 30, clock.now)
    assert job is not None
    return job


def stored(logs: LogStore, job: str, owner: Owner = OURS) -> list[str]:
    return [event.message for event in logs.read(owner, GROUP, Span(), 100_000, streams=[job])]


def write(settings: Settings, clock: Clock, *lines: str, owner: Owner = OURS) -> Path:
    path = settings.log_file(owner.account, owner.region, "job")
    log = JobLog(path, 1, clock)
    for line in lines:
        log.write(line)
    log.close()
    return path


def test_lines_come_as_they_are_written(
    feeder: Feeder, settings: Settings, logs: LogStore, clock: Clock
) -> None:
    write(settings, clock, "one", "two")
    feeder.step()
    feeder.step()
    assert stored(logs, "job") == ["one", "two"]
    write(settings, clock, "three")
    feeder.step()
    assert stored(logs, "job") == ["one", "two", "three"]


def test_a_line_that_is_not_whole_waits(
    feeder: Feeder, settings: Settings, logs: LogStore, clock: Clock
) -> None:
    path = write(settings, clock, "one", "two")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    feeder.step()
    assert stored(logs, "job") == ["one"]
    path.write_bytes(whole)
    feeder.step()
    assert stored(logs, "job") == ["one", "two"]


def test_two_services_on_one_store_tell_all_of_a_job_that_changed_hands(
    feeder: Feeder,
    settings: Settings,
    store: Store,
    logs: LogStore,
    database: Database,
    clock: Clock,
    tmp_path: Path,
) -> None:
    write(settings, clock, "attempt 1 begins", "a long line of the first service")
    feeder.step()
    other = Settings.under(tmp_path / "other")
    other.logs_dir.mkdir(parents=True)
    write(other, clock, "attempt 2 begins")
    Feeder(other, store, logs, MetricStore(database, clock)).step()
    assert stored(logs, "job") == [
        "attempt 1 begins",
        "a long line of the first service",
        "attempt 2 begins",
    ]


def test_another_start_of_the_service_goes_on_where_the_first_stopped(
    feeder: Feeder, settings: Settings, store: Store, logs: LogStore, database: Database, clock: Clock
) -> None:
    write(settings, clock, "one")
    feeder.step()
    write(settings, clock, "two")
    Feeder(settings, store, logs, MetricStore(database, clock)).step()
    assert stored(logs, "job") == ["one", "two"]


def test_logs_of_other_accounts_are_theirs(
    feeder: Feeder, settings: Settings, logs: LogStore, clock: Clock
) -> None:
    other = Owner("111111111111", "eu-west-1")
    write(settings, clock, "ours")
    write(settings, clock, "theirs", owner=other)
    feeder.step()
    assert stored(logs, "job") == ["ours"]
    assert stored(logs, "job", other) == ["theirs"]


def test_long_logs_and_lines_that_are_none(
    feeder: Feeder, settings: Settings, logs: LogStore, clock: Clock
) -> None:
    lines = [f"{number} " + "x" * 1_000 for number in range(2 * CHUNK // 1_000)]
    path = write(settings, clock, *lines)
    with path.open("ab") as file:
        file.write(b'not json\n{"time": 1}\n')
    write(settings, clock, "last")
    feeder.step()
    assert stored(logs, "job") == [*lines, "last"]
    assert os.stat(path).st_size > 2 * CHUNK


def test_only_the_logs_of_jobs_that_run_or_have_just_ended_are_looked_at(
    feeder: Feeder, settings: Settings, store: Store, logs: LogStore, clock: Clock, job: Job
) -> None:
    feeder.step()
    write(settings, clock, "one")
    feeder.step()
    write(settings, clock, "two")
    store.complete(job.key, job.attempt, clock.now, "s3://b/k", "00")
    feeder.step()
    assert stored(logs, "job") == ["one", "two"]
    write(settings, clock, "never heard of")
    feeder.step()
    assert stored(logs, "job") == ["one", "two"]
    store.delete(job.key)
    store.add(make_job("job", created=clock.now + 5), {})
    store.claim("worker", 30, clock.now + 5)
    feeder.step()
    assert stored(logs, "job") == ["one", "two", "never heard of"]


def test_logs_are_all_looked_at_again_after_a_failure(
    feeder: Feeder,
    settings: Settings,
    store: Store,
    logs: LogStore,
    clock: Clock,
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feeder.step()
    write(settings, clock, "one")
    store.complete(job.key, job.attempt, clock.now, "s3://b/k", "00")
    with monkeypatch.context() as patched:
        patched.setattr(logs, "feed", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            feeder.step()
    feeder.step()
    assert stored(logs, "job") == ["one"]
