"""NextToken: where the next page begins, opaque to the client.

A token is base64 of a checksum and the cursor. The checksum also covers what was asked for, so a
token that was changed, or is sent with other filters or another order, is refused. It holds no
secret: a page shows no more than the same request without a token would.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2b
from typing import Any

import orjson

from tinsmith.api.errors import ApiError, invalid
from tinsmith.jobs.query import Cursor, JobQuery

_CHECKSUM_SIZE = 16


def next_token(cursor: Cursor, query: JobQuery) -> str:
    """The token of the page after `cursor` in the answer to `query`."""
    position = orjson.dumps(cursor)
    return base64.urlsafe_b64encode(_checksum(position, query) + position).decode()


def cursor_of(token: str, query: JobQuery) -> Cursor:
    """The cursor in `token`. Raises ApiError unless `next_token` made it for the same query."""
    try:
        content = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise invalid_token() from None
    checksum, position = content[:_CHECKSUM_SIZE], content[_CHECKSUM_SIZE:]
    if not hmac.compare_digest(checksum, _checksum(position, query)):
        raise invalid_token()
    value, name = orjson.loads(position)
    return value, name


def invalid_token() -> ApiError:
    """The answer to a token that is not ours."""
    return invalid("Invalid NextToken: it must be one that this operation returned for the same request.")


def _checksum(position: bytes, query: JobQuery) -> bytes:
    asked: Mapping[str, Any] = {**asdict(query), "limit": None, "after": None}
    return blake2b(
        orjson.dumps([asked, position.decode("utf-8", "replace")]), digest_size=_CHECKSUM_SIZE
    ).digest()
