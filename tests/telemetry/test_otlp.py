from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tests.jobs.conftest import make_job
from tests.otlp import Collector, attributes, collecting
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Event, Store
from tinsmith.telemetry.delivery import Delivery, Undelivered
from tinsmith.telemetry.events import ENDS
from tinsmith.telemetry.feeds import JobEvents
from tinsmith.telemetry.otlp import JobTraces, Traces
from tinsmith.telemetry.otlp_metrics import Figures

KEY = JobKey("000000000000", "us-east-1", "job")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=ours")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        yield collector


def run(store: Store, name: str, trace: str = "") -> None:
    now = time.time()
    store.add(make_job(name, created=now), {}, trace)
    job = store.claim("worker", 30, now + 1)
    assert job is not None
    store.fail(job.key, 1, now + 2, "ClientError: x", [("download", now + 1, now + 2)])


@pytest.fixture
def delivery(store: Store, collector: Collector) -> Iterator[Delivery[Event]]:
    traces = Traces()
    delivery = Delivery(store.database, JobEvents(store, ENDS), JobTraces(store, traces))
    delivery.register()
    yield delivery
    traces.close()


def test_a_job_is_one_trace(store: Store, delivery: Delivery[Event], collector: Collector) -> None:
    run(store, "job", "00-0123456789abcdef0123456789abcdef-00000000000000aa-01")
    run(store, "unsampled", "00-0123456789abcdef0123456789abcdef-00000000000000aa-00")
    assert delivery.step() == 2
    assert [span.name for span in collector.spans] == ["compilation job", "queued", "attempt", "download"]
    assert {span.trace_id.hex() for span in collector.spans} == {"0123456789abcdef0123456789abcdef"}
    root, queued, attempt, download = collector.spans
    assert root.parent_span_id.hex() == "00000000000000aa"
    assert queued.parent_span_id == attempt.parent_span_id == root.span_id
    assert download.parent_span_id == attempt.span_id
    assert attributes(root)["tinsmith.job.outcome"] == "FAILED"
    assert (root.status.code, root.status.message) == (2, "ClientError: x")
    assert (root.end_time_unix_nano - root.start_time_unix_nano) / 1e9 == pytest.approx(2, abs=0.001)
    resource = attributes(collector.requests[0].resource_spans[0].resource)
    assert (resource["service.name"], resource["deployment.environment"]) == ("tinsmith", "test")
    assert collector.headers[0]["x-tenant"] == "ours"


def test_traces_wait_for_their_receiver(
    store: Store, delivery: Delivery[Event], collector: Collector
) -> None:
    collector.status = 503
    run(store, "job")
    with pytest.raises(Undelivered, match="did not take the trace of job job"):
        delivery.step()
    assert collector.refused > 0
    collector.status = 200
    assert delivery.step() == 1
    assert collector.spans[0].name == "compilation job"


def test_jobs_that_nobody_traced_are_sampled_as_configured(
    store: Store, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    traces = Traces()
    delivery = Delivery(store.database, JobEvents(store, ENDS), JobTraces(store, traces))
    delivery.register()
    run(store, "job")
    assert delivery.step() == 1
    assert collector.spans == []
    traces.close()


def test_the_figures_of_metrics_arrive(collector: Collector) -> None:
    registry = CollectorRegistry()
    counter = Counter("tinsmith_requests", "Requests", ("operation",), registry=registry)
    histogram = Histogram("tinsmith_seconds", "Time", ("operation",), buckets=(0.1, 1.0), registry=registry)
    Gauge("tinsmith_jobs", "Jobs", ("status",), registry=registry).labels("FAILED").set(4)
    counter.labels("a").inc(3)
    counter.labels("b").inc()
    for seconds in (0.05, 0.5, 0.6, 5.0):
        histogram.labels("a").observe(seconds)
    figures = Figures(registry, interval=3600)
    figures.start()
    figures.stop()
    requests = collector.metrics["tinsmith_requests"].sum
    assert {attributes(point)["operation"]: point.as_double for point in requests.data_points} == {
        "a": 3,
        "b": 1,
    }
    assert (requests.is_monotonic, requests.aggregation_temporality) == (True, 2)
    (point,) = collector.metrics["tinsmith_seconds"].histogram.data_points
    assert (list(point.bucket_counts), list(point.explicit_bounds)) == ([1, 2, 1], [0.1, 1.0])
    assert (point.count, point.sum, attributes(point)) == (4, pytest.approx(6.15), {"operation": "a"})
    (jobs,) = collector.metrics["tinsmith_jobs"].gauge.data_points
    assert (jobs.as_double, attributes(jobs)) == (4, {"status": "FAILED"})


def test_nothing_of_it_is_imported_while_it_is_off(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from contextlib import ExitStack
import tinsmith.worker.attempt
from tinsmith.api.observed import Observed
from tinsmith.cli import assembly, serve, telling
from tinsmith.jobs.store import Store
from tinsmith.settings import Settings
from tinsmith.telemetry.logs import LogStore
from tinsmith.telemetry.metrics import MetricStore
settings = Settings.under(Path({str(tmp_path)!r}))
store = Store.open(settings.database_url)
logs, metrics = LogStore(store.database), MetricStore(store.database, lambda: 0.0)
with ExitStack() as up:
    around = telling.start_telling(settings, store, logs, metrics, Observed(store), up)
    assert around("the app") == "the app"
print(sorted(name for name in sys.modules if "opentelemetry" in name))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
