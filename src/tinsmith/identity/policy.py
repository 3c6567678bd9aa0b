"""Policies: their text, what is wrong with it, and what they say of a request.

A policy is compiled once. An identity policy says what its holder may do and has no Principal; a trust policy
says who may assume a role and has no Resource. Of all statements that match a request one Deny decides;
without one, one Allow does; without either the request is not allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Literal

from tinsmith.identity.conditions import Condition, compile_conditions
from tinsmith.identity.patterns import Context, Match, Pattern, Unresolved, arn_like, like
from tinsmith.identity.principals import NOBODY, PrincipalMatch, Requester, compile_principal

VERSION = "2012-10-17"
"""The version with policy variables, and the one to write."""
_VERSIONS = ("2008-10-17", VERSION)
MAX_CHARACTERS = 10_240
"""Of a policy's text, as the largest limit of IAM's (inline policies of a role)."""

Kind = Literal["identity", "trust"]
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+", re.ASCII)
_SID = re.compile(r"[A-Za-z0-9]*", re.ASCII)
_BODY = ("Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
_MEMBERS = frozenset({"Sid", "Effect", *_BODY})


class PolicyError(ValueError):
    """A text that is no policy. `problems` name statement and field: "Statement[0].Effect: expected ..."."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(self.problems))


class Effect(Enum):
    """What policies say of a request."""

    ALLOW = "allowed"
    DENY = "explicitDeny"
    NONE = "implicitDeny"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. Context keys are in lower case."""

    action: str
    """"sagemaker:CreateCompilationJob"."""
    resource: str
    """ARN, or "*"."""
    context: Context = field(default_factory=dict)
    requester: Requester = NOBODY
    """For trust policies only."""


@dataclass(frozen=True, slots=True)
class _Statement:
    deny: bool
    actions: tuple[Match, ...]
    not_actions: bool
    resources: tuple[Match, ...] | None
    not_resources: bool
    principal: PrincipalMatch | None
    conditions: tuple[Condition, ...]

    def matches(self, request: Request) -> bool:
        if any(match(request.action, request.context) for match in self.actions) == self.not_actions:
            return False
        if self.principal is not None and not self.principal(request.requester):
            return False
        if self.resources is not None and not self._covers(request):
            return False
        return all(condition(request.context) for condition in self.conditions)

    def _covers(self, request: Request) -> bool:
        named = unresolved = False
        for match in self.resources or ():
            try:
                named = named or match(request.resource, request.context)
            except Unresolved:
                unresolved = True
        if self.not_resources and unresolved and not self.deny:
            return False  # what it leaves out is not known
        return named != self.not_resources


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled policy."""

    document: Mapping[str, Any] = field(repr=False)
    statements: tuple[_Statement, ...] = field(repr=False)
    text: str = field(repr=False)
    """The document in lower case, to look for condition keys in."""

    def evaluate(self, request: Request) -> Effect:
        """What this policy alone says of `request`."""
        return evaluate((self,), request)


def evaluate(policies: Iterable[Policy], request: Request) -> Effect:
    """What `policies` together say of `request`."""
    effect = Effect.NONE
    for policy in policies:
        for statement in policy.statements:
            if (statement.deny or effect is Effect.NONE) and statement.matches(request):
                if statement.deny:
                    return Effect.DENY
                effect = Effect.ALLOW
    return effect


def parse(source: str | Mapping[str, Any], kind: Kind = "identity") -> Policy:
    """The policy that `source` is, JSON text or its content. Raises PolicyError with all its problems."""
    document = _document(source)
    problems = [
        f"{name}: no such element; a policy has Version, Id and Statement"
        for name in document
        if name not in ("Version", "Id", "Statement")
    ]
    version = document.get("Version", _VERSIONS[0])
    if version not in _VERSIONS:
        problems.append(f"Version: expected one of {', '.join(_VERSIONS)}, found {version!r}")
    raw = document.get("Statement")
    listed = raw if isinstance(raw, list) else [raw]
    if raw is None or not listed:
        problems.append("Statement: missing, expected one or a list of statements")
        listed = []
    reader = _Reader(kind, variables=version == VERSION)
    statements = [
        reader.statement(each, f"Statement[{number}]" if isinstance(raw, list) else "Statement")
        for number, each in enumerate(listed)
    ]
    problems += reader.problems
    if problems:
        raise PolicyError(problems)
    compiled = tuple(statement for statement in statements if statement)
    return Policy(document, compiled, json.dumps(document).lower())


