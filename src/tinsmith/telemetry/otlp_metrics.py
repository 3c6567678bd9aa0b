"""The figures of /metrics by OTLP. Imported only where that is asked for."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

from tinsmith.background import Background
from tinsmith.telemetry.otlp import SCOPE, resource

CUMULATIVE = AggregationTemporality.CUMULATIVE
logger = logging.getLogger(__name__)


class Figures:
    """The thread that sends them every `interval` seconds, and a last time at the end."""

    def __init__(self, registry: CollectorRegistry, interval: float) -> None:
        self._registry = registry
        self._interval = interval
        self._exporter = OTLPMetricExporter()
        self._resource = resource()
        self._began = time.time_ns()
        self._background = Background("figures", self._work)

    def start(self) -> None:
        """From now on."""
        self._background.start()

    def stop(self) -> None:
        """What is on its way is waited for."""
        self._background.stop()
        self._exporter.shutdown()

    def _work(self) -> None:
        last = False
        while not last:
            last = self._background.stopping.wait(self._interval)
            try:
                self._send()
            except Exception:
                logger.exception("the metrics will be sent again")

    def _send(self) -> None:
        families = self._registry.collect()
        metrics = [_metric(family, self._began, time.time_ns()) for family in families]
        scope = ScopeMetrics(SCOPE, metrics, "")
        told = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        if self._exporter.export(told) is not MetricExportResult.SUCCESS:
            logger.warning("the OTLP endpoint did not take the metrics; the next ones include them")


def _metric(family: Family, began: int, now: int) -> Metric:
    if family.type == "histogram":
        points = [_histogram(samples, began, now) for samples in _series(family)]
        return Metric(family.name, family.documentation, "s", Histogram(points, CUMULATIVE))
    numbers = [
        NumberDataPoint(dict(sample.labels), began, now, sample.value)
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
    data = Sum(numbers, CUMULATIVE, True) if family.type == "counter" else Gauge(numbers)
    return Metric(family.name, family.documentation, "1", data)


def _series(family: Family) -> Iterator[Sequence[Sample]]:
    """The samples of a histogram with the same labels."""
    found: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in family.samples:
        found.setdefault(tuple(sorted(_labels(sample).items())), []).append(sample)
    yield from found.values()


def _labels(sample: Sample) -> Mapping[str, str]:
    return {name: value for name, value in sample.labels.items() if name != "le"}


def _histogram(samples: Sequence[Sample], began: int, now: int) -> HistogramDataPoint:
    """Prometheus counts what is up to a bound, OTLP what is between two; neither keeps the extremes here."""
    buckets = [sample for sample in samples if sample.name.endswith("_bucket")]
    totals = [0, *(int(sample.value) for sample in buckets)]
    total = next(sample.value for sample in samples if sample.name.endswith("_sum"))
    return HistogramDataPoint(
        attributes=dict(_labels(samples[0])),
        start_time_unix_nano=began,
        time_unix_nano=now,
        count=totals[-1],
        sum=total,
        bucket_counts=[after - before for before, after in pairwise(totals)],
        explicit_bounds=[float(sample.labels["le"]) for sample in buckets[:-1]],
        min=None,  # type: ignore[arg-type]  # optional in the protocol
        max=None,  # type: ignore[arg-type]
    )
