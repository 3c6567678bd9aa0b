"""What a user may do in the embedded object store, as one policy that SeaweedFS enforces.

SeaweedFS knows fewer words than our policies and reads some differently, so they are put into words whose
meaning is sure. What cannot be is left out of an Allow and taken in by a Deny: the store may refuse what the
policies allow, and never grants what they do not. The one exception: it compares keys without regard to case.

    Allow  its actions by name; resources with their variables replaced; a condition on s3:prefix
    Deny   the same actions and resources, and all resources where they cannot be named; no condition
    boundary   its Allows and the policies' meet; its Denies are added
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tinsmith.identity.access import Principal
from tinsmith.identity.builtin import document
from tinsmith.identity.conditions import compile_conditions
from tinsmith.identity.entities import Document
from tinsmith.identity.patterns import Context, Pattern, Unresolved, like
from tinsmith.identity.policy import VERSION, Policy

_ARN = "arn:aws:s3:::"
_PREFIX = "s3:prefix"
_PREFIX_OPERATORS = ("StringEquals", "StringLike")
_SAME = (
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "CreateBucket",
    "DeleteBucket",
    "DeleteBucketPolicy",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketPolicy",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetEncryptionConfiguration",
    "GetLifecycleConfiguration",
    "GetObject",
    "GetObjectAcl",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectVersion",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "ListMultipartUploadParts",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketPolicy",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutEncryptionConfiguration",
    "PutLifecycleConfiguration",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
)
ACTIONS: Mapping[str, tuple[str, ...]] = {
    **{f"s3:{name}": (f"s3:{name}",) for name in _SAME},
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:UploadPart": ("s3:PutObject",),
    "s3:UploadPartCopy": ("s3:PutObject",),
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
    "s3:GetObjectAttributes": ("s3:GetObject", "s3:GetObjectAttributes"),
    "s3:DeleteBucketCors": ("s3:PutBucketCORS",),
    "s3:DeleteBucketTagging": ("s3:PutBucketTagging",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
}
"""SeaweedFS's actions, and the actions of S3 that each takes together. What has no name here it grants to
nobody, because it asks for `s3:*` then."""
_LISTS = frozenset({"s3:ListBucket", "s3:ListBucketVersions"})
"""The actions that have an s3:prefix."""
_WITH_UPLOAD = ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:ListBucketMultipartUploads")
"""What SeaweedFS grants with s3:PutObject, unless it is denied."""


_Prefixes = tuple[tuple[str, tuple[str, ...]], ...]
"""Operators and what they compare s3:prefix with."""


@dataclass(frozen=True, slots=True)
class _Grant:
    """An Allow in SeaweedFS's words."""

    actions: frozenset[str]
    resource: str
    """What follows `arn:aws:s3:::`."""
    condition: _Prefixes = ()


def policy_for_store(principal: Principal) -> Document | None:
    """The policy of a user in the embedded store; None where nothing is allowed there."""
    keys = principal.keys
    layers = [principal.policies, *([(principal.boundary,)] if principal.boundary else [])]
    grants = list(_grants(layers[0], keys))
    for layer in layers[1:]:
        limits = list(_grants(layer, keys))
        grants = [met for grant in grants for limit in limits if (met := _meeting(grant, limit))]
    if not grants:
        return None
    denials = [denial for layer in layers for policy in layer for denial in _denials(policy, keys)]
    return document(*_allows(grants), *denials, *_not_with_uploads(grants))


def _grants(policies: Iterable[Policy], keys: Context) -> Iterator[_Grant]:
    for policy in policies:
        variables = policy.document.get("Version") == VERSION
        for statement in _statements(policy):
            if statement["Effect"] != "Allow" or "Resource" not in statement:
                continue
            applies, condition, rest = _conditions(statement, variables, keys)
            actions = frozenset(
                name for name, needed in ACTIONS.items() if all(_names(statement, each) for each in needed)
            )
            if condition:
                actions &= _LISTS
            if not applies or rest or not actions:
                continue
            for text in _listed(statement["Resource"]):
                resource = _resource(text, variables, keys)
                if resource is not None:
                    yield _Grant(actions, resource, condition)


def _denials(policy: Policy, keys: Context) -> Iterator[Document]:
    variables = policy.document.get("Version") == VERSION
    for statement in _statements(policy):
        if statement["Effect"] != "Deny" or not _conditions(statement, variables, keys)[0]:
            continue
        actions = [
            name for name, needed in ACTIONS.items() if any(_names(statement, each) for each in needed)
        ]
        named = _listed(statement.get("Resource", "*"))
        resources = [wide for text in named if (wide := _wider(text, variables, keys)) is not None]
        if actions and resources:
            yield {"Effect": "Deny", "Action": actions, "Resource": resources}


