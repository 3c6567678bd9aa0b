"""The store of keys: symmetric keys and their aliases, as KMS keeps them.

A key is named in four forms, by its id, its ARN, an alias or an alias's ARN:

    1234abcd-12ab-34cd-56ef-1234567890ab
    arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab
    alias/artifacts
    arn:aws:kms:us-east-1:000000000000:alias/artifacts

Errors are KmsError with the codes and, where they are known, the texts of KMS.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tinsmith.identity.owner import Owner
from tinsmith.identity.sealing import Sealer
from tinsmith.jobs.database import Database
from tinsmith.kms.cipher import KEY_BYTES, Sealed, Undecipherable, seal, unseal
from tinsmith.kms.schema import alias as alias_table
from tinsmith.kms.schema import key as key_table

DAY = 86_400.0
_ARN = re.compile(r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<name>.+)", re.ASCII)


class KmsError(Exception):
    """A request about keys that is refused: `code` as KMS names it, and the text."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


class KeyState(StrEnum):
    """KeyState, as the API spells it."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"


@dataclass(frozen=True)
class Key:
    """One key without its material. Times are epoch seconds."""

    id: str
    owner: Owner
    description: str
    state: KeyState
    creation_time: float
    deletion_time: float | None

    @property
    def arn(self) -> str:
        """What KMS calls the key's ARN."""
        return self.owner.arn("kms", f"key/{self.id}")


@dataclass(frozen=True)
class Alias:
    """A name, with its `alias/`, for a key."""

    name: str
    owner: Owner
    key_id: str
    creation_time: float
    update_time: float


