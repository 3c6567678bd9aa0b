"""All identities at one moment, compiled: from an access key to its secret and its owner's policies.

A directory never changes. It compiles a principal when it is first asked for and keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tinsmith.identity.access import Principal
from tinsmith.identity.arns import assumed_role_arn, entity_of
from tinsmith.identity.builtin import POLICIES, SERVICE
from tinsmith.identity.entities import (
    AccessKey,
    Document,
    Entity,
    Group,
    ManagedPolicy,
    Role,
    User,
    arn_of,
    kind_of,
)
from tinsmith.identity.policy import Effect, Policy, Request, parse
from tinsmith.identity.principals import Requester


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """An access key and who signs with it."""

    key: AccessKey
    principal: Principal


class Directory:
    """Identities of all accounts. Safe for threads: what two compile at once is the same."""

    def __init__(self, version: int, entities: Iterable[Entity], keys: Iterable[AccessKey]) -> None:
        self.version = version
        self.entities = {arn_of(entity): entity for entity in (*entities, *POLICIES)}
        self.keys = {key.id: key for key in keys}
        self._by_name = {
            (entity.account, kind_of(entity), entity.name): entity for entity in self.entities.values()
        }
        self._owners: dict[str, KeyOwner] = {}
        self._policies: dict[str, Policy] = {}

    def get(self, account: str, kind: str, name: str) -> Entity | None:
        """The entity of that name."""
        return self._by_name.get((account, kind, name))

    def role(self, arn: str) -> Role | None:
        """The role that `arn` names."""
        entity = self.entities.get(arn)
        return entity if isinstance(entity, Role) else None

    def owner(self, access_key: str) -> KeyOwner | None:
        """Who signs with `access_key`; None for an unknown key, one that is off, or one whose user is
        gone."""
        if (found := self._owners.get(access_key)) is not None:
            return found
        key = self.keys.get(access_key)
        user = self.get(key.account, "user", key.user) if key and key.active else None
        if key is None or not isinstance(user, User):
            return None
        owner = KeyOwner(key, self.user_principal(user))
        self._owners[access_key] = owner
        return owner

    def role_principal(
        self, role: Role, session_name: str, session: tuple[Policy, ...] | None = None
    ) -> Principal:
        """A session of `role`, narrowed to what `session` allows."""
        arn = arn_of(role)
        return Principal(
            account=role.account,
            arn=assumed_role_arn(arn, session_name),
            user_id=f"{role.id}:{session_name}",
            policies=self._holder_policies(role),
            issuer=arn,
            boundary=self._boundary(role),
            session=session,
            temporary=True,
        )

    def user_principal(self, user: User) -> Principal:
        """`user` with all its policies and those of its groups."""
        groups = [self.get(user.account, "group", name) for name in user.groups]
        held = [
            policy for group in groups if isinstance(group, Group) for policy in self._holder_policies(group)
        ]
        return Principal(
            account=user.account,
            arn=arn_of(user),
            user_id=user.id,
            username=user.name,
            policies=(*self._holder_policies(user), *held),
            boundary=self._boundary(user),
        )

    def managed_policy(self, arn: str) -> Policy | None:
        """The managed policy that `arn` names."""
        return self._managed(arn) if isinstance(self.entities.get(arn), ManagedPolicy) else None

    def trust(self, role: Role) -> Policy:
        """The trust policy of `role`."""
        return self._compiled(f"{arn_of(role)} trust", role.trust, trust=True)

    def trusts_service(self, role: Role, account: str, job: str) -> bool:
        """Whether the service may assume `role` for `job`, the ARN of one of `account`."""
        keys = {"aws:sourcearn": (job,), "aws:sourceaccount": (account,)}
        asked = Request("sts:AssumeRole", "*", keys, Requester(service=SERVICE))
        return self.trust(role).evaluate(asked) is Effect.ALLOW

    def _holder_policies(self, holder: User | Group | Role) -> tuple[Policy, ...]:
        inline = [
            self._compiled(f"{arn_of(holder)} {name}", document) for name, document in holder.policies.items()
        ]
        return (*inline, *(self._managed(arn) for arn in holder.attached))

    def _boundary(self, holder: User | Role) -> Policy | None:
        return self._managed(holder.boundary) if holder.boundary else None

    def _managed(self, arn: str) -> Policy:
        entity = self.entities[arn]
        assert kind_of(entity) == "policy", arn
        return self._compiled(arn, entity.document)  # type: ignore[union-attr]

    def _compiled(self, name: str, document: Document, trust: bool = False) -> Policy:
        if name not in self._policies:
            self._policies[name] = parse(document, "trust" if trust else "identity")
        return self._policies[name]


def references(entities: Mapping[str, Entity], arn: str) -> list[str]:
    """ARNs of those that would miss the policy or group `arn`."""
    target = entity_of(arn)
    assert target is not None
    users = []
    for name, entity in entities.items():
        held = (*getattr(entity, "attached", ()), getattr(entity, "boundary", None))
        in_group = target.kind == "group" and entity.account == target.account
        if arn in held or (in_group and target.name in getattr(entity, "groups", ())):
            users.append(name)
    return users
