"""What an administrator changes: each function is one transaction, and checks everything it is given.

Names that are taken or unknown, policies that are none, references to what is not there: a ClientError of the
area Identity, all problems at once.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from tinsmith.errors import ClientError
from tinsmith.identity.arns import AREA, AWS, check_account, check_name, entity_of, new_id
from tinsmith.identity.builtin import POLICIES
from tinsmith.identity.directory import references
from tinsmith.identity.entities import (
    MAX_SESSION,
    AccessKey,
    Document,
    Entity,
    Group,
    Holder,
    ManagedPolicy,
    Role,
    User,
    arn_of,
    kind_of,
    without_policy,
)
from tinsmith.identity.policy import Kind, PolicyError, parse
from tinsmith.identity.store import Draft, IdentityStore

Named = TypeVar("Named", User, Group, Role, ManagedPolicy)

MAX_KEYS = 2
"""Access keys of a user, as IAM has it; the service's own is not counted."""
IDS = {"user": "AIDA", "group": "AGPA", "role": "AROA", "policy": "ANPA"}


class Administration:
    """Changes to the identities of one account."""

    def __init__(self, store: IdentityStore, account: str, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._account = check_account(account)
        self._clock = clock

    @contextmanager
    def _changing(self) -> Iterator[Draft]:
        with self._store.changing() as draft:
            if self._account not in draft.accounts():
                draft.add_account(self._account, self._clock())
            yield draft

    def create_account(self) -> None:
        """Makes the account known; one that is there stays as it is."""
        with self._changing():
            pass

    def create_user(self, name: str, path: str = "/", boundary: str | None = None) -> User:
        """A user without policies and keys."""
        return self._create(User(self._account, name, path, boundary=boundary), "user")

    def create_group(self, name: str, path: str = "/") -> Group:
        """A group without policies and users."""
        return self._create(Group(self._account, name, path), "group")

    def create_role(
        self,
        name: str,
        trust: Document | str,
        path: str = "/",
        boundary: str | None = None,
        max_session: int = 3600,
    ) -> Role:
        """A role without policies; `trust` says who may assume it."""
        if not 3600 <= max_session <= MAX_SESSION:
            raise ClientError(
                AREA, f"MaxSessionDuration: expected 3600 to {MAX_SESSION}, found {max_session}"
            )
        checked = checked_policy(trust, "trust", f"trust policy of role {name}")
        role = Role(self._account, name, path, trust=checked, boundary=boundary, max_session=max_session)
        return self._create(role, "role")

    def create_policy(self, name: str, document: Document | str, path: str = "/") -> ManagedPolicy:
        """A managed policy."""
        checked = checked_policy(document, "identity", f"policy {name}")
        return self._create(ManagedPolicy(self._account, name, path, document=checked), "policy")

    def update_trust(self, name: str, trust: Document | str) -> None:
        """Another trust policy for a role."""
        checked = checked_policy(trust, "trust", f"trust policy of role {name}")
        self._change("role", name, lambda role: replace(role, trust=checked))

    def update_policy(self, name: str, document: Document | str) -> None:
        """Another text for a managed policy."""
        checked = checked_policy(document, "identity", f"policy {name}")
        self._change("policy", name, lambda policy: replace(policy, document=checked))

    def delete(self, kind: str, name: str) -> None:
        """Removes a user with its keys, a role, or a group or policy that nobody has any more."""
        with self._changing() as draft:
            entity = _get(draft, self._account, kind, name)
            entities = {arn_of(each): each for each in draft.entities()}
            holders = references(entities, arn_of(entity))
            if holders:
                raise ClientError(AREA, f"{kind} {name}: still used by {', '.join(sorted(holders))}")
            for key in draft.access_keys():
                if kind == "user" and (key.account, key.user) == (self._account, name):
                    draft.remove_key(key.id)
            draft.remove(entity)

    def put_policy(self, kind: str, holder: str, name: str, document: Document | str) -> None:
        """Gives a user, group or role the inline policy `name`, in place of the one of that name."""
        check_name("policy", name)
        checked = checked_policy(document, "identity", f"policy {name} of {kind} {holder}")
        self._change(kind, holder, lambda old: replace(old, policies={**old.policies, name: checked}))

    def delete_policy(self, kind: str, holder: str, name: str) -> None:
        """Takes an inline policy away."""

        def change(old: Any) -> Any:
            if name not in old.policies:
                raise ClientError(AREA, f"{kind} {holder} has no policy {name!r}")
            return without_policy(old, name)

        self._change(kind, holder, change)

    def attach(self, kind: str, holder: str, policy_arn: str) -> None:
        """Gives a user, group or role a managed policy."""
        self._change(
            kind,
            holder,
            lambda old: replace(old, attached=tuple(dict.fromkeys((*old.attached, policy_arn)))),
        )

    def detach(self, kind: str, holder: str, policy_arn: str) -> None:
        """Takes a managed policy away."""

        def change(old: Any) -> Any:
            if policy_arn not in old.attached:
                raise ClientError(AREA, f"{kind} {holder} has no policy {policy_arn} attached")
            return replace(old, attached=tuple(arn for arn in old.attached if arn != policy_arn))

        self._change(kind, holder, change)

    def set_boundary(self, kind: str, name: str, policy_arn: str | None) -> None:
        """Sets or removes the permissions boundary of a user or role."""
        self._change(kind, name, lambda old: replace(old, boundary=policy_arn))

    def add_to_group(self, user: str, group: str) -> None:
        """Makes a user a member."""
        self._change("user", user, lambda old: replace(old, groups=tuple(sorted({*old.groups, group}))))

    def remove_from_group(self, user: str, group: str) -> None:
        """Ends a membership; one that is not there is no error."""
        self._change(
            "user", user, lambda old: replace(old, groups=tuple(name for name in old.groups if name != group))
        )

    def create_access_key(
        self, user: str, access_key: str | None = None, secret: str | None = None, of_service: bool = False
    ) -> AccessKey:
        """A new key of `user`; a given one, for keys that exist elsewhere too."""
        with self._changing() as draft:
            _get(draft, self._account, "user", user)
            keys = draft.access_keys()
            own = [key for key in keys if (key.account, key.user) == (self._account, user)]
            if not of_service and sum(not key.of_service for key in own) >= MAX_KEYS:
                raise ClientError(AREA, f"user {user} has {MAX_KEYS} access keys, which is the most")
            new = AccessKey(
                access_key or new_id("AKIA"),
                secret or secrets.token_urlsafe(30),
                self._account,
                user,
                created=self._clock(),
                of_service=of_service,
            )
            holder = next((key for key in keys if key.id == new.id), None)
            if holder and (holder.account, holder.user) != (self._account, user):
                raise ClientError(AREA, f"access key {new.id} is that of user {holder.user}")
            draft.put_key(new)
            return new

    def set_active(self, access_key: str, active: bool) -> None:
        """Turns a key on or off."""
        with self._changing() as draft:
            draft.put_key(replace(self._key(draft, access_key), active=active))

    def delete_access_key(self, access_key: str) -> None:
        """Removes a key."""
        with self._changing() as draft:
            draft.remove_key(self._key(draft, access_key).id)

    def _key(self, draft: Draft, access_key: str) -> AccessKey:
        for key in draft.access_keys():
            if (key.id, key.account) == (access_key, self._account):
                return key
        raise ClientError(AREA, f"no access key {access_key!r} in account {self._account}")

    def _create(self, entity: Named, kind: str) -> Named:
        check_name(kind, entity.name, entity.path)
        new = replace(entity, id=new_id(IDS[kind]), created=self._clock())
        with self._changing() as draft:
            if draft.get(self._account, kind, entity.name):
                raise ClientError(AREA, f"{kind} {entity.name!r} exists already")
            check_references(draft, new)
            draft.put(new)
            check_spelling(draft.entities(), new)
        return new

    def _change(self, kind: str, name: str, change: Callable[[Any], Any]) -> None:
        with self._changing() as draft:
            after = change(_get(draft, self._account, kind, name))
            check_references(draft, after)
            draft.put(after)


def checked_policy(source: Document | str, kind: Kind, what: str) -> dict[str, Any]:
    """The document of a policy. Raises ClientError with all of its problems."""
    try:
        return dict(parse(source, kind).document)
    except PolicyError as error:
        raise ClientError(AREA, [f"{what}: {problem}" for problem in error.problems]) from None


def _get(draft: Draft, account: str, kind: str, name: str) -> Entity:
    entity = draft.get(account, kind, name)
    if entity is None:
        raise ClientError(AREA, f"no {kind} {name!r} in account {account}")
    return entity


def check_spelling(everybody: Iterable[Entity], entity: Entity) -> None:
    """Raises ClientError where a name differs from another one in its capitals only, as IAM does.

    Not everything that compares names heeds them: the embedded store does not.
    """
    for other in everybody:
        same = (other.account, type(other)) == (entity.account, type(entity))
        if same and other.name != entity.name and other.name.lower() == entity.name.lower():
            kind = kind_of(entity)
            raise ClientError(
                AREA, f"{kind} {entity.name!r}: there is {other.name!r}, and capitals make no difference"
            )


def check_references(draft: Draft, entity: Entity) -> None:
    """Raises ClientError for policies and groups that `entity` names and that are not there."""
    if not isinstance(entity, Holder):
        return
    boundary = getattr(entity, "boundary", None)
    problems = []
    for arn in (*entity.attached, *([boundary] if boundary else [])):
        if not _is_policy(draft, arn):
            problems.append(f"no managed policy {arn}")
    for group in getattr(entity, "groups", ()):
        if draft.get(entity.account, "group", group) is None:
            problems.append(f"no group {group!r} in account {entity.account}")
    if problems:
        raise ClientError(AREA, problems)


def _is_policy(draft: Draft, arn: str) -> bool:
    target = entity_of(arn)
    if target is None or target.kind != "policy":
        return False
    if target.account == AWS:
        return any(arn_of(policy) == arn for policy in POLICIES)
    found = draft.get(target.account, "policy", target.name)
    return found is not None and arn_of(found) == arn
