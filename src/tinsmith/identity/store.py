"""Identities in the database, and the directory of them in memory.

Requests read the directory, never the database. It is made again when the version row has grown, which is
looked at once a `REFRESH_SECONDS`: a change made by another process is in force that soon, one of this
process at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from tinsmith.errors import InternalError
from tinsmith.identity import schema
from tinsmith.identity.directory import Directory
from tinsmith.identity.entities import KINDS, AccessKey, Entity, kind_of
from tinsmith.identity.sealing import Sealer
from tinsmith.jobs.database import Database

REFRESH_SECONDS = 1.0
_COLUMNS = ("account", "name", "path", "id", "created")


class IdentityStore:
    """The identities of one database. Safe for threads and for several processes."""

    def __init__(
        self, database: Database, sealer: Sealer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self.sealer = sealer
        self._clock = clock
        self._lock = threading.Lock()
        self._directory: Directory | None = None
        self._look_at = 0.0
        with database.writing() as connection:
            if connection.execute(select(schema.version.c.version)).first() is None:
                connection.execute(insert(schema.version).values(id=1, version=1))

    @property
    def directory(self) -> Directory:
        """All identities, at most `REFRESH_SECONDS` old."""
        now = self._clock()
        directory = self._directory
        if directory is not None and now < self._look_at:
            return directory
        with self._lock:
            if self._directory is None or now >= self._look_at:
                self._refresh()
                self._look_at = now + REFRESH_SECONDS
            assert self._directory is not None
            return self._directory

    @contextmanager
    def changing(self) -> Iterator[Draft]:
        """One transaction over all identities; what it changed is in force when it ends."""
        with self._database.writing() as connection:
            # First, because it makes the writers of all processes take turns.
            connection.execute(update(schema.version).values(version=schema.version.c.version + 1))
            yield Draft(connection, self.sealer)
        self._look_at = 0.0

    def _refresh(self) -> None:
        with self._database.reading() as connection:
            version = connection.execute(select(schema.version.c.version)).scalar_one()
            if self._directory is None or self._directory.version != version:
                draft = Draft(connection, self.sealer)
                self._directory = Directory(version, draft.entities(), draft.access_keys())


class Draft:
    """Identities as a transaction sees them."""

    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        self._connection = connection
        self._sealer = sealer

    def accounts(self) -> list[str]:
        """All accounts."""
        return list(
            self._connection.execute(select(schema.account.c.id).order_by(schema.account.c.id)).scalars()
        )

    def add_account(self, account: str, created: float) -> None:
        """Adds an account that is not there yet."""
        self._connection.execute(insert(schema.account).values(id=account, created=created))

    def entities(self) -> list[Entity]:
        """All users, groups, roles and managed policies, by account, kind and name."""
        table = schema.entity.c
        rows = self._connection.execute(select(schema.entity).order_by(table.account, table.kind, table.name))
        return [_entity(row) for row in rows]

    def get(self, account: str, kind: str, name: str) -> Entity | None:
        """One of them."""
        row = self._connection.execute(select(schema.entity).where(_is(account, kind, name))).first()
        return None if row is None else _entity(row)

    def put(self, entity: Entity) -> None:
        """Stores `entity` in place of what had its name."""
        self.remove(entity)
        content = {field.name: getattr(entity, field.name) for field in fields(entity)}
        columns = {name: content.pop(name) for name in _COLUMNS}
        self._connection.execute(insert(schema.entity).values(kind=kind_of(entity), body=content, **columns))

    def remove(self, entity: Entity) -> None:
        """Removes what has the name of `entity`."""
        self._connection.execute(
            delete(schema.entity).where(_is(entity.account, kind_of(entity), entity.name))
        )

    def access_keys(self) -> list[AccessKey]:
        """All access keys, oldest first."""
        order = (schema.access_key.c.created, schema.access_key.c.id)
        return [
            self._key(row) for row in self._connection.execute(select(schema.access_key).order_by(*order))
        ]

    def put_key(self, key: AccessKey) -> None:
        """Stores `key` in place of the one with its id."""
        self.remove_key(key.id)
        self._connection.execute(
            insert(schema.access_key).values(
                id=key.id,
                account=key.account,
                user_name=key.user,
                secret=self._sealer.seal(key.secret.encode(), _purpose(key.id)),
                active=key.active,
                of_service=key.of_service,
                created=key.created,
            )
        )

    def remove_key(self, access_key: str) -> None:
        """Removes the key of that id."""
        self._connection.execute(delete(schema.access_key).where(schema.access_key.c.id == access_key))

    def _key(self, row: Row[Any]) -> AccessKey:
        try:
            secret = self._sealer.open(row.secret, _purpose(row.id)).decode()
        except ValueError:
            raise InternalError(
                f"The secret of access key {row.id} was sealed with another master key: is it the right file?"
            ) from None
        return AccessKey(row.id, secret, row.account, row.user_name, row.active, row.created, row.of_service)


def _purpose(access_key: str) -> str:
    return f"access key {access_key}"


def _is(account: str, kind: str, name: str) -> Any:
    table = schema.entity.c
    return (table.account == account) & (table.kind == kind) & (table.name == name)


def _entity(row: Row[Any]) -> Entity:
    body: Mapping[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.body.items()
    }
    columns = {name: getattr(row, name) for name in _COLUMNS}
    return KINDS[row.kind](**columns, **body)
