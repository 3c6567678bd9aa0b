from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.types import ASGIApp

from tinsmith.api.app import build_app
from tinsmith.api.protocol import ApiOptions
from tinsmith.api.traced import Traced
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Store

CREATE = {
    "CompilationJobName": "job",
    "RoleArn": "arn:aws:iam::000000000000:role/r",
    "InputConfig": {"S3Uri": "s3://b/m.tar.gz", "Framework": "XGBOOST"},
    "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 900},
}
CLIENT = "00-0123456789abcdef0123456789abcdef-00000000000000aa-01"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield store
    store.close()


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def app(store: Store, exporter: InMemorySpanExporter) -> ASGIApp:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Traced(build_app(store, ApiOptions(), lambda: 1_700_000_000.0), provider.get_tracer("test"))


def ask(
    app: ASGIApp, method: str, path: str, target: str = "", body: Any = None, **headers: str
) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            named = {"x-amz-target": target, **headers}
            return await client.request(method, path, content=json.dumps(body or {}), headers=named)

    return asyncio.run(once())


def trace_of(store: Store) -> Any:
    return store.life(JobKey("000000000000", "us-east-1", "job"))[0].detail.get("trace")


def traceparent(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_a_job_is_below_the_request_that_made_it_and_that_below_the_clients_span(
    app: ASGIApp, store: Store, exporter: InMemorySpanExporter
) -> None:
    reply = ask(app, "POST", "/", "SageMaker.CreateCompilationJob", CREATE, traceparent=CLIENT)
    assert reply.status_code == 200
    (span,) = exporter.get_finished_spans()
    assert span.name == "SageMaker.CreateCompilationJob"
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "00000000000000aa"
    assert span.attributes == {
        "rpc.system": "aws-api",
        "rpc.service": "SageMaker",
        "rpc.method": "CreateCompilationJob",
        "http.response.status_code": 200,
        "aws.request_id": reply.headers["x-amzn-requestid"],
    }
    assert trace_of(store) == traceparent(span)
    assert traceparent(span).split("-")[1] == CLIENT.split("-")[1]


def test_without_a_client_that_traces_the_request_begins_the_trace(
    app: ASGIApp, store: Store, exporter: InMemorySpanExporter
) -> None:
    ask(app, "POST", "/", "SageMaker.CreateCompilationJob", CREATE, traceparent="00-nonsense-01")
    (span,) = exporter.get_finished_spans()
    assert span.parent is None
    assert trace_of(store) == traceparent(span)


def test_names_of_operations_are_not_the_clients_to_make_up(
    app: ASGIApp, exporter: InMemorySpanExporter
) -> None:
    ask(app, "POST", "/", "anything " * 100)
    ask(app, "GET", "/healthz")
    ask(app, "POST", "/", "SageMaker.DescribeCompilationJob", {"CompilationJobName": "nothing"})
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["request", "SageMaker.DescribeCompilationJob"]
    assert all(span.status.status_code is StatusCode.UNSET for span in spans)  # the client's fault, not ours


def test_our_own_faults_are_faults(
    app: ASGIApp, store: Store, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "add_soon", lambda *_: (_ for _ in ()).throw(OSError("disk gone")))
    assert ask(app, "POST", "/", "SageMaker.CreateCompilationJob", CREATE).status_code == 500
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


def test_without_traces_a_clients_header_is_nobodys_business(store: Store) -> None:
    app = build_app(store, ApiOptions(), lambda: 1_700_000_000.0)
    ask(app, "POST", "/", "SageMaker.CreateCompilationJob", CREATE, traceparent=CLIENT)
    assert trace_of(store) is None
