"""The HTTP application: bytes, limits and request ids; everything else is `protocol`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from random import getrandbits
from time import perf_counter

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tinsmith.api.callers import TRACE, Headers, Peer
from tinsmith.api.errors import ApiError
from tinsmith.api.observed import CONTENT_TYPE, Observed
from tinsmith.api.protocol import ApiOptions, Protocol, Reply, error_reply
from tinsmith.api.services import Service
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.store import Store

MAX_DROPPED = 64 * 1024 * 1024
"""Bytes of a body beyond the limit that are read before the connection is closed."""

MAX_THREADS = 32
"""Requests that wait for the store at the same time; those for SQLite share their commits."""

_log = logging.getLogger(__name__)


def build_app(
    store: Store,
    options: ApiOptions,
    clock: Callable[[], float],
    identities: IdentityStore | None = None,
    others: Sequence[Service] = (),
    observed: Observed | None = None,
) -> ASGIApp:
    """The job API over `store` and `others` at `POST /`; `GET /healthz`, `/readyz` and `/metrics`.

    `clock` gives epoch seconds.

    Without `identities` nobody is authenticated.
    """
    threads = ThreadPoolExecutor(MAX_THREADS, "api")
    observed = observed or Observed(store)
    calls = Calls(
        Protocol(store, options, clock, identities, others), observed, threads, options.max_body_bytes
    )
    pages = _pages(store, observed, threads, options.open_metrics)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Calls past the router and its layers, which cost as much as the answer to a call."""
        is_call = scope["type"] == "http" and scope["path"] == "/" and scope["method"] == "POST"
        await (calls if is_call else pages)(scope, receive, send)

    return app


@dataclass(frozen=True, slots=True)
class Calls:
    """`POST /`."""

    protocol: Protocol
    observed: Observed
    threads: Executor
    max_body_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request_id, began = _request_id(), perf_counter()
        try:
            body = await _body(receive, self.max_body_bytes)
        except ClientDisconnect:
            return
        if body is None:
            await _send(send, _too_large(self.max_body_bytes), request_id, (b"connection", b"close"))
            return
        headers = Headers(scope["headers"])
        reply = await self._reply(headers, body, request_id, _peer(scope))
        self.observed.request(self.protocol.operation_of(headers), reply.status, perf_counter() - began)
        await _send(send, reply, request_id)

    async def _reply(self, headers: Headers, body: bytes, request_id: str, peer: Peer) -> Reply:
        if self.protocol.is_quick(headers):  # quicker than the way to a thread and back
            return self.protocol.answer(headers, body, request_id, peer)
        if self.protocol.is_create(headers, body):
            return await self.protocol.answer_create(headers, body, request_id, peer)
        answer = partial(self.protocol.answer, headers, body, request_id, peer)
        return await asyncio.get_running_loop().run_in_executor(self.threads, answer)


def _pages(store: Store, observed: Observed, threads: Executor, open_metrics: bool) -> Starlette:
    """What operators and their tools look at."""

    async def metrics(request: Request) -> Response:
        if not (open_metrics or _is_loopback(request)):
            return PlainTextResponse("only from this machine\n", status_code=403)
        text = await asyncio.get_running_loop().run_in_executor(threads, observed.text)
        return Response(text, media_type=CONTENT_TYPE)

    async def healthz(_request: Request) -> Response:
        try:
            await asyncio.get_running_loop().run_in_executor(threads, store.ping)
        except Exception:
            _log.exception("the job store does not answer")
            return PlainTextResponse("the job store does not answer\n", status_code=503)
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", healthz, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _no_such_route},
    )


def _is_loopback(request: Request) -> bool:
    return request.client is not None and ip_address(request.client.host).is_loopback


def _peer(scope: Scope) -> Peer:
    client = scope["client"]
    host, secure = client[0] if client else "", scope["scheme"] == "https"
    return Peer(host, secure, scope["query_string"], scope.get(TRACE, ""))


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if request.scope["path"] == "/":
        status = 405
    message = "There is only POST / with the header X-Amz-Target, and GET /healthz, /readyz and /metrics."
    reply = error_reply(ApiError("UnknownOperationException", message, status))
    headers = {"x-amzn-RequestId": _request_id(), "content-type": reply.content_type}
    return Response(reply.body, status_code=reply.status, headers=headers)


def _request_id() -> str:
    """A UUID, no secret: the kernel's random numbers would cost more than the request."""
    digits = f"{getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The body; None when it exceeds `limit`.

    The excess is read and dropped, up to `MAX_DROPPED`, because a connection closed under a client
    that still sends hides the reply from it.
    """
    body, size, more = bytearray(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size <= limit:
            body += chunk
        elif size > limit + MAX_DROPPED:
            return None
    return bytes(body) if size <= limit else None


def _too_large(limit: int) -> Reply:
    message = f"The request body exceeds {limit} bytes."
    return error_reply(ApiError("RequestEntityTooLargeException", message, 413))


async def _send(send: Send, reply: Reply, request_id: str, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"x-amzn-requestid", request_id.encode()),
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