def _document(source: str | Mapping[str, Any]) -> dict[str, Any]:
    text = source if isinstance(source, str) else json.dumps(source)
    if len(text) > MAX_CHARACTERS:
        raise PolicyError([f"The policy has {len(text)} characters, expected at most {MAX_CHARACTERS}."])
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise PolicyError([f"The policy is not valid JSON: {error}"]) from None
    if not isinstance(document, dict):
        raise PolicyError([f"The policy is not a JSON object, found {type(document).__name__}."])
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return content


@dataclass
class _Reader:
    """Compiles statements; what is wrong with them goes to `problems`."""

    kind: Kind
    variables: bool
    problems: list[str] = field(default_factory=list)

    def statement(self, raw: Any, where: str) -> _Statement | None:
        if not isinstance(raw, dict):
            self.problems.append(f"{where}: expected an object, found {type(raw).__name__}")
            return None
        before = len(self.problems)
        self.problems += [f"{where}.{name}: no such element" for name in raw if name not in _MEMBERS]
        if raw.get("Effect") not in ("Allow", "Deny"):
            self.problems.append(f"{where}.Effect: expected Allow or Deny, found {raw.get('Effect')!r}")
        sid = raw.get("Sid", "")
        if not isinstance(sid, str) or not _SID.fullmatch(sid):
            self.problems.append(f"{where}.Sid: expected letters and digits, found {sid!r}")
        actions, not_actions = self._actions(raw, where)
        resources, not_resources = self._resources(raw, where)
        principal = self._principal(raw, where)
        conditions = self._conditions(raw, where)
        if len(self.problems) > before:
            return None
        deny = raw["Effect"] == "Deny"
        return _Statement(deny, actions, not_actions, resources, not_resources, principal, conditions)

    def _actions(self, raw: Mapping[str, Any], where: str) -> tuple[tuple[Match, ...], bool]:
        name = self._one_of(raw, where, "Action", "NotAction")
        texts = list(self._texts(raw, where, name))
        for text in texts:
            if not _ACTION.fullmatch(text):
                self.problems.append(f"{where}.{name}: expected service:Action or *, found {text!r}")
        ignoring_case = partial(like, ignore_case=True)
        return tuple(ignoring_case(Pattern(text, variables=False)) for text in texts), name == "NotAction"

    def _resources(self, raw: Mapping[str, Any], where: str) -> tuple[tuple[Match, ...] | None, bool]:
        if self.kind == "trust":
            self._forbid(raw, where, "Resource", "NotResource", why="a trust policy is about its own role")
            return None, False
        name = self._one_of(raw, where, "Resource", "NotResource")
        texts = list(self._texts(raw, where, name))
        for text in texts:
            if text != "*" and not text.startswith("arn:") and not (self.variables and text.startswith("${")):
                self.problems.append(f"{where}.{name}: expected an ARN or *, found {text!r}")
        return tuple(arn_like(Pattern(text, self.variables)) for text in texts), name == "NotResource"

    def _principal(self, raw: Mapping[str, Any], where: str) -> PrincipalMatch | None:
        if self.kind == "identity":
            self._forbid(raw, where, "Principal", "NotPrincipal", why="it is about whoever has the policy")
            return None
        name = self._one_of(raw, where, "Principal", "NotPrincipal")
        match, problems = compile_principal(raw.get(name), negated=name == "NotPrincipal")
        if name in raw:
            self.problems += [f"{where}.{name}{problem}" for problem in problems]
        return match

    def _conditions(self, raw: Mapping[str, Any], where: str) -> tuple[Condition, ...]:
        block = raw.get("Condition", {})
        if not isinstance(block, dict):
            self.problems.append(f"{where}.Condition: expected an object of operators, found {block!r}")
            return ()
        conditions, problems = compile_conditions(block, self.variables)
        self.problems += [f"{where}.Condition{problem}" for problem in problems]
        return conditions

    def _one_of(self, raw: Mapping[str, Any], where: str, name: str, negation: str) -> str:
        if (name in raw) == (negation in raw):
            found = "both" if name in raw else "neither"
            self.problems.append(f"{where}: expected one of {name} and {negation}, found {found}")
        return negation if negation in raw and name not in raw else name

    def _texts(self, raw: Mapping[str, Any], where: str, name: str) -> Iterator[str]:
        content = raw.get(name, [])
        listed = content if isinstance(content, list) else [content]
        if name in raw and not listed:
            self.problems.append(f"{where}.{name}: expected at least one text, found none")
        for text in listed:
            if isinstance(text, str):
                yield text
            else:
                self.problems.append(f"{where}.{name}: expected a text, found {text!r}")

    def _forbid(self, raw: Mapping[str, Any], where: str, *names: str, why: str) -> None:
        self.problems += [f"{where}.{name}: not allowed here: {why}" for name in names if name in raw]
