"""Sessions of roles and users: short-lived keys whose token says everything, sealed with the master key.

No session is stored, so every control plane that has the master key knows all of them. A session ends at its
time, and before it when its role or user is deleted (a new one of the same name has another id).
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

from tinsmith.identity.access import Principal
from tinsmith.identity.arns import new_id
from tinsmith.identity.directory import Directory
from tinsmith.identity.entities import Role, User, arn_of
from tinsmith.identity.policy import Policy, parse
from tinsmith.identity.refusals import expired, unrecognized
from tinsmith.identity.sealing import Sealer

PREFIX = "ASIA"
_MAX_TOKEN = 16_384


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials. `expires` is in epoch seconds."""

    access_key: str
    secret_key: str = field(repr=False)
    owner: str
    """ARN of the role or user."""
    owner_id: str
    name: str
    """Of a role's session; empty for a user's."""
    expires: float
    policy: Mapping[str, Any] | None = None
    """With the next one: beyond these the session reaches nothing, if there are any."""
    policy_arns: Sequence[str] = ()

    def token(self, sealer: Sealer) -> str:
        """The session token."""
        return sealer.seal(zlib.compress(json.dumps(asdict(self)).encode()), _purpose(self.access_key))

    @staticmethod
    def of_token(token: str, access_key: str, sealer: Sealer) -> Session:
        """The session behind a token. Raises a Refusal unless it is of `access_key`."""
        try:
            content = sealer.open(token[:_MAX_TOKEN], _purpose(access_key))
        except ValueError:
            raise unrecognized() from None
        return Session(**json.loads(zlib.decompress(content)))

    def check(self, now: float) -> None:
        """Raises a Refusal when the session is over."""
        if now >= self.expires:
            raise expired()

    def principal(self, directory: Directory) -> Principal:
        """Who acts in this session. Raises a Refusal when its role or user is gone."""
        owner = directory.entities.get(self.owner)
        if not isinstance(owner, Role | User) or owner.id != self.owner_id:
            raise unrecognized()
        if isinstance(owner, User):
            return replace(directory.user_principal(owner), temporary=True)
        limits = tuple(self._limits(directory)) if self.policy or self.policy_arns else None
        return directory.role_principal(owner, self.name, limits)

    def _limits(self, directory: Directory) -> Iterator[Policy]:
        """A managed policy that is gone allows nothing."""
        if self.policy:
            yield _compiled(json.dumps(self.policy))
        for arn in self.policy_arns:
            if (policy := directory.managed_policy(arn)) is not None:
                yield policy


def new_session(
    owner: Role | User,
    name: str,
    expires: float,
    policy: Mapping[str, Any] | None = None,
    policy_arns: Sequence[str] = (),
) -> Session:
    """A session of a role, narrowed by the policies, or of a user."""
    secret = secrets.token_urlsafe(30)
    return Session(new_id(PREFIX), secret, arn_of(owner), owner.id, name, expires, policy, policy_arns)


@lru_cache(maxsize=256)
def _compiled(text: str) -> Policy:
    return parse(text)


def _purpose(access_key: str) -> str:
    return f"session {access_key}"
