"""Which engine a database URL means."""

from __future__ import annotations

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from tinsmith.errors import InternalError
from tinsmith.jobs.database import Database

EXPECTED = "expected sqlite:///<path> or postgresql://<user>@<host>/<database>"


def open_database(url: str) -> Database:
    """The database at `url`, created (SQLite) or filled with tables (PostgreSQL) where it is new.

    Raises InternalError when it is of no known kind, does not answer, or a newer tinsmith wrote it.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InternalError(f"job database: the URL cannot be read, {EXPECTED}") from None
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite" and parsed.database:
        from tinsmith.jobs.sqlite import SqliteDatabase

        return SqliteDatabase(parsed)
    if backend in ("postgresql", "postgres"):
        from tinsmith.jobs.postgresql import PostgresDatabase

        return PostgresDatabase(parsed)
    raise InternalError(f"job database {parsed.render_as_string()!r}: {EXPECTED}")
