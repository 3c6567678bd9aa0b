"""Users and their keys in the embedded object store follow the identities of the service.

Every second: has an identity changed, or does the store remember nothing, because it was started again? Then
it is told who there is. Only users of the account that the store belongs to are; it has no accounts of its
own.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Protocol

from tinsmith.background import Background
from tinsmith.errors import InternalError
from tinsmith.identity.directory import Directory
from tinsmith.identity.store import REFRESH_SECONDS
from tinsmith.identity.store_policy import policy_for_store
from tinsmith.storage.credentials import Credentials
from tinsmith.storage.embedded_users import StoreUser

_log = logging.getLogger(__name__)


class Users(Protocol):
    """The store's side, see `storage.embedded_users`. All raise InternalError where it does not answer."""

    def put(self, user: StoreUser) -> None:
        """Makes a user known."""

    def remove(self, name: str) -> None:
        """Makes a user unknown."""

    def mark(self, generation: str) -> None:
        """Remembers a text for as long as it remembers its users."""

    def has_mark(self, generation: str) -> bool:
        """Whether it remembers that text."""


class StoreUsers:
    """Keeps the users of one store as the directory has them."""

    def __init__(self, directory: Callable[[], Directory], account: str, users: Users) -> None:
        """`account` is the one whose users get in."""
        self._directory = directory
        self._account = account
        self._users = users
        self._known: dict[str, StoreUser] = {}
        """What the store was told, and what it may still know."""
        self._version = -1
        self._generation = ""
        self._failing = False
        self._background = Background("store-users", self._follow)

    def start(self) -> None:
        """Tells the store at once, and then whenever something has changed."""
        self._try()
        self._background.start()

    def stop(self) -> None:
        """Ends the following."""
        self._background.stop()

    def bring_up_to_date(self) -> None:
        """Tells the store what it does not know yet. Raises InternalError where it does not answer."""
        directory = self._directory()
        remembers = bool(self._generation) and self._users.has_mark(self._generation)
        if remembers and directory.version == self._version:
            return
        wanted = {user.name: user for user in users_for_store(directory, self._account)}
        self._generation = ""
        for name in [name for name in self._known if name not in wanted]:
            self._users.remove(name)
            del self._known[name]
        for name, user in wanted.items():
            if not remembers or self._known.get(name) != user:
                self._known[name] = user  # before it is told: what fails half-way may have been taken
                self._users.put(user)
        generation = uuid.uuid4().hex
        self._users.mark(generation)
        self._version, self._generation = directory.version, generation

    def _follow(self) -> None:
        while not self._background.stopping.wait(REFRESH_SECONDS):
            self._try()

    def _try(self) -> None:
        try:
            self.bring_up_to_date()
        except InternalError as error:
            if not self._failing:
                _log.warning("users of the object store: %s; trying again", error)
            self._failing = True
        except Exception:
            _log.exception("users of the object store cannot be brought up to date")
        else:
            self._failing = False


def users_for_store(directory: Directory, account: str) -> Iterator[StoreUser]:
    """The users of `account` with active keys, whom policies allow something in the store."""
    keys: dict[str, list[Credentials]] = {}
    for key in directory.keys.values():
        if key.account == account and key.active and not key.of_service:
            keys.setdefault(key.user, []).append(Credentials(key.id, key.secret))
    for name, own in sorted(keys.items()):
        owner = directory.owner(own[0].access_key)
        policy = None if owner is None else policy_for_store(owner.principal)
        if policy is not None:
            yield StoreUser(f"{account}.{name}", tuple(own), policy)
