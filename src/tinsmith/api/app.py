"""The HTTP application: bytes, limits and request ids; everything else is `protocol`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import uuid4

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tinsmith.api.errors import ApiError
from tinsmith.api.protocol import ApiOptions, Protocol, Reply, error_reply
from tinsmith.jobs.query import JobQuery
from tinsmith.jobs.store import Store

CONTENT_TYPE = "application/x-amz-json-1.1"
MAX_DROPPED = 64 * 1024 * 1024
"""Bytes of a body beyond the limit that are read before the connection is closed."""

_log = logging.getLogger(__name__)


def build_app(store: Store, options: ApiOptions, clock: Callable[[], float]) -> Starlette:
    """The job API over `store` at `POST /`, and `GET /healthz`. `clock` gives epoch seconds."""
    protocol = Protocol(store, options, clock)

    async def post(request: Request) -> Response:
        request_id = str(uuid4())
        try:
            body = await _body(request, options.max_body_bytes)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return _too_large(options.max_body_bytes, request_id)
        reply = await run_in_threadpool(protocol.answer, request.headers, body, request_id)
        return _response(reply, request_id)

    async def healthz(_request: Request) -> Response:
        try:
            await run_in_threadpool(store.list, JobQuery(options.account, options.region, limit=1))
        except Exception:
            _log.exception("the job store does not answer")
            return PlainTextResponse("the job store does not answer\n", status_code=503)
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[Route("/", post, methods=["POST"]), Route("/healthz", healthz, methods=["GET"])],
        exception_handlers={HTTPException: _no_such_route},
    )


async def _no_such_route(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    message = "There is only POST / with the header X-Amz-Target, and GET /healthz."
    return _response(error_reply(ApiError("UnknownOperationException", message, status)), str(uuid4()))


async def _body(request: Request, limit: int) -> bytes | None:
    """The body; None when it exceeds `limit`.

    The excess is read and dropped, up to `MAX_DROPPED`, because a connection closed under a client
    that still sends hides the reply from it.
    """
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            body += chunk
        elif size > limit + MAX_DROPPED:
            return None
    return bytes(body) if size <= limit else None


def _too_large(limit: int, request_id: str) -> Response:
    message = f"The request body exceeds {limit} bytes."
    response = _response(error_reply(ApiError("RequestEntityTooLargeException", message, 413)), request_id)
    response.headers["connection"] = "close"
    return response


def _response(reply: Reply, request_id: str) -> Response:
    headers = {"x-amzn-RequestId": request_id, "content-type": CONTENT_TYPE}
    return Response(reply.body, status_code=reply.status, headers=headers)
