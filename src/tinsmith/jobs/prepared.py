"""Statements that run thousands of times a second, past SQLAlchemy where that takes the most of their time.

SQLAlchemy spends ten times as long on an INSERT as SQLite does. Here it only writes the SQL, once.
On PostgreSQL, where a statement takes a round trip, it runs them as usual.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import JSON, Connection, Select, Table
from sqlalchemy.dialects import postgresql, sqlite


class Prepared(NamedTuple):
    """A statement as SQLite takes it."""

    sql: str
    parameters: tuple[str, ...]
    json: frozenset[int]
    """Positions that hold JSON: columns of a SELECT, parameters of an INSERT."""


def insert_row(connection: Connection, table: Table, row: Mapping[str, Any]) -> int | None:
    """The key of the new row of `table`; None when a row is there that a unique key allows no second of."""
    if connection.dialect.name != "sqlite":
        found: int | None = connection.execute(_insert_new(table), row).scalar()
        return found
    prepared = _insert(table, tuple(row))
    values = [
        to_json(row[name]) if position in prepared.json else row[name]
        for position, name in enumerate(prepared.parameters)
    ]
    done = driver_of(connection).execute(prepared.sql, values)
    return done.lastrowid if done.rowcount else None


@cache
def prepare(statement: Select[Any]) -> Prepared:
    """A constant SELECT for SQLite."""
    columns = enumerate(statement.selected_columns)
    json = frozenset(position for position, column in columns if isinstance(column.type, JSON))
    compiled = statement.compile(dialect=sqlite.dialect())
    return Prepared(str(compiled), tuple(compiled.positiontup or ()), json)


@cache
def _insert_new(table: Table) -> Any:
    (key,) = table.primary_key
    return postgresql.insert(table).on_conflict_do_nothing().returning(key)


@cache
def _insert(table: Table, names: tuple[str, ...]) -> Prepared:
    statement = sqlite.insert(table).on_conflict_do_nothing()
    compiled = statement.compile(dialect=sqlite.dialect(), column_keys=list(names))
    ordered = tuple(compiled.positiontup or ())
    json = (position for position, name in enumerate(ordered) if isinstance(table.c[name].type, JSON))
    return Prepared(str(compiled), ordered, frozenset(json))


def driver_of(connection: Connection) -> sqlite3.Connection:
    """SQLite's own connection below `connection`."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def to_json(value: object) -> str:
    """`value` as JSON text."""
    return orjson.dumps(value).decode()
