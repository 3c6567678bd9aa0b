"""AWS JSON 1.1: from a request's headers and body to a reply's status and body.

POST /
X-Amz-Target: SageMaker.<Operation>
Content-Type: application/x-amz-json-1.1

Beside SageMaker other services may answer, see `services`; two also in the query protocol, see `query`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tinsmith.api import metrics, query, sts
from tinsmith.api.authorization import Authorization
from tinsmith.api.callers import Caller, Identify, Peer, authenticating, trusting
from tinsmith.api.errors import ApiError
from tinsmith.api.services import SageMaker, Service
from tinsmith.api.throttle import Throttle
from tinsmith.api.validation import parse
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.store import Store
from tinsmith.settings import NO_QUOTAS, QuotaOptions

JSON, XML = "application/x-amz-json-1.1", "text/xml"
QUICK = frozenset({"SageMaker.DescribeCompilationJob"})
"""Requests that read one row."""
CREATE = "SageMaker.CreateCompilationJob"
SMALL = 16 * 1024
"""Bytes of a body that an event loop may look through."""

FORMS: Mapping[str, tuple[str, str]] = {
    metrics.VERSION: (metrics.PREFIX, metrics.NAMESPACE),
    sts.VERSION: (sts.PREFIX, sts.NAMESPACE),
}
"""Of the services that speak the query protocol: by `Version`, prefix and XML namespace."""

NOBODY = Peer()

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: HTTP status, and a body that may be empty."""

    status: int
    body: bytes
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """What the operator decides about the API."""

    account: str = "000000000000"
    """Twelve digits; without authentication every caller belongs to it."""
    region: str = "us-east-1"
    """Of requests without a signature, where those are let in."""
    model_packages: Path | None = None
    """Folder of model packages; see `packages`."""
    max_body_bytes: int = 1024 * 1024
    """The largest valid request is smaller, even when every character of it is escaped."""
    open_metrics: bool = False
    """Show `/metrics` to other machines too."""
    quotas: QuotaOptions = NO_QUOTAS
    foreign_roles: bool = False
    """Accept roles that are not known here; see `Authorization`."""


