"""PostgreSQL: for several services on one store.

A change locks the rows that it read for update; claims skip locked rows, so services never wait for one
another's claim. Changes made by other services are found by polling (`WorkerOptions.housekeeping`): a
NOTIFY takes a lock of the whole server at each commit.

Every writer holds a shared advisory lock, and `settled` takes it exclusively: numbers of events are given
out in another order than commits, and who follows them would miss one that is committed late.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, TypeVar

import orjson
from sqlalchemy import URL, Connection, Select, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tinsmith.errors import InternalError
from tinsmith.jobs.database import Database, Row
from tinsmith.jobs.prepared import to_json

POOL = 8
MORE = 24
"""Connections beyond the pool under load; a server has 100 by default, for all services together."""
CONNECT_SECONDS = 10
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds before each new try: together a restart of the server."""
WRITERS, SCHEMA, TURNS = 0x74696E01, 0x74696E02, 0x74696E03
"""Numbers of our advisory locks."""
_ABORTED = frozenset({"40001", "40P01", "57P01", "57P02", "57P03", "53300"})
"""Serialization failure, deadlock; the server shuts down, crashes, starts; too many connections."""
_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(:turns, hashtext(:what))")

T = TypeVar("T")


class PostgresDatabase(Database):
    """See the module."""

    changed_by_others = True
    quick_reads = False
    writers = POOL + MORE

    def __init__(self, url: URL) -> None:
        if find_spec("psycopg") is None:
            raise InternalError(
                "The job store on PostgreSQL needs psycopg: pip install 'tinsmith[postgres]'."
            )
        url = url.set(drivername="postgresql+psycopg")
        engine = create_engine(
            url,
            pool_size=POOL,
            max_overflow=MORE,
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "tinsmith"},
            json_serializer=to_json,
            json_deserializer=orjson.loads,
        )
        self._snapshots = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        try:
            super().__init__(engine)
        except OperationalError as error:
            raise InternalError(
                f"The job database {url.render_as_string()} does not answer: {error.orig}"
            ) from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot: every statement sees the same state. Never blocks or is blocked."""
        with self._snapshots.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction at READ COMMITTED, whose writers exclude one another row by row."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({WRITERS})")
            yield connection

    @contextmanager
    def settled(self) -> Iterator[Connection]:
        """A transaction that waits for all writers and keeps new ones waiting: be short."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")
            yield connection

    def read(self, query: Callable[[Connection], T]) -> T:
        """The result of `query` in a `reading` transaction, tried again when the connection was lost."""

        def once() -> T:
            with self.reading() as connection:
                return query(connection)

        return _tried_again(once)

    def write(self, change: Callable[[Connection], T]) -> T:
        """The result of `change`, once it is committed.

        Tried again when it was aborted or the connection was lost before the commit was sent. A connection
        lost during the commit leaves the outcome open: that error is the caller's.
        """
        committing = False

        def once() -> T:
            nonlocal committing
            with self.writing() as connection:
                result = change(connection)
                committing = True
            return result

        return _tried_again(once, lambda: not committing)

    def first(self, statement: Select[Any], parameters: Mapping[str, Any]) -> Row | None:
        """The first row of `statement`, in one round trip."""

        def once() -> Row | None:
            with self._single.connect() as connection:
                return connection.execute(statement, parameters).first()

        return _tried_again(once)

    def take_turns(self, connection: Connection, what: str) -> None:
        """What the transaction before committed is seen by statements after this one."""
        connection.execute(_TAKE_TURNS, {"turns": TURNS, "what": what})

    def _lock_schema(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA})")


def _tried_again(once: Callable[[], T], may_repeat: Callable[[], bool] = lambda: True) -> T:
    for pause in PAUSES:
        try:
            return once()
        except DBAPIError as error:
            if not (_is_transient(error) and may_repeat()):
                raise
        time.sleep(pause)
    return once()


def _is_transient(error: DBAPIError) -> bool:
    """Whether nothing was wrong with the statement."""
    state = getattr(error.orig, "sqlstate", None)
    refused = isinstance(error, OperationalError) and state is None  # no server, no connection
    return error.connection_invalidated or refused or state in _ABORTED
