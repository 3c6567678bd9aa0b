"""Identities as YAML: what `tinsmith iam import` reads and `tinsmith iam export` writes.

    accounts:
      "123456789012":
        policies: {readers: {document: {...}}}
        groups:   {edge: {attached: ["arn:aws:iam::123456789012:policy/readers"], policies: {name: {...}}}}
        users:    {ann: {groups: [edge], boundary: ARN, access_keys: [{id: AKIA..., secret: ...}]}}
        roles:    {compiler: {path: /service-role/, trust: {...}, max_session: 3600}}

An import is one transaction: it adds what is not there, replaces what is, and removes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import yaml

from tinsmith.errors import ClientError
from tinsmith.identity.administration import IDS, check_references, check_spelling, checked_policy
from tinsmith.identity.arns import AREA, AWS, check_account, check_name, new_id
from tinsmith.identity.directory import Directory
from tinsmith.identity.entities import KINDS, MAX_SESSION, AccessKey, Entity, Role, kind_of
from tinsmith.identity.store import Draft, IdentityStore

_SECTIONS = {"policies": "policy", "groups": "group", "users": "user", "roles": "role"}
"""In the order in which they refer to each other."""
_OWN = frozenset({"account", "name", "id", "created"})
_LISTS = frozenset({"attached", "groups"})


def load(text: str, now: float) -> tuple[list[Entity], list[AccessKey]]:
    """The identities in YAML `text`. Raises ClientError with all that is wrong in them."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ClientError(AREA, f"not valid YAML: {error}") from None
    accounts = content.get("accounts") if isinstance(content, dict) else None
    if not isinstance(accounts, dict):
        raise ClientError(AREA, "accounts: missing, expected an object of account numbers")
    reader = _Reader(now)
    for account, sections in accounts.items():
        reader.account(str(account), sections)
    if reader.problems:
        raise ClientError(AREA, reader.problems)
    return reader.entities, reader.keys


def store_all(store: IdentityStore, entities: list[Entity], keys: list[AccessKey]) -> None:
    """Puts all of them into `store`, or none: ClientError for a reference to what is in neither."""
    with store.changing() as draft:
        known = set(draft.accounts())
        for account in {entity.account for entity in entities} - known:
            draft.add_account(account, entities[0].created)
        for entity in entities:
            draft.put(_merged(draft, entity))
        problems, everybody = [], draft.entities()
        for entity in entities:
            try:
                check_references(draft, entity)
                check_spelling(everybody, entity)
            except ClientError as error:
                problems += [f"{kind_of(entity)} {entity.name}: {problem}" for problem in error.problems]
        owners = {key.id: (key.account, key.user) for key in draft.access_keys()}
        for key in keys:
            if owners.get(key.id, (key.account, key.user)) != (key.account, key.user):
                problems.append(f"access key {key.id} is that of user {owners[key.id][1]}")
            draft.put_key(key)
        if problems:
            raise ClientError(AREA, problems)


def _merged(draft: Draft, entity: Entity) -> Entity:
    """With the id that it has already, which sessions and policies may know."""
    old = draft.get(entity.account, kind_of(entity), entity.name)
    return replace(entity, id=old.id, created=old.created) if old else entity


def dump(directory: Directory, with_secrets: bool = False) -> str:
    """All identities as YAML; with their keys only on demand, because those are in the clear."""
    accounts: dict[str, Any] = {}
    titles = {kind: title for title, kind in _SECTIONS.items()}
    for entity in directory.entities.values():
        if entity.account != AWS:
            section = accounts.setdefault(entity.account, {}).setdefault(titles[kind_of(entity)], {})
            section[entity.name] = dict(_content(entity))
    for key in directory.keys.values():
        if with_secrets and not key.of_service:
            user = accounts[key.account]["users"][key.user]
            content = {"id": key.id, "secret": key.secret, "active": key.active}
            user.setdefault("access_keys", []).append(content)
    return str(yaml.safe_dump({"accounts": accounts}, sort_keys=True, allow_unicode=True))


def _content(entity: Entity) -> Iterator[tuple[str, Any]]:
    for field in fields(entity):
        value = getattr(entity, field.name)
        if field.name in _OWN or value in ({}, (), None) or (field.name, value) == ("path", "/"):
            continue
        yield field.name, list(value) if isinstance(value, tuple) else value


class _Reader:
    def __init__(self, now: float) -> None:
        self._now = now
        self.entities: list[Entity] = []
        self.keys: list[AccessKey] = []
        self.problems: list[str] = []

    def account(self, account: str, sections: Any) -> None:
        with_problems = self._collected(account)
        with_problems(check_account, account)
        if not isinstance(sections, dict):
            self.problems.append(f"{account}: expected an object of {', '.join(_SECTIONS)}")
            return
        for title, named in sections.items():
            if title not in _SECTIONS or not isinstance(named, dict):
                self.problems.append(
                    f"{account}.{title}: expected an object in one of {', '.join(_SECTIONS)}"
                )
                continue
            for name, content in named.items():
                self._entity(account, title, str(name), content if content is not None else {})

    def _entity(self, account: str, title: str, name: str, content: Any) -> None:
        where, kind = f"{account}.{title}.{name}", _SECTIONS[title]
        if not isinstance(content, dict):
            self.problems.append(f"{where}: expected an object, found {content!r}")
            return
        before = len(self.problems)
        known = {field.name for field in fields(KINDS[kind])} - _OWN
        members = {key: value for key, value in content.items() if key in known}
        extra = {"access_keys"} if kind == "user" else set()
        self.problems += [f"{where}.{key}: no such member" for key in content if key not in known | extra]
        collected = self._collected(where)
        collected(check_name, kind, name, members.get("path", "/"))
        for member in _LISTS & members.keys():
            members[member] = (
                tuple(members[member]) if _is_texts(members[member]) else self._no_list(where, member)
            )
        if kind == "policy":
            members["document"] = collected(
                checked_policy, members.get("document", {}), "identity", "document"
            )
        if kind == "role":
            members["trust"] = collected(checked_policy, members.get("trust", {}), "trust", "trust")
        inline = members.get("policies", {})
        for policy, document in inline.items() if isinstance(inline, dict) else ():
            collected(checked_policy, document, "identity", f"policies.{policy}")
        for key in content.get("access_keys") or ():
            self._key(account, name, where, key)
        if len(self.problems) == before:
            entity = KINDS[kind](account, name, id=new_id(IDS[kind]), created=self._now, **members)
            if isinstance(entity, Role) and not 3600 <= entity.max_session <= MAX_SESSION:
                self.problems.append(f"{where}.max_session: expected 3600 to {MAX_SESSION}")
            self.entities.append(entity)

    def _key(self, account: str, user: str, where: str, raw: Mapping[str, Any]) -> None:
        if (
            not isinstance(raw, dict)
            or not isinstance(raw.get("id"), str)
            or not isinstance(raw.get("secret"), str)
        ):
            self.problems.append(f"{where}.access_keys: expected id and secret")
            return
        active = raw.get("active", True) is not False
        self.keys.append(AccessKey(raw["id"], raw["secret"], account, user, active, self._now))

    def _no_list(self, where: str, member: str) -> tuple[str, ...]:
        self.problems.append(f"{where}.{member}: expected a list of texts")
        return ()

    def _collected(self, where: str) -> Any:
        """Calls a check; what it raises goes to the problems."""

        def call(check: Any, *arguments: Any) -> Any:
            try:
                return check(*arguments)
            except ClientError as error:
                self.problems += [f"{where}: {problem}" for problem in error.problems]
                return {}

        return call


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
