"""Random policies and requests that they have something to say about; the same seed gives the same ones."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ACCOUNT = "123456789012"
ACTIONS = (
    "sagemaker:CreateCompilationJob", "sagemaker:DescribeCompilationJob",
    "sagemaker:StopCompilationJob", "sagemaker:AddTags",
    "s3:GetObject", "s3:PutObject", "s3:ListBucket", "iam:PassRole",
)  # fmt: skip
ACTION_PATTERNS = (
    *ACTIONS, "*", "sagemaker:*", "s3:*", "s3:Get*", "sagemaker:*CompilationJob", "sagemaker:Create*",
    "S3:getobject", "s3:?utObject", "iam:Pass*", "sagemaker:*Tags", "ec2:*",
)  # fmt: skip
JOB = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:compilation-job"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
RESOURCES = (
    f"{JOB}/edge-1", f"{JOB}/edge-2", f"{JOB}/cloud", "arn:aws:s3:::models/in/a.tar.gz",
    "arn:aws:s3:::models/out/a.tar.gz", "arn:aws:s3:::models",
    f"{ROLE}/compiler", f"{ROLE}/service-role/compiler",
)  # fmt: skip
RESOURCE_PATTERNS = (
    *RESOURCES, "*", f"{JOB}/*", f"{JOB}/edge-?", f"{JOB}/*-1", "arn:aws:s3:::models/*",
    "arn:aws:s3:::models/in/*",
    "arn:aws:s3:::*", f"{ROLE}/*", f"arn:aws:sagemaker:*:{ACCOUNT}:*", "arn:aws:s3:::Models/*",
    "arn:aws:s3:::model?/*/a.tar.gz", f"arn:aws:iam::{ACCOUNT}:*/compiler",
)  # fmt: skip
SERVICE = "sagemaker.amazonaws.com"
_TEXTS = ("edge", "Edge", "cloud", "edge-7", "", "a*b", "a?b")
_TIMES = ("2026-01-01T00:00:00Z", "2026-11-22T07:39:05Z", "2027-06-01T00:00:00Z", "1795333145")
_NUMBERS = ("0", "1", "10", "10.5", "-3", "100")
_ADDRESSES = ("10.0.0.7", "10.0.1.7", "192.0.2.1", "2001:db8::1")
_NETWORKS = ("10.0.0.0/24", "10.0.0.0/8", "192.0.2.1", "192.0.2.1/32", "2001:db8::/32", "0.0.0.0/0")
_KEYS = ("team", "stage", "owner", "cost")


@dataclass(frozen=True)
class Key:
    """A condition key: its values in requests and in policies, and the operators that go with it."""

    name: str
    values: Sequence[str]
    operators: Sequence[str]
    patterns: Sequence[str] = ()
    many: bool = False


_STRING = (
    "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike",
    "StringNotLike",
)  # fmt: skip
_ARN = ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike")
_BOUNDS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
CONDITION_KEYS = (
    Key("iam:PassedToService", (SERVICE, "ec2.amazonaws.com"), _STRING, (SERVICE, "*.amazonaws.com")),
    Key("aws:RequestTag/team", _TEXTS, _STRING, (*_TEXTS, "e*", "edge-?", "*")),
    Key("aws:ResourceTag/stage", _TEXTS, _STRING, (*_TEXTS, "*dge", "?dge*")),
    Key("aws:TagKeys", _KEYS, _STRING, (*_KEYS, "t*", "*"), many=True),
    Key("sagemaker:VpcSubnets", ("subnet-1", "subnet-2"), _STRING, ("subnet-1", "subnet-*"), many=True),
    Key("aws:PrincipalArn", RESOURCES[-2:], _ARN, (*RESOURCES[-2:], f"{ROLE}/*", "arn:aws:iam::*:role/c*")),
    Key("aws:SourceIp", _ADDRESSES, ("IpAddress", "NotIpAddress"), _NETWORKS),
    Key("aws:CurrentTime", _TIMES[:3], tuple(f"Date{bound}" for bound in _BOUNDS), _TIMES),
    Key("aws:SecureTransport", ("true", "false"), ("Bool",), ("true", "false")),
    Key("s3:max-keys", _NUMBERS, tuple(f"Numeric{bound}" for bound in _BOUNDS), _NUMBERS),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Policies and one request."""

    policies: tuple[Mapping[str, Any], ...]
    boundary: Mapping[str, Any] | None
    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]]
    """By the name of the condition key."""


def case(seed: int) -> Case:
    """The case of that number."""
    chance = random.Random(seed)
    context = {}
    for key in chance.sample(CONDITION_KEYS, chance.randint(2, 7)):
        count = chance.randint(1, 3) if key.many else 1
        context[key.name] = tuple(chance.sample(key.values, min(count, len(key.values))))
    return Case(
        policies=tuple(_policy(chance) for _ in range(chance.choice((1, 1, 1, 2)))),
        boundary=_policy(chance) if chance.random() < 0.15 else None,
        action=chance.choice(ACTIONS),
        resource=chance.choice(RESOURCES),
        context=context,
    )


def _policy(chance: random.Random) -> dict[str, Any]:
    statements = [_statement(chance, first=number == 0) for number in range(chance.randint(1, 3))]
    return {"Version": "2012-10-17", "Statement": statements}


def _statement(chance: random.Random, first: bool) -> dict[str, Any]:
    allow = chance.random() < (0.9 if first else 0.5)
    action = "NotAction" if chance.random() < 0.15 else "Action"
    resource = "NotResource" if chance.random() < 0.15 else "Resource"
    statement: dict[str, Any] = {
        "Effect": "Allow" if allow else "Deny",
        action: _some(chance, ACTION_PATTERNS, generous=action == "Action" and allow),
        resource: _some(chance, RESOURCE_PATTERNS, generous=resource == "Resource" and allow),
    }
    if chance.random() < 0.65:
        statement["Condition"] = _conditions(chance)
    return statement


def _some(chance: random.Random, choices: Sequence[str], generous: bool) -> str | list[str]:
    if generous and chance.random() < 0.5:
        return "*"
    chosen = chance.sample(choices, chance.randint(1, 4))
    return chosen[0] if len(chosen) == 1 and chance.random() < 0.5 else chosen


def _conditions(chance: random.Random) -> dict[str, dict[str, Any]]:
    block: dict[str, dict[str, Any]] = {}
    for key in chance.sample(CONDITION_KEYS, chance.choice((1, 1, 2))):
        operator = "Null" if chance.random() < 0.1 else chance.choice(key.operators)
        values: Any = chance.sample(key.patterns or key.values, 1 if chance.random() < 0.6 else 2)
        if operator == "Null":
            values = [chance.choice(("true", "false"))]
        else:
            if key.many:
                operator = f"{chance.choice(('ForAllValues', 'ForAnyValue'))}:{operator}"
            if chance.random() < 0.25:
                operator += "IfExists"
        block.setdefault(operator, {})[key.name] = values[0] if len(values) == 1 else values
    return block
