from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tinsmith.jobs.database import Database
from tinsmith.jobs.engines import open_database
from tinsmith.jobs.store import Store
from tinsmith.telemetry.logs import LogStore


class Clock:
    """Epoch seconds that move when they are told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield database
    database.close()


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
def logs(database: Database, clock: Clock) -> LogStore:
    return LogStore(database, clock)
