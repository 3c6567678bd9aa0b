"""Principals: who asks, and whom the Principal element of a trust policy names.

"*"   {"AWS": ["123456789012", "arn:aws:iam::123456789012:user/ann"]}   {"Service": "sagemaker.amazonaws.com"}
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::root)?", re.ASCII)
_KINDS = ("AWS", "Service", "Federated", "CanonicalUser")


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks for a role: a service, or a user or session of an account."""

    arn: str = ""
    account: str = ""
    service: str = ""
    """"sagemaker.amazonaws.com"."""
    issuer: str = ""
    """ARN of the role of a session; naming the role names its sessions."""


NOBODY = Requester()

PrincipalMatch = Callable[[Requester], bool]


def compile_principal(raw: Any, negated: bool) -> tuple[PrincipalMatch, list[str]]:
    """The test of a Principal (or NotPrincipal) element, and what is wrong with it: ".AWS: expected ..."."""
    matches: list[PrincipalMatch] = []
    problems: list[str] = []
    if raw == "*":
        matches.append(lambda _requester: True)
    elif isinstance(raw, dict) and raw:
        for kind, names in raw.items():
            if kind not in _KINDS:
                problems.append(f".{kind}: no such kind of principal; there are {', '.join(_KINDS)}")
                continue
            for name in names if isinstance(names, list) else [names]:
                if match := _compile(kind, name):
                    matches.append(match)
                else:
                    problems.append(f".{kind}: expected {_EXPECTED[kind]}, found {name!r}")
    else:
        problems.append(f": expected * or an object of {', '.join(_KINDS)}, found {raw!r}")
    return lambda requester: any(match(requester) for match in matches) != negated, problems


def _compile(kind: str, name: Any) -> PrincipalMatch | None:
    if not isinstance(name, str) or not name:
        return None
    if kind == "Service":
        return (lambda requester: requester.service == name) if "." in name else None
    if kind != "AWS":
        return lambda _requester: False  # nobody comes here from there
    if name == "*":
        return lambda requester: bool(requester.arn)
    if account := _ACCOUNT.fullmatch(name):
        return lambda requester: bool(requester.arn) and requester.account == account[1]
    if not name.startswith("arn:") or "*" in name or "?" in name:
        return None
    return lambda requester: bool(requester.arn) and name in (requester.arn, requester.issuer)


_EXPECTED = {
    "AWS": "*, an account or the ARN of a user or role without wildcards",
    "Service": "a service such as sagemaker.amazonaws.com",
    "Federated": "a text",
    "CanonicalUser": "a text",
}
