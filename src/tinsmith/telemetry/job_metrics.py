"""Metrics of jobs, made of the events with which they end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinsmith.identity.owner import Owner
from tinsmith.jobs.store import Event, Store
from tinsmith.telemetry.delivery import GIVE_UP, Entry
from tinsmith.telemetry.metrics import Datum, Metric, MetricStore
from tinsmith.telemetry.subjects import Subject, subject_of

NAMESPACE = "Tinsmith/CompilationJobs"
_COUNTED = {"completed": "JobsCompleted", "failed": "JobsFailed", "stopped": "JobsStopped"}


@dataclass(frozen=True)
class JobMetrics:
    """A recipient that counts: how jobs end, and how long they took from their creation to that.

    An event that is told again is counted again: counts are right as long as the service does not die.
    """

    store: Store
    metrics: MetricStore
    name: str = "metrics"
    most: int = 1
    patience: float = GIVE_UP

    def send(self, entries: Sequence[Entry[Event]]) -> None:
        """See `Recipient`."""
        for event in (entry.content for entry in entries):
            subject = subject_of(self.store, self.store.life(event.key, event.seq))
            self.metrics.put(Owner(event.key.account, event.key.region), data_of(event, subject))


def data_of(event: Event, subject: Subject | None) -> Iterator[tuple[Metric, Datum]]:
    """What the end `event` of `subject` measures: without dimensions, and by framework and target."""
    data = [(_COUNTED[event.kind], Datum.of(event.time, 1, unit="Count"))]
    if subject is not None:
        seconds = max(0.0, round(event.time - subject.creation_time, 3))
        data.append(("Duration", Datum.of(event.time, seconds, unit="Seconds")))
    for dimensions in [{}, subject.kind] if subject is not None and subject.kind else [{}]:
        for name, datum in data:
            yield Metric.of(NAMESPACE, name, dimensions), datum