def _not_with_uploads(grants: list[_Grant]) -> Iterator[Document]:
    """What would come with s3:PutObject and is not allowed itself."""
    for resource in dict.fromkeys(grant.resource for grant in grants if "s3:PutObject" in grant.actions):
        denied = [
            action
            for action in _WITH_UPLOAD
            if not any(
                action in grant.actions and not grant.condition and _covers(grant.resource, resource)
                for grant in grants
            )
        ]
        if denied:
            yield {"Effect": "Deny", "Action": denied, "Resource": [_ARN + resource]}


def _allows(grants: Iterable[_Grant]) -> Iterator[Document]:
    """One statement for all grants of the same actions."""
    resources: dict[tuple[frozenset[str], _Prefixes], dict[str, None]] = {}
    for grant in grants:
        resources.setdefault((grant.actions, grant.condition), {})[_ARN + grant.resource] = None
    for (actions, condition), names in resources.items():
        statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": list(names)}
        asked = {name: {_PREFIX: list(texts)} for name, texts in condition}
        yield {**statement, "Condition": asked} if asked else statement


def _meeting(one: _Grant, other: _Grant) -> _Grant | None:
    """What both grant, where one resource is within the other; conditions are not put together."""
    actions = one.actions & other.actions
    if not actions or (one.condition and other.condition):
        return None
    if _covers(other.resource, one.resource):
        return _Grant(actions, one.resource, one.condition or other.condition)
    if _covers(one.resource, other.resource):
        return _Grant(actions, other.resource, one.condition or other.condition)
    return None


def _covers(wide: str, narrow: str) -> bool:
    """Whether all that `narrow` matches is matched by `wide`; sure where it says so."""
    start = wide[:-1]
    literal = wide.endswith("*") and "*" not in start and "?" not in start
    return wide == narrow or (literal and narrow.startswith(start))


def _conditions(statement: Mapping[str, Any], variables: bool, keys: Context) -> tuple[bool, _Prefixes, bool]:
    """Whether a statement ever applies to this user, what it asks of s3:prefix, and whether it asks more."""
    asked: dict[str, tuple[str, ...]] = {}
    rest = False
    for operator, block in statement.get("Condition", {}).items():
        for key, values in block.items():
            if key.lower() in keys:
                (holds,), _ = compile_conditions({operator: {key: values}}, variables)
                if not holds(keys):
                    return False, (), False
            elif key.lower() == _PREFIX and operator in _PREFIX_OPERATORS and operator not in asked:
                texts = [_literal(str(value), variables, keys) for value in _listed(values)]
                asked[operator] = tuple(text for text in texts if text is not None)
            else:
                rest = True
    return True, tuple(asked.items()), rest or not all(asked.values())


def _resource(text: str, variables: bool, keys: Context) -> str | None:
    """What follows `arn:aws:s3:::`, at most what `text` means; None where that cannot be said."""
    literal = _literal(text, variables, keys)
    rest = None if literal is None else _in_s3(literal)
    if rest is None or _has_capitals(rest.partition("/")[0]):
        return None  # no bucket has capitals, and SeaweedFS would take small letters for them
    return rest


def _wider(text: str, variables: bool, keys: Context) -> str | None:
    """An ARN for a Deny, at least what `text` means; None where that is nothing in S3."""
    try:
        pieces = Pattern(text, variables).pieces(keys)
    except Unresolved:
        return "*"
    plain = "".join(part if wild else part.replace("$", "?") for part, wild in pieces)
    rest = _in_s3(plain)
    if rest is None:
        return None
    return "*" if "${" in rest else _ARN + rest


def _in_s3(arn: str) -> str | None:
    """What follows `arn:aws:s3:::` in an ARN, or in a pattern that takes such ARNs in."""
    if arn == "*":
        return "*"
    parts = arn.split(":", 5)
    if all(_is_like(part, value) for part, value in zip(parts, ("arn", "aws", "s3", "", ""), strict=False)):
        return parts[5] if len(parts) == 6 else "*"
    return None


def _has_capitals(text: str) -> bool:
    return text != text.lower()


def _literal(text: str, variables: bool, keys: Context) -> str | None:
    """`text` with its variables replaced; None where one has no value, or it has a wildcard or `$` that
    means itself, for which SeaweedFS has no word."""
    try:
        pieces = Pattern(text, variables).pieces(keys)
    except Unresolved:
        return None
    plain = "".join(part for part, _ in pieces)
    if "${" in plain or any(not wild and re.search(r"[*?$]", part) for part, wild in pieces):
        return None
    return plain


def _names(statement: Mapping[str, Any], action: str) -> bool:
    """Whether the Action or NotAction of a statement takes `action` in."""
    if "NotAction" in statement:
        return not any(_is_like(text, action, True) for text in _listed(statement["NotAction"]))
    return any(_is_like(text, action, True) for text in _listed(statement["Action"]))


@lru_cache(maxsize=16_384)
def _is_like(pattern: str, text: str, ignore_case: bool = False) -> bool:
    return like(Pattern(pattern, variables=False), ignore_case)(text, {})


def _statements(policy: Policy) -> list[Mapping[str, Any]]:
    return _listed(policy.document["Statement"])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
