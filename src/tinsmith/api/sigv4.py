"""Who is calling, as the Authorization header claims. The signature itself is not checked.

AWS4-HMAC-SHA256 Credential=<access key>/<date>/<region>/sagemaker/aws4_request, SignedHeaders=...
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SCOPE = re.compile(
    r"\bCredential=(?P<key>[^/\s,]+)/\d{8}/(?P<region>[a-z0-9-]{1,32})/[^/\s,]+/aws4_request\b", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose jobs a request sees: names are unique per account and region."""

    account: str
    region: str
    access_key: str | None = None


def read_caller(authorization: str | None, account: str, region: str) -> Caller:
    """The caller that the header names; `account`, and `region` where the header has none."""
    scope = _SCOPE.search(authorization) if authorization else None
    if scope is None:
        return Caller(account, region)
    return Caller(account, scope["region"], scope["key"])
