"""ARNs and ids of identities: `arn:aws:iam::123456789012:role/service-role/compiler`, `AROA...`."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from tinsmith.errors import ClientError

AREA = "Identity"
AWS = "aws"
"""In place of an account: the policies that come with the service."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}", re.ASCII)
_POLICY_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,128}", re.ASCII)
_PATH = re.compile(r"/(?:[!-~]{1,510}/)?", re.ASCII)
_ARN = re.compile(
    r"arn:aws[a-z-]*:iam::(?P<account>\d{12}|aws):(?P<kind>user|role|group|policy)"
    r"(?P<path>/(?:[!-~]+/)?)(?P<name>[\w+=,.@-]+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class EntityArn:
    """The parts of an identity's ARN."""

    account: str
    kind: str
    path: str
    name: str


def entity_arn(account: str, kind: str, path: str, name: str) -> str:
    """arn:aws:iam::<account>:<kind><path><name>."""
    return f"arn:aws:iam::{account}:{kind}{path}{name}"


def entity_of(arn: str) -> EntityArn | None:
    """The identity that `arn` names; None when it names something else."""
    match = _ARN.fullmatch(arn)
    return EntityArn(match["account"], match["kind"], match["path"], match["name"]) if match else None


def assumed_role_arn(role_arn: str, session_name: str) -> str:
    """The ARN of a session of a role; the role's path is not in it."""
    role = entity_of(role_arn)
    assert role is not None
    return f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session_name}"


def new_id(prefix: str) -> str:
    """A unique id as IAM makes them: AIDA of a user, AROA of a role, AKIA of an access key, ASIA of a
    session's."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(16))


def check_account(account: str) -> str:
    """`account`, if it is one. Raises ClientError."""
    if not _ACCOUNT.fullmatch(account):
        raise ClientError(AREA, f"account {account!r}: expected twelve digits")
    return account


def check_name(kind: str, name: str, path: str = "/") -> None:
    """Raises ClientError for a name or a path that IAM does not take."""
    pattern, most = (_POLICY_NAME, 128) if kind == "policy" else (_NAME, 64)
    problems = []
    if not pattern.fullmatch(name):
        problems.append(f"{kind} {name!r}: expected 1 to {most} of the characters A-Z a-z 0-9 _+=,.@-")
    if not _PATH.fullmatch(path) or "//" in path:
        problems.append(f"{kind} {name!r}: path {path!r}: expected / or /.../")
    if problems:
        raise ClientError(AREA, problems)
