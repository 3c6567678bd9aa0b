"""Identities as they are stored: plain records, their policies as documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from tinsmith.identity.arns import entity_arn

Document = Mapping[str, Any]

DEFAULT_SESSION = 3600
MAX_SESSION = 43_200
"""Seconds; the most that MaxSessionDuration of a role can be."""


@dataclass(frozen=True, slots=True)
class Holder:
    """What users, groups and roles have in common: a name and policies."""

    account: str
    name: str
    path: str = "/"
    id: str = ""
    created: float = 0.0
    """Epoch seconds."""
    policies: Mapping[str, Document] = field(default_factory=dict)
    """Inline, by name."""
    attached: tuple[str, ...] = ()
    """ARNs of managed policies."""


@dataclass(frozen=True, slots=True)
class User(Holder):
    """Somebody with access keys."""

    groups: tuple[str, ...] = ()
    boundary: str | None = None
    """ARN of the managed policy beyond which no other policy reaches."""


@dataclass(frozen=True, slots=True)
class Group(Holder):
    """Policies that several users have."""


@dataclass(frozen=True, slots=True)
class Role(Holder):
    """What a job or a session runs as."""

    trust: Document = field(default_factory=dict)
    boundary: str | None = None
    max_session: int = DEFAULT_SESSION
    """Seconds."""


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """A policy with an ARN of its own."""

    account: str
    name: str
    path: str = "/"
    id: str = ""
    created: float = 0.0
    document: Document = field(default_factory=dict)


Entity: TypeAlias = User | Group | Role | ManagedPolicy

KINDS: Mapping[str, type[Entity]] = {"user": User, "group": Group, "role": Role, "policy": ManagedPolicy}


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A long-term key of a user."""

    id: str
    secret: str = field(repr=False)
    account: str
    user: str
    active: bool = True
    created: float = 0.0
    of_service: bool = False
    """The service itself signs with it; it changes when the service is started with another one."""


def kind_of(entity: Entity) -> str:
    """user, group, role or policy."""
    return next(kind for kind, cls in KINDS.items() if type(entity) is cls)


def arn_of(entity: Entity) -> str:
    """Its ARN."""
    return entity_arn(entity.account, kind_of(entity), entity.path, entity.name)


def without_policy(holder: Any, name: str) -> Any:
    """`holder` with the inline policy `name` gone."""
    return replace(holder, policies={key: value for key, value in holder.policies.items() if key != name})
