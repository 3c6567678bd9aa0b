from __future__ import annotations

import pytest

from tests.telemetry.conftest import Clock
from tinsmith.identity.owner import Owner
from tinsmith.jobs.database import Database
from tinsmith.telemetry.metrics import KEPT, Datum, Metric, MetricStore, Statistics, is_statistic

OURS, THEIRS = Owner("000000000000", "us-east-1"), Owner("111111111111", "us-east-1")
JOBS = Metric.of("Tinsmith", "Duration", {"Framework": "ONNX", "A": "b"})


@pytest.fixture
def metrics(database: Database, clock: Clock) -> MetricStore:
    return MetricStore(database, clock)


def test_data_are_told_by_period(metrics: MetricStore) -> None:
    times = (0.0, 59.9, 60.0, 200.0)
    metrics.put(OURS, [(JOBS, Datum.of(time, value)) for value, time in enumerate(times, 1)])
    found = metrics.periods(OURS, JOBS, 0, 300, 60)
    assert [(it.time, it.value("SampleCount"), it.value("Sum")) for it in found] == [
        (0, 2, 3),
        (60, 1, 3),
        (180, 1, 4),
    ]
    assert [it.time for it in metrics.periods(OURS, JOBS, 61, 180, 60)] == [60]
    assert metrics.periods(THEIRS, JOBS, 0, 300, 60) == []
    assert metrics.periods(OURS, Metric.of("Tinsmith", "Duration", {}), 0, 300, 60) == []


def test_units_are_told_apart(metrics: MetricStore) -> None:
    metrics.put(OURS, [(JOBS, Datum.of(0, 1, unit="Seconds")), (JOBS, Datum.of(0, 2, unit="Count"))])
    found = metrics.periods(OURS, JOBS, 0, 60, 60)
    assert [(it.unit, it.value("Sum")) for it in found] == [("Count", 2), ("Seconds", 1)]
    assert [it.unit for it in metrics.periods(OURS, JOBS, 0, 60, 60, "Seconds")] == ["Seconds"]


def test_metrics_are_listed_once(metrics: MetricStore) -> None:
    other = Metric.of("Other", "Duration", {})
    for _ in range(2):
        metrics.put(OURS, [(JOBS, Datum.of(0, 1)), (other, Datum.of(0, 1))])
    assert metrics.metrics(OURS) == [other, JOBS]
    assert metrics.metrics(OURS, "Tinsmith") == metrics.metrics(OURS, "Tinsmith", "Duration") == [JOBS]
    assert metrics.metrics(OURS, "Tinsmith", "Other") == metrics.metrics(THEIRS) == []


def test_old_data_go(metrics: MetricStore, clock: Clock) -> None:
    metrics.put(OURS, [(JOBS, Datum.of(clock.now, 1)), (JOBS, Datum.of(clock.now + 1, 1))])
    clock.now += KEPT + 0.5
    assert metrics.expire() == 1
    assert metrics.expire() == 0


def test_statistics_of_values_and_of_summaries() -> None:
    values = Statistics(0, [Datum.of(0, 1, count=98), Datum.of(0, 50), Datum.of(0, 100)])
    assert [values.value(it) for it in ("SampleCount", "Sum", "Average", "Minimum", "Maximum")] == [
        100,
        248,
        2.48,
        1,
        100,
    ]
    assert [values.value(it) for it in ("p0", "p50", "p98", "p98.5", "p99", "p100")] == [1, 1, 1, 50, 50, 100]
    summary = Statistics(0, [Datum(0, 10, 55, 1, 10), Datum.of(0, 5)])
    assert (summary.value("Average"), summary.value("Maximum")) == (60 / 11, 10)
    assert summary.value("p50") is None


@pytest.mark.parametrize(
    ("text", "known"),
    [("Sum", True), ("p99.9", True), ("p101", False), ("sum", False), ("px", False), ("", False)],
)
def test_names_of_statistics(text: str, known: bool) -> None:
    assert is_statistic(text) is known
