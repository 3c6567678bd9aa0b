"""From a request to its principal: the signature, the key's owner or the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from tinsmith.identity.access import Principal
from tinsmith.identity.refusals import unrecognized
from tinsmith.identity.sessions import PREFIX, Session
from tinsmith.identity.sigv4 import Scope, SignedRequest, verify
from tinsmith.identity.store import IdentityStore


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature it is and what for."""

    principal: Principal
    scope: Scope


class Authenticator:
    """Verifies signatures against the identities of a store. Thread-safe."""

    def __init__(self, store: IdentityStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._sessions = lru_cache(maxsize=1024)(self._open)

    def authenticate(self, request: SignedRequest, service: str) -> Signer:
        """Who signed `request` for `service`. Raises a Refusal."""
        directory = self._store.directory
        found: list[Principal] = []

        def secret_of(access_key: str, token: str | None) -> str:
            if access_key.startswith(PREFIX):
                session = self._session(access_key, token)
                found.append(session.principal(directory))
                return session.secret_key
            owner = directory.owner(access_key)
            if owner is None or token is not None:
                raise unrecognized()
            found.append(owner.principal)
            return owner.key.secret

        scope = verify(request, service, self._clock(), secret_of)
        return Signer(found[0], scope)

    def _session(self, access_key: str, token: str | None) -> Session:
        if token is None:
            raise unrecognized()
        session = self._sessions(access_key, token)
        session.check(self._clock())
        return session

    def _open(self, access_key: str, token: str) -> Session:
        return Session.of_token(token, access_key, self._store.sealer)
