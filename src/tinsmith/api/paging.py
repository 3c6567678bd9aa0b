"""NextToken: where the next page begins, opaque to the client.

A token is base64 of a checksum and the cursor. The checksum also covers what was asked for, so a
token that was changed, or that comes with other filters or another order, is refused. It keeps no
secret: a token shows no job that the same request without a token would not show.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, replace
from hashlib import blake2b

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
        checksum, position = content[:_CHECKSUM_SIZE], content[_CHECKSUM_SIZE:]
        cursor = orjson.loads(position)
    except ValueError:
        raise invalid_token() from None
    if checksum != _checksum(position, query):
        raise invalid_token()
    match cursor:
        case [str() | int() | float() as value, str() as name]:
            return value, name
    raise invalid_token()


def invalid_token() -> ApiError:
    """The answer to a token that is not ours."""
    return invalid("Invalid NextToken: it must be one that this operation returned for the same request.")


def _checksum(position: bytes, query: JobQuery) -> bytes:
    """Of the position and of what was asked for; the page size may change from page to page."""
    asked = orjson.dumps(asdict(replace(query, limit=0, after=None)))
    return blake2b(asked + position, digest_size=_CHECKSUM_SIZE).digest()