class KeyStore:
    """The keys in a database. Thread-safe; several services may share one."""

    def __init__(self, database: Database, sealer: Sealer, clock: Callable[[], float]) -> None:
        """`sealer` wraps the keys' material."""
        self._database = database
        self._sealer = sealer
        self._clock = clock

    def create(self, owner: Owner, description: str = "") -> Key:
        """A new key, enabled."""
        key = Key(str(uuid.uuid4()), owner, description, KeyState.ENABLED, self._clock(), None)
        material = self._sealer.seal(os.urandom(KEY_BYTES), _purpose(key.id))
        row = {
            "id": key.id,
            "account": owner.account,
            "region": owner.region,
            "description": description,
            "state": key.state,
            "creation_time": key.creation_time,
            "material": material,
        }
        self._database.write(lambda connection: connection.execute(insert(key_table).values(row)))
        return key

    def find(self, owner: Owner, name: str) -> Key:
        """The key that `name`, in any of the four forms, means to `owner`. Raises KmsError."""
        with self._database.reading() as connection:
            return _key(self._row(connection, owner, name))

    def arn_of(self, owner: Owner, name: str) -> str:
        """The ARN that `name` means, also where there is no such key."""
        try:
            return self.find(owner, name).arn
        except KmsError:
            return name if name.startswith("arn:") else owner.arn("kms", f"key/{name}")

    def owner_of(self, name: str) -> Owner | None:
        """Whose key it is that `name`, an id or an ARN, means; None for an alias without an account."""
        if match := _ARN.fullmatch(name):
            return Owner(match["account"], match["region"])
        with self._database.reading() as connection:
            row = connection.execute(select(key_table).where(key_table.c.id == name)).first()
        return None if row is None else Owner(row.account, row.region)

    def keys(self, owner: Owner) -> list[Key]:
        """Oldest first."""
        with self._database.reading() as connection:
            chosen = select(key_table).where(*_owned(key_table, owner))
            rows = connection.execute(chosen.order_by(key_table.c.creation_time, key_table.c.id))
            return [_key(row) for row in rows if not self._is_gone(row)]

    def enable(self, owner: Owner, name: str, enabled: bool) -> None:
        """Raises KmsError, also for a key that is to be deleted."""
        state = KeyState.ENABLED if enabled else KeyState.DISABLED

        def change(connection: Connection) -> None:
            key = _key(self._row(connection, owner, name))
            _refuse_pending(key)
            _set(connection, key, state=state)

        self._database.write(change)

    def schedule_deletion(self, owner: Owner, name: str, days: int) -> Key:
        """The key, unusable from now on and gone `days` later. Raises KmsError."""

        def change(connection: Connection) -> Key:
            key = _key(self._row(connection, owner, name))
            _refuse_pending(key)
            gone = self._clock() + days * DAY
            return _set(connection, key, state=KeyState.PENDING_DELETION, deletion_time=gone)

        return self._database.write(change)

    def cancel_deletion(self, owner: Owner, name: str) -> Key:
        """The key, disabled, as KMS leaves it. Raises KmsError."""

        def change(connection: Connection) -> Key:
            key = _key(self._row(connection, owner, name))
            if key.state is not KeyState.PENDING_DELETION:
                raise KmsError("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
            return _set(connection, key, state=KeyState.DISABLED, deletion_time=None)

        return self._database.write(change)

    def put_alias(self, owner: Owner, name: str, target: str, new: bool) -> None:
        """Makes the alias `name`, or with `new` false points the one that is there at `target`.

        Raises KmsError.
        """

        def change(connection: Connection) -> None:
            key = _key(self._row(connection, owner, target))
            _refuse_pending(key)
            now = self._clock()
            values = {"key_id": key.id, "update_time": now}
            if new:
                values |= {"account": owner.account, "region": owner.region, "name": name}
                values |= {"creation_time": now}
                connection.execute(insert(alias_table).values(values))
                return
            chosen = update(alias_table).where(*_named(owner, name))
            if connection.execute(chosen.values(values)).rowcount == 0:
                raise _no_alias(owner, name)

        try:
            self._database.write(change)
        except IntegrityError:
            text = f"An alias with the name {owner.arn('kms', name)} already exists"
            raise KmsError("AlreadyExistsException", text) from None

    def delete_alias(self, owner: Owner, name: str) -> None:
        """Raises KmsError."""

        def change(connection: Connection) -> None:
            if connection.execute(delete(alias_table).where(*_named(owner, name))).rowcount == 0:
                raise _no_alias(owner, name)

        self._database.write(change)

    def aliases(self, owner: Owner, key_name: str | None = None) -> list[Alias]:
        """Those of one key, or all, by name. Raises KmsError."""
        with self._database.reading() as connection:
            chosen = select(alias_table).where(*_owned(alias_table, owner))
            if key_name is not None:
                chosen = chosen.where(alias_table.c.key_id == self._row(connection, owner, key_name).id)
            rows = connection.execute(chosen.order_by(alias_table.c.name))
            return [Alias(row.name, owner, row.key_id, row.creation_time, row.update_time) for row in rows]

    def encrypt(
        self, owner: Owner, name: str, plaintext: bytes, context: Mapping[str, str]
    ) -> tuple[Key, bytes]:
        """The key that was used and the ciphertext. Raises KmsError."""
        with self._database.reading() as connection:
            row = self._row(connection, owner, name)
        return _key(row), seal(row.id, self._material(row), plaintext, context)

    def decrypt(
        self, owner: Owner, blob: bytes, context: Mapping[str, str], name: str | None = None
    ) -> tuple[Key, bytes]:
        """The key that was used, which must be `name` where that is given, and the plaintext.

        Raises KmsError.
        """
        try:
            sealed = Sealed.parse(blob)
            with self._database.reading() as connection:
                row = connection.execute(_select_key(owner, sealed.key_id)).first()
                if row is None or self._is_gone(row):
                    raise Undecipherable
                if name is not None and self._row(connection, owner, name).id != row.id:
                    raise KmsError(
                        "IncorrectKeyException",
                        "The key ID in the request does not identify a CMK that can perform this operation.",
                    )
            return _key(row), unseal(sealed, self._material(row), context)
        except Undecipherable:
            raise KmsError("InvalidCiphertextException", "") from None

    def _material(self, row: Row[Any]) -> bytes:
        """The key itself, for use. Raises KmsError unless it is enabled."""
        key = _key(row)
        if key.state is KeyState.DISABLED:
            raise KmsError("DisabledException", f"{key.arn} is disabled.")
        _refuse_pending(key)
        try:
            return self._sealer.open(row.material, _purpose(row.id))
        except ValueError as error:
            raise KmsError("KeyUnavailableException", f"{key.arn}: {error}") from None

    def _row(self, connection: Connection, owner: Owner, name: str) -> Row[Any]:
        """Keys of other accounts are not there, as far as `owner` can tell."""
        match = _ARN.fullmatch(name)
        local = match["name"] if match else name
        if name.startswith("arn:") and not match:
            raise KmsError("InvalidArnException", f"Invalid arn {name}")
        row = None
        if match is None or Owner(match["account"], match["region"]) == owner:
            row = connection.execute(_select_key(owner, local)).first()
        if row is None or self._is_gone(row):
            if local.startswith("alias/"):
                raise _no_alias(owner, local)
            kind = name if match else owner.arn("kms", f"key/{name}")
            raise KmsError("NotFoundException", f"Key '{kind}' does not exist")
        return row

    def _is_gone(self, row: Row[Any]) -> bool:
        return row.deletion_time is not None and row.deletion_time <= self._clock()


def _purpose(key_id: str) -> str:
    return f"material of key {key_id}"


def _select_key(owner: Owner, local: str) -> Select[Any]:
    if local.startswith("alias/"):
        joined = select(key_table).join(alias_table, alias_table.c.key_id == key_table.c.id)
        return joined.where(*_named(owner, local))
    return select(key_table).where(key_table.c.id == local.removeprefix("key/"), *_owned(key_table, owner))


def _owned(table: Any, owner: Owner) -> tuple[Any, ...]:
    return table.c.account == owner.account, table.c.region == owner.region


def _named(owner: Owner, name: str) -> tuple[Any, ...]:
    return (*_owned(alias_table, owner), alias_table.c.name == name)


def _set(connection: Connection, key: Key, **values: Any) -> Key:
    connection.execute(update(key_table).where(key_table.c.id == key.id).values(values))
    return _key(connection.execute(select(key_table).where(key_table.c.id == key.id)).one())


def _key(row: Row[Any]) -> Key:
    owner = Owner(row.account, row.region)
    return Key(row.id, owner, row.description, KeyState(row.state), row.creation_time, row.deletion_time)


def _refuse_pending(key: Key) -> None:
    if key.state is KeyState.PENDING_DELETION:
        raise KmsError("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def _no_alias(owner: Owner, name: str) -> KmsError:
    return KmsError("NotFoundException", f"Alias {owner.arn('kms', name)} is not found.")
