"""What Prometheus scrapes: requests by operation and status, how long they took, jobs by status.

tinsmith_requests_total{operation="SageMaker.CreateCompilationJob",status="200"}
tinsmith_request_seconds_bucket{operation=...,le=...}
tinsmith_jobs{status="INPROGRESS"}
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from tinsmith.jobs.job import Status
from tinsmith.jobs.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Seconds."""


class Observed:
    """The figures of one service. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tinsmith_requests", "Requests answered", ("operation", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "tinsmith_request_seconds",
            "Time to answer a request",
            ("operation",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_Jobs(store))
        # Looking a series up by its labels costs several times as much as counting in it.
        self._count = cache(self._requests.labels)
        self._time = cache(self._seconds.labels)

    def request(self, operation: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self._count(operation, str(status)).inc()
        self._time(operation).observe(seconds)

    def text(self) -> bytes:
        """All of it, in Prometheus's format; blocks on the store."""
        return generate_latest(self.registry)


class _Jobs:
    """Counted when they are asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterator[Metric]:
        """No look at the store when this is registered."""
        yield GaugeMetricFamily("tinsmith_jobs", "Jobs in the store", labels=["status"])

    def collect(self) -> Iterator[Metric]:
        """Every status, also those that no job has."""
        counts = self._store.counts()
        family = GaugeMetricFamily("tinsmith_jobs", "Jobs in the store", labels=["status"])
        for status in Status:
            family.add_metric([status], counts.get(status, 0))
        yield family
