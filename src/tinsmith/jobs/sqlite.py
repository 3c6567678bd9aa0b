"""SQLite: one file, one machine.

It runs with a write-ahead log and synchronous=FULL: what a committed transaction wrote survives
the loss of the process and of power. Writers of one process queue for a lock of ours, because
SQLite's own busy handler sleeps and retries; writers of other processes meet that handler. Changes that
queue up while one commit waits for the disk share the next commit.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson
from sqlalchemy import URL, Connection, Select, create_engine, event

from tinsmith.errors import InternalError
from tinsmith.jobs.database import Database, Row
from tinsmith.jobs.prepared import driver_of, prepare, to_json

BUSY_SECONDS = 30

T = TypeVar("T")


class _Change:
    """A change that waits for its commit, and then its outcome."""

    def __init__(self, change: Callable[[Connection], object]) -> None:
        self.change = change
        self.done: Future[Any] = Future()
        self.done.set_running_or_notify_cancel()  # it is made, even if the one who waits gives up
        self.result: object = None
        self.error: BaseException | None = None

    def run(self, connection: Connection) -> None:
        """Makes the change or leaves no trace; past SQLAlchemy, whose savepoints cost more than that."""
        execute = driver_of(connection).execute
        execute("SAVEPOINT change")
        try:
            self.result = self.change(connection)
        except Exception as error:
            self.error = error
            execute("ROLLBACK TO change")
        execute("RELEASE change")

    def tell(self) -> None:
        """The transaction is over."""
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.result)


class SqliteDatabase(Database):
    """See the module. Writers take turns, so nothing they read changes under them."""

    changed_by_others = False
    quick_reads = True
    writers = 1

    def __init__(self, url: URL) -> None:
        if not url.database:
            raise InternalError(f"job database {str(url)!r}: expected sqlite:///<path>")
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._waiting: deque[_Change] = deque()
        self._called = False
        """The writer is called and has not looked at what waits yet."""
        engine = create_engine(
            url,
            connect_args={"timeout": BUSY_SECONDS},
            pool_size=8,
            max_overflow=-1,
            json_serializer=to_json,
            json_deserializer=orjson.loads,
        )
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
        self._readers = engine.execution_options(reads_only=True)
        super().__init__(engine)
        self._changes = engine.connect()
        """The connection of `write`: to take one of the pool for each commit would take longer than that."""
        self._reader = sqlite3.connect(
            url.database, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._reader_lock = threading.Lock()

    def close(self) -> None:
        """Closes all connections."""
        self._writers.shutdown()
        with self._lock:
            self._changes.close()
        with self._reader_lock:
            self._reader.close()
        super().close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot: every statement sees the same state. Never blocks or is blocked."""
        with self._readers.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """An exclusive transaction: no other writer between its first statement and its commit."""
        with self._lock, self._engine.begin() as connection:
            yield connection

    def read(self, query: Callable[[Connection], T]) -> T:
        """The result of `query` in a `reading` transaction."""
        with self.reading() as connection:
            return query(connection)

    def write(self, change: Callable[[Connection], T]) -> T:
        """The result of `change`, once it is committed; what `change` raises undoes it alone.

        Whoever gets the lock first runs all the changes that wait, in one transaction.
        """
        mine = _Change(change)
        self._waiting.append(mine)
        with self._lock:
            if not mine.done.done():
                self._commit_waiting()
        return cast(T, mine.done.result())

    def write_soon(self, change: Callable[[Connection], T]) -> Future[T]:
        """See `Database`: all the changes that come while one commit waits for the disk share the next."""
        mine = _Change(change)
        self._waiting.append(mine)
        if not self._called:
            self._called = True
            self._writers.submit(self._write_waiting)
        return mine.done

    def first(self, statement: Select[Any], parameters: Mapping[str, Any]) -> Row | None:
        """The first row of a constant `statement`; past SQLAlchemy, which costs ten times as much."""
        sql, names, json = prepare(statement)
        with self._reader_lock:
            # All rows: a statement that is not run to its end keeps the log from being checkpointed.
            rows = self._reader.execute(sql, [parameters[name] for name in names]).fetchall()
        if not rows:
            return None
        row = list(rows[0])
        for index in json:
            row[index] = orjson.loads(row[index])
        return row

    def _write_waiting(self) -> None:
        self._called = False  # first: who comes later calls again
        with self._lock:
            self._commit_waiting()

    def _commit_waiting(self) -> None:
        if batch := [self._waiting.popleft() for _ in range(len(self._waiting))]:
            self._commit(batch)

    def _commit(self, batch: list[_Change]) -> None:
        try:
            with self._changes.begin():
                for each in batch:
                    each.run(self._changes)
        except BaseException as error:  # nobody may take a change for committed that is not
            self._changes.invalidate()  # with whatever is left of the transaction; the next one connects anew
            for each in batch:
                each.error = error
        for each in batch:
            each.tell()


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    _log_ahead(connection)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Where others do so at the same moment, SQLite refuses at once: its timeout is for transactions only."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
        time.sleep(0.01)


def _begin(connection: Connection) -> None:
    # A deferred write transaction that read first fails at once, busy handler or not, when another
    # process wrote in between.
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
