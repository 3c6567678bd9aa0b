"""Connections to the database behind the store, and what a transaction on it means.

SQLite runs with a write-ahead log and synchronous=FULL: what a committed transaction wrote survives
the loss of the process and of power. Writers of one process queue for a lock of ours, because
SQLite's own busy handler sleeps and retries; writers of other processes meet that handler. Changes that
queue up while one commit waits for the disk share the next commit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import make_url

from tinsmith.errors import InternalError
from tinsmith.jobs import schema

BUSY_SECONDS = 30


T = TypeVar("T")


class _Change:
    """A change that waits for its commit, and then its outcome."""

    def __init__(self, change: Callable[[Connection], object]) -> None:
        self.change = change
        self.done = False
        self.result: object = None
        self.error: BaseException | None = None

    def run(self, connection: Connection) -> None:
        try:
            with connection.begin_nested():
                self.result = self.change(connection)
        except Exception as error:
            self.error = error


class Database:
    """A pool of connections. `reading` and `writing` are its two kinds of transaction."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or not parsed.database:
            raise InternalError(f"job database {url!r}: expected sqlite:///<path>")
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._waiting: deque[_Change] = deque()
        self._engine = create_engine(
            parsed, connect_args={"timeout": BUSY_SECONDS}, pool_size=8, max_overflow=-1
        )
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)
        self._readers = self._engine.execution_options(reads_only=True)
        self._create_schema(url)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot: every statement sees the same state. Never blocks or is blocked."""
        with self._readers.begin() as connection:
            yield connection

    def write(self, change: Callable[[Connection], T]) -> T:
        """The result of `change`, once it is committed; what `change` raises undoes it alone.

        Whoever gets the lock first runs all the changes that wait, in one transaction.
        """
        mine = _Change(change)
        self._waiting.append(mine)
        with self._lock:
            if not mine.done:
                self._commit([self._waiting.popleft() for _ in range(len(self._waiting))])
        if mine.error is not None:
            raise mine.error
        return cast(T, mine.result)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """An exclusive transaction: no other writer between its first statement and its commit."""
        with self._lock, self._engine.begin() as connection:
            yield connection

    def _commit(self, batch: list[_Change]) -> None:
        try:
            with self._engine.begin() as connection:
                if len(batch) == 1:
                    batch[0].result = batch[0].change(connection)
                else:
                    for each in batch:
                        each.run(connection)
        except BaseException as error:  # nobody may take a change for committed that is not
            for each in batch:
                each.error = error
        for each in batch:
            each.done = True

    def _create_schema(self, url: str) -> None:
        with self.writing() as connection:
            found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if found not in (0, schema.VERSION):
                raise InternalError(f"job database {url!r} has version {found}, expected {schema.VERSION}")
            if found == 0:
                schema.metadata.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {schema.VERSION}")


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A deferred write transaction that read first fails at once, busy handler or not, when another
    # process wrote in between.
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
