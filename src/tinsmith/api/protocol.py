"""AWS JSON 1.1: from a request's headers and body to a reply's status and body.

POST /
X-Amz-Target: SageMaker.<Operation>
Content-Type: application/x-amz-json-1.1
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tinsmith.api.errors import ApiError
from tinsmith.api.model import operations
from tinsmith.api.operations import HANDLERS, Call
from tinsmith.api.packages import resolve
from tinsmith.api.rules import check
from tinsmith.api.sigv4 import read_caller
from tinsmith.api.validation import parse
from tinsmith.jobs.store import Store

TARGET_PREFIX = "SageMaker."

MODELED = frozenset({"ResourceInUse", "ResourceNotFound", "ResourceLimitExceeded"})
"""Errors with a shape in the service model, whose text is `Message`; the others' is `message`."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: HTTP status and JSON body, which may be empty."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """What the operator decides about the API."""

    account: str = "000000000000"
    """Twelve digits; every caller belongs to it."""
    region: str = "us-east-1"
    """Of requests whose signature names none."""
    model_packages: Path | None = None
    """Folder of model packages; see `packages`."""
    max_body_bytes: int = 1024 * 1024
    """The largest valid request is smaller, even when every character of it is escaped."""


class Protocol:
    """Answers requests; blocks on the store, so call it from a worker thread. Thread-safe."""

    def __init__(self, store: Store, options: ApiOptions, clock: Callable[[], float]) -> None:
        self._store = store
        self._options = options
        self._clock = clock
        self._operations = operations()

    def answer(self, headers: Mapping[str, str], body: bytes, request_id: str) -> Reply:
        """The reply to one POST. `headers` looks names up without regard to case. Never raises."""
        target = headers.get("x-amz-target", "")
        try:
            content = self._dispatch(target, headers.get("authorization"), body)
            return Reply(200, b"" if content is None else orjson.dumps(content))
        except ApiError as error:
            return error_reply(error)
        except Exception:
            _log.exception("request %s, %r failed", request_id, target)
            return error_reply(
                ApiError("InternalFailure", "The request failed due to an internal error.", 500)
            )

    def _dispatch(self, target: str, authorization: str | None, body: bytes) -> dict[str, Any] | None:
        name = target.removeprefix(TARGET_PREFIX)
        operation = self._operations.get(name) if target.startswith(TARGET_PREFIX) else None
        if operation is None:
            raise ApiError("UnknownOperationException", f"The operation {target!r} is not supported here.")
        request: Mapping[str, Any] = parse(operation.input, _decode(body))
        check(name, request)
        request = resolve(request, self._options.model_packages)
        caller = read_caller(authorization, self._options.account, self._options.region)
        return HANDLERS[name](Call(self._store, caller, request, self._clock()))


def error_reply(error: ApiError) -> Reply:
    """The body of an error, its code in `__type`."""
    member = "Message" if error.code in MODELED else "message"
    return Reply(error.status, orjson.dumps({"__type": error.code, member: error.message}))


def _decode(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError("SerializationException", f"The request body is not valid JSON: {error}") from None
