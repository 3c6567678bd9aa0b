"""Policies in SeaweedFS's words never allow what they did not.

What SeaweedFS makes of those words is measured in `test_store_users`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.identity.conftest import allow, deny, document
from tinsmith.identity.access import Principal, decide
from tinsmith.identity.entities import Document
from tinsmith.identity.policy import Effect, Policy, Request, evaluate, parse
from tinsmith.identity.store_policy import ACTIONS, policy_for_store

ACCOUNT = "000000000000"
ANN = f"arn:aws:iam::{ACCOUNT}:user/ann"
CASES = 1_500
KEYS = {
    "aws:username": ("ann",),
    "aws:userid": ("AIDAANN",),
    "aws:principalarn": (ANN,),
    "aws:principalaccount": (ACCOUNT,),
    "aws:principaltype": ("User",),
}
WITH_UPLOAD = {"s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:ListBucketMultipartUploads"}
PARTS = {"s3:CreateMultipartUpload", "s3:UploadPart", "s3:CompleteMultipartUpload", *WITH_UPLOAD}


def user(*policies: Document, boundary: Document | None = None) -> Principal:
    limit = None if boundary is None else parse(boundary)
    compiled = tuple(parse(policy) for policy in policies)
    return Principal(ACCOUNT, ANN, "AIDAANN", compiled, "ann", boundary=limit)


def grants(policy: Document | None) -> list[tuple[str, str]]:
    """(action, resource) of the Allows."""
    if policy is None:
        return []
    return [
        (action, resource.removeprefix("arn:aws:s3:::"))
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
        for resource in statement["Resource"]
    ]


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("*", "*"),
        ("arn:aws:s3:::b/in/*", "b/in/*"),
        ("arn:aws:s3:::b/${aws:username}/*", "b/ann/*"),
        ("arn:aws:s3:::b/${aws:sourceip, 'x'}/*", "b/x/*"),
        ("arn:aws:s3:::b/${aws:sourceip}/*", None),
        ("arn:aws:s3:::b/${*}", None),
        ("arn:aws:s3:::b/${$}{aws:username}", None),
        ("arn:aws:s3", "*"),
        ("arn:aws:*:*:*:b/*", "b/*"),
        ("arn:aws:iam::*:role/x", None),
        ("ARN:AWS:S3:::b/*", None),
        ("arn:aws:s3:::*Data*", None),
        ("arn:aws:s3:::Data/x", None),
        ("arn:aws:s3:::data/X", "data/X"),
    ],
)
def test_resources(resource: str, expected: str | None) -> None:
    if resource.startswith("ARN"):
        with pytest.raises(ValueError, match="expected an ARN"):
            parse(document(allow("s3:GetObject", resource)))
        return
    found = grants(policy_for_store(user(document(allow("s3:GetObject", resource)))))
    assert found == ([] if expected is None else [("s3:GetObject", expected)])


def test_who_may_upload_may_abort_only_if_that_is_allowed() -> None:
    bare = policy_for_store(user(document(allow("s3:PutObject", "arn:aws:s3:::b/*"))))
    assert bare is not None
    (denied,) = [statement for statement in bare["Statement"] if statement["Effect"] == "Deny"]
    assert set(denied["Action"]) == WITH_UPLOAD
    full = policy_for_store(
        user(
            document(
                allow("s3:PutObject", "arn:aws:s3:::b/*"),
                allow(sorted(WITH_UPLOAD), "arn:aws:s3:::b*"),
            )
        )
    )
    assert full is not None
    assert {statement["Effect"] for statement in full["Statement"]} == {"Allow"}


@pytest.mark.parametrize(
    "condition",
    [
        {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        {"StringEquals": {"aws:username": "bob"}},
        {"StringLike": {"s3:prefix": "${aws:sourceip}"}},
        {"StringNotLike": {"s3:prefix": "a"}},
        {"StringLike": {"s3:prefix": "a", "S3:PREFIX": "b"}},
    ],
)
def test_an_allow_with_a_condition_that_cannot_be_told_is_none(condition: Any) -> None:
    assert policy_for_store(user(document(allow("s3:*", Condition=condition)))) is None


def test_conditions_that_can_be_told() -> None:
    mine = {"StringEquals": {"aws:username": "ann"}, "StringLike": {"s3:prefix": ["", "${aws:username}/*"]}}
    policy = policy_for_store(user(document(allow("s3:*", Condition=mine))))
    assert policy is not None
    (statement,) = policy["Statement"]
    assert statement["Condition"] == {"StringLike": {"s3:prefix": ["", "ann/*"]}}
    assert statement["Action"] == ["s3:ListBucket", "s3:ListBucketVersions"]


def test_a_deny_is_at_least_as_wide() -> None:
    source = document(
        allow("s3:*"),
        deny("s3:GetObject", "arn:aws:s3:::b/x", Condition={"Bool": {"aws:SecureTransport": "false"}}),
        {"Effect": "Deny", "Action": "s3:PutObject", "NotResource": "arn:aws:s3:::b/*"},
        deny("s3:DeleteObject", "arn:aws:s3:::${aws:sourceip}/*"),
        deny("s3:DeleteBucket", Condition={"StringEquals": {"aws:username": "bob"}}),
        deny("*", "arn:aws:iam::*:role/*"),
    )
    policy = policy_for_store(user(source))
    assert policy is not None
    denied = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
    assert [each["Resource"] for each in denied] == [["arn:aws:s3:::b/x"], ["arn:aws:s3:::*"], ["*"]]
    assert {"s3:PutObject", "s3:UploadPart"} <= set(denied[1]["Action"])


def test_a_boundary_is_where_both_meet() -> None:
    own = document(allow("s3:*", "arn:aws:s3:::b/*"))
    limit = document(allow(["s3:GetObject", "s3:DeleteObject"]), deny("s3:DeleteObject", "arn:aws:s3:::b/x"))
    policy = policy_for_store(user(own, boundary=limit))
    assert grants(policy) == [("s3:DeleteObject", "b/*"), ("s3:GetObject", "b/*")]
    assert policy is not None
    assert policy["Statement"][-1]["Resource"] == ["arn:aws:s3:::b/x"]
    crossing = document(allow("s3:*", "arn:aws:s3:::*/x"))
    assert policy_for_store(user(own, boundary=crossing)) is None


TEXTS = {
    "Action": ("s3:*", "s3:Get*", "s3:*Object", "s3:PutObject", "s3:abort*", "*", "s3:List*", "kms:*"),
    "Resource": (
        "*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::b*",
        "arn:aws:s3:::b/*",
        "arn:aws:s3:::b/a/*",
        "arn:aws:s3:::b/?/x",
        "arn:aws:s3:::b",
        "arn:aws:s3:::c/${aws:username}/*",
        "arn:aws:s3:::${aws:username}",
        "arn:aws:s3:::c/${aws:sourceip}",
        "arn:aws:s3:::B/*",
        "arn:aws:kms:*:*:key/*",
    ),
}
CONDITIONS: tuple[Any, ...] = (
    {"StringLike": {"s3:prefix": ["a/*", "ann/*"]}},
    {"StringEquals": {"s3:prefix": "a/"}},
    {"StringEquals": {"aws:username": "${aws:username}"}},
    {"StringNotEquals": {"aws:username": "ann"}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"Null": {"s3:prefix": "false"}},
)
BUCKETS = ("b", "bb", "c", "ann", "B")
OBJECTS = ("a/x", "x", "a/b/x", "ann/x")


def generated(source: random.Random) -> Document:
    def statement() -> dict[str, Any]:
        made: dict[str, Any] = {"Effect": source.choice(["Allow", "Allow", "Deny"])}
        for name, texts in TEXTS.items():
            negated = "Not" if source.random() < 0.2 else ""
            made[negated + name] = source.sample(texts, source.randint(1, 3))
        if source.random() < 0.3:
            made["Condition"] = source.choice(CONDITIONS)
        return made

    policy = document(*(statement() for _ in range(source.randint(1, 4))))
    return policy if source.random() < 0.9 else {**policy, "Version": "2008-10-17"}


def requests() -> Iterator[Request]:
    """What SeaweedFS may ask for."""
    for bucket in BUCKETS:
        for action in ACTIONS:
            if action in ("s3:ListBucket", "s3:ListBucketVersions"):
                for prefix in ("", "a/", "ann/x"):
                    yield Request(action, f"arn:aws:s3:::{bucket}", {**KEYS, "s3:prefix": (prefix,)})
            elif "Bucket" in action or "Lifecycle" in action or "Encryption" in action:
                yield Request(action, f"arn:aws:s3:::{bucket}", KEYS)
            else:
                for key in OBJECTS:
                    yield Request(action, f"arn:aws:s3:::{bucket}/{key}", KEYS)


REQUESTS = tuple(requests())


def seaweedfs_allows(policies: list[Policy], request: Request) -> bool:
    """As its source says: an Allow or Deny of s3:PutObject is one of what belongs to uploads, too."""
    names = [request.action, *(["s3:PutObject"] if request.action in PARTS else [])]
    effects = [evaluate(policies, Request(name, request.resource, request.context)) for name in names]
    return Effect.DENY not in effects and Effect.ALLOW in effects


def test_nothing_is_allowed_that_was_not() -> None:
    source = random.Random(20_261_130)
    told = granted = 0
    for _ in range(CASES):
        boundary = generated(source) if source.random() < 0.2 else None
        principal = user(*(generated(source) for _ in range(source.randint(1, 2))), boundary=boundary)
        translated = policy_for_store(principal)
        if translated is None:
            continue
        policies = [parse(document(statement)) for statement in translated["Statement"]]
        for request in source.sample(REQUESTS, 40):
            needed = [Request(name, request.resource, request.context) for name in ACTIONS[request.action]]
            allowed = all(decide(principal, each).effect is Effect.ALLOW for each in needed)
            if seaweedfs_allows(policies, request):
                assert allowed, (request, translated)
                granted += 1
            told += allowed
    assert told > 2_000
    assert granted > 0.6 * told, (granted, told)