class Protocol:
    """Answers requests. Blocks on the store: call it from a thread unless it is quick. Thread-safe."""

    def __init__(
        self,
        store: Store,
        options: ApiOptions,
        clock: Callable[[], float],
        identities: IdentityStore | None = None,
        others: Sequence[Service] = (),
    ) -> None:
        """SageMaker over `store`, and `others` beside it.

        Without `identities` nobody is authenticated, and everybody may do everything.
        """
        self._throttle = Throttle(options.quotas)
        authorization = None
        if identities is not None:
            authorization = Authorization(lambda: identities.directory, store, options.foreign_roles)
        self._quick_reads = store.database.quick_reads
        self._clock = clock
        self._sagemaker = SageMaker(store, options.model_packages, authorization)
        services: tuple[Service, ...] = (self._sagemaker, *others)
        self._doors = {
            service.prefix: Door(service, _identify(service, options, clock, identities))
            for service in services
        }

    def is_quick(self, headers: Mapping[str, str]) -> bool:
        """Whether `answer` takes so little time that an event loop may wait for it."""
        return self._quick_reads and headers.get("x-amz-target") in QUICK

    def is_create(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether `answer_create` is for it. It is not where files have to be read."""
        is_small = len(body) <= SMALL and b"ModelPackageVersionArn" not in body
        return headers.get("x-amz-target") == CREATE and is_small

    def operation_of(self, headers: Mapping[str, str]) -> str:
        """What a request asks for, of the operations that there are; "other" for anything else."""
        target = headers.get("x-amz-target", "")
        prefix, dot, name = target.rpartition(".")
        door = self._doors.get(prefix + dot)
        return target if door is not None and name in door.service.operations else "other"

    def answer(self, headers: Mapping[str, str], body: bytes, request_id: str, peer: Peer = NOBODY) -> Reply:
        """The reply to one POST. `headers` looks names up without regard to case. Never raises."""
        target = headers.get("x-amz-target", "")
        if not target and headers.get("content-type", "").startswith(query.CONTENT_TYPE):
            return self._answer_form(headers, body, request_id, peer)
        try:
            call = self._received(target, headers, body, peer)
            return _success(call.service.answer(call.operation, call.caller, call.request, self._clock()))
        except Exception as error:
            return self._failure(error, request_id, target)

    async def answer_create(
        self, headers: Mapping[str, str], body: bytes, request_id: str, peer: Peer
    ) -> Reply:
        """The reply to a request to create a job, for an event loop: only the store is waited for."""
        try:
            call = self._received(CREATE, headers, body, peer)
            return _success(await self._sagemaker.create_soon(call.caller, call.request, self._clock()))
        except Exception as error:
            return self._failure(error, request_id, CREATE)

    def _received(self, target: str, headers: Mapping[str, str], body: bytes, peer: Peer) -> Received:
        """Raises ApiError."""
        prefix, dot, name = target.rpartition(".")
        door = self._doors.get(prefix + dot)
        if door is None or name not in door.service.operations:
            raise _unknown(target)
        caller = door.identify(headers, body, peer)
        if door.service is self._sagemaker:
            self._throttle.admit(caller.account, name)
        request = parse(door.service.operations[name].input, _decode(body))
        return Received(door.service, name, caller, request)

    def _failure(self, error: Exception, request_id: str, target: str) -> Reply:
        prefix, dot, _ = target.rpartition(".")
        door = self._doors.get(prefix + dot)
        return error_reply(_told(error, request_id, target), door.service.modeled if door else frozenset())

    def _answer_form(self, headers: Mapping[str, str], body: bytes, request_id: str, peer: Peer) -> Reply:
        """The same in the query protocol."""
        name, namespace = "", metrics.NAMESPACE
        try:
            fields = query.parse_form(body)
            name = fields.get("Action", "")
            prefix, namespace = FORMS.get(fields.get("Version", ""), ("", namespace))
            door = self._doors.get(prefix)
            if door is None or name not in door.service.operations:
                raise _unknown(name)
            caller = door.identify(headers, body, peer)
            operation = door.service.operations[name]
            request = parse(operation.input, query.document(operation.input, fields))
            content = door.service.answer(name, caller, request, self._clock())
            return Reply(200, query.reply(name, namespace, operation.output, content, request_id), XML)
        except Exception as error:
            told = query.spelled(_told(error, request_id, name))
            return Reply(told.status, query.error_reply(told, namespace, request_id), XML)


@dataclass(frozen=True, slots=True)
class Door:
    """A service, and how its callers are told."""

    service: Service
    identify: Identify


@dataclass(frozen=True, slots=True)
class Received:
    """A request that is in shape, of a caller who is known."""

    service: Service
    operation: str
    caller: Caller
    request: Mapping[str, Any]


def _identify(
    service: Service, options: ApiOptions, clock: Callable[[], float], identities: IdentityStore | None
) -> Identify:
    if identities is None:
        return trusting(options.account, options.region)
    return authenticating(identities, clock, service.signing_name)


def _success(content: Mapping[str, Any] | None) -> Reply:
    return Reply(200, b"" if content is None else orjson.dumps(content))


def _unknown(target: str) -> ApiError:
    return ApiError("UnknownOperationException", f"The operation {target!r} is not supported here.")


def _told(error: Exception, request_id: str, target: str) -> ApiError:
    """What the client hears of `error`; the log has the rest of one that should not be."""
    if isinstance(error, ApiError):
        return error
    known = {"request_id": request_id}
    _log.error("request %s, %r failed", request_id, target, exc_info=error, extra=known)
    return ApiError("InternalFailure", "The request failed due to an internal error.", 500)


def error_reply(error: ApiError, modeled: frozenset[str] = frozenset()) -> Reply:
    """The body of an error, its code in `__type`; `modeled` as services have it."""
    member = "Message" if error.code in modeled else "message"
    return Reply(error.status, orjson.dumps({"__type": error.code, member: error.message}))


def _decode(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError("SerializationException", f"The request body is not valid JSON: {error}") from None
