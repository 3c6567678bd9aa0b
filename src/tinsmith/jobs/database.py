"""Connections to the database behind the store, and what a transaction on it means.

There are two kinds of transaction, `reading` and `writing`, and a function form of each, `read` and `write`,
which may run what it is given more than once. `sqlite` and `postgresql` say how each engine does it;
`engines.open_database` picks one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Connection, Engine, Select, text

from tinsmith.jobs.migrations import upgrade

T = TypeVar("T")
Row = Sequence[Any]


class Database(ABC):
    """A pool of connections. `reading` and `writing` are its two kinds of transaction."""

    changed_by_others: ClassVar[bool]
    """Whether other services may write to it."""
    quick_reads: ClassVar[bool]
    """Whether `first` takes microseconds, so that an event loop may wait for it."""
    writers: ClassVar[int]
    """Threads that make the changes of `write_soon`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writers = ThreadPoolExecutor(self.writers, "writer")
        try:
            with self.writing() as connection:
                self._lock_schema(connection)
                upgrade(connection)
        except BaseException:
            engine.dispose()
            raise

    def close(self) -> None:
        """Closes all connections, after the changes that wait for theirs."""
        self._writers.shutdown()
        self._engine.dispose()

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """A snapshot: every statement sees the same state. Never blocks or is blocked."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that changes rows. Rows read `with_for_update` are its own until the commit."""

    @abstractmethod
    def read(self, query: Callable[[Connection], T]) -> T:
        """The result of `query` in a `reading` transaction; begun anew when the connection was lost."""

    @abstractmethod
    def write(self, change: Callable[[Connection], T]) -> T:
        """The result of `change`, once it is committed; what `change` raises undoes it alone.

        `change` may be run again when its transaction could not be finished and has left nothing behind.
        """

    def write_soon(self, change: Callable[[Connection], T]) -> Future[T]:
        """What `write` gives, for one who waits for many of them, as an event loop does."""
        return self._writers.submit(self.write, change)

    @abstractmethod
    def first(self, statement: Select[Any], parameters: Mapping[str, Any]) -> Row | None:
        """The first row of a constant `statement`, JSON decoded, the short way."""

    def take_turns(self, connection: Connection, what: str) -> None:
        """From here to the end of its transaction no other one is in the same place with the same `what`."""
        return

    @contextmanager
    def settled(self) -> Iterator[Connection]:
        """A `reading` transaction that begins while no writer is at work.

        What writers number, such as events, has no gaps in it then that are filled later.
        """
        with self.reading() as connection:
            yield connection

    def ping(self) -> None:
        """Raises what keeps the database from answering."""
        with self.reading() as connection:
            connection.execute(text("SELECT 1")).scalar_one()

    def _lock_schema(self, connection: Connection) -> None:
        """Keeps others from migrating until the commit."""
        return
