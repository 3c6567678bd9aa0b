from __future__ import annotations

from typing import Any

import pytest

from tests.jobs.conftest import make_job
from tests.telemetry.conftest import Clock
from tinsmith.identity.owner import Owner
from tinsmith.jobs.store import Store
from tinsmith.telemetry.delivery import Delivery
from tinsmith.telemetry.events import ENDS
from tinsmith.telemetry.feeds import JobEvents
from tinsmith.telemetry.job_metrics import NAMESPACE, JobMetrics
from tinsmith.telemetry.metrics import Metric, MetricStore

OURS = Owner("000000000000", "us-east-1")
REQUEST: dict[str, Any] = {
    "InputConfig": {"Framework": "ONNX"},
    "OutputConfig": {"TargetPlatform": {"Os": "LINUX", "Arch": "ARM64", "Accelerator": "MALI"}},
}


@pytest.fixture
def metrics(store: Store, clock: Clock) -> MetricStore:
    return MetricStore(store.database, clock)


def total(metrics: MetricStore, name: str, clock: Clock, **dimensions: str) -> float:
    metric = Metric.of(NAMESPACE, name, dimensions)
    found = metrics.periods(OURS, metric, clock.now - 600, clock.now + 600, 60)
    return sum(statistics.value("Sum") or 0 for statistics in found)


def test_ends_are_counted_and_durations_kept(store: Store, metrics: MetricStore, clock: Clock) -> None:
    delivery = Delivery(store.database, JobEvents(store, ENDS), JobMetrics(store, metrics), clock)
    delivery.register()
    for name in ("done", "gone", "wrong"):
        store.add(make_job(name, created=clock.now, **(REQUEST if name != "wrong" else {})), {})
    for name in ("done", "gone", "wrong"):
        job = store.claim("w", 30, clock.now + 1)
        assert job is not None
        assert job.key.name == name
        if name == "wrong":
            store.fail(job.key, 1, clock.now + 2, "ClientError: x")
        else:
            store.complete(job.key, 1, clock.now + 9, "s3://b/k", "00")
        if name == "gone":
            store.delete(job.key)
    assert delivery.step() == 3
    assert (total(metrics, "JobsCompleted", clock), total(metrics, "JobsFailed", clock)) == (2, 1)
    assert total(metrics, "JobsStopped", clock) == 0
    assert total(metrics, "Duration", clock) == 20
    of_kind = {"Framework": "ONNX", "Target": "LINUX_ARM64_MALI"}
    assert total(metrics, "Duration", clock, **of_kind) == 18
    assert total(metrics, "JobsCompleted", clock, **of_kind) == 2
