"""Requests as OpenTelemetry spans: below the span that the client names by `traceparent`, above the job's.

Imported only where traces are asked for.
"""

from __future__ import annotations

import re
from typing import Any

from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tinsmith.api.callers import TRACE

_OPERATION = re.compile(r"(?P<service>[A-Za-z0-9_]{1,64})\.(?P<method>[A-Za-z0-9]{1,64})", re.ASCII)


class Traced:
    """`app` with a span for each POST to it. Metrics and health are no requests of clients."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        name, attributes = _operation(headers.get("x-amz-target", ""))
        parent = extract(headers)
        with self._tracer.start_as_current_span(name, parent, SpanKind.SERVER, attributes) as span:

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _answered(span, message)
                await send(message)

            await self._app({**scope, TRACE: _traceparent(span)}, receive, sending)


def _operation(target: str) -> tuple[str, dict[str, Any]]:
    match = _OPERATION.fullmatch(target)
    if match is None:
        return "request", {"rpc.system": "aws-api"}
    attributes = {"rpc.system": "aws-api", "rpc.service": match["service"], "rpc.method": match["method"]}
    return target, attributes


def _answered(span: Span, start: Message) -> None:
    status = start["status"]
    span.set_attribute("http.response.status_code", status)
    if request_id := Headers(raw=start["headers"]).get("x-amzn-requestid"):
        span.set_attribute("aws.request_id", request_id)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
