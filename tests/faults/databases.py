"""The job store under fault: what happens to it, and how it comes back."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.faults.places import Victim
from tests.postgres import INSTALLED, Postgres

LOCK_SECONDS = 2
_TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'tinsmith' AND backend_type = 'client backend'
"""
_LOCK = f"""
DO $$ BEGIN
    LOCK TABLE job, job_event IN EXCLUSIVE MODE;
    PERFORM pg_sleep({LOCK_SECONDS});
END $$
"""


class JobDatabase(Protocol):
    """A job store that is up."""

    url: str
    victims: dict[str, Victim]

    def close(self) -> None:
        """Down with it."""


class Sqlite:
    """A file in the data folder."""

    def __init__(self, data: Path) -> None:
        self._path = data / "jobs.db"
        self.url = f"sqlite:///{self._path}"
        self.victims: dict[str, Victim] = {"database": self._lock}

    def close(self) -> None:
        """Nothing to end."""

    def _lock(self) -> bool:
        """No other connection can write for a while."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(LOCK_SECONDS)
            connection.execute("ROLLBACK")
        return True


class Postgresql:
    """A server of our own."""

    def __init__(self, _data: Path) -> None:
        if not INSTALLED:
            raise SystemExit("PostgreSQL is not installed: sh tools/system-packages.sh postgresql")
        self._server = Postgres(INSTALLED[-1])
        self.url = self._server.database()
        self.victims: dict[str, Victim] = {
            "database": self._lock,
            "connections to the database": lambda: self._server.execute(_TERMINATE) > 0,
            "database server": self._kill,
        }

    def close(self) -> None:
        """With all its files."""
        self._server.remove()

    def _lock(self) -> bool:
        """Nobody else can change a row for a while."""
        self._server.execute(_LOCK)
        return True

    def _kill(self) -> bool:
        self._server.stop(9)
        time.sleep(1)
        self._server.start()
        return True


DATABASES: dict[str, Callable[[Path], JobDatabase]] = {"sqlite": Sqlite, "postgresql": Postgresql}
