"""Starts whatever tells of jobs: deliveries to recipients, the feeder of logs, OpenTelemetry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp

from tinsmith.api.arns import job_arn
from tinsmith.api.observed import Observed
from tinsmith.jobs.store import Store
from tinsmith.settings import S3Options, Settings
from tinsmith.telemetry.delivery import Delivery, Feed, Recipient
from tinsmith.telemetry.destinations import Announcer, Destination, EventBus, Webhook
from tinsmith.telemetry.events import ENDS, KINDS
from tinsmith.telemetry.feeding import Feeder
from tinsmith.telemetry.feeds import JobEvents, JobLines
from tinsmith.telemetry.forwarding import AWS, Clients, LogForwarder, MetricForwarder, Sessions
from tinsmith.telemetry.job_metrics import JobMetrics
from tinsmith.telemetry.logs import LogStore
from tinsmith.telemetry.metrics import MetricStore
from tinsmith.worker.controller import owner_of
from tinsmith.worker.credentials import telemetry_session

if TYPE_CHECKING:
    from tinsmith.telemetry.otlp import Traces


def start_telling(
    settings: Settings, store: Store, logs: LogStore, metrics: MetricStore, observed: Observed, up: ExitStack
) -> Callable[[ASGIApp], ASGIApp]:
    """Everything up; the result puts around the API what its requests are to be told by."""
    options = settings.telemetry
    traces = _traces() if options.traces else None
    owner = owner_of(settings.data_dir)
    for feed, recipient in recipients(settings, store, metrics, traces):
        delivery = Delivery(store.database, feed, recipient, owner=owner)
        delivery.start()
        up.callback(delivery.stop)
    feeder = Feeder(settings, store, logs, metrics)
    feeder.start()
    up.callback(feeder.stop)
    if options.otlp_metrics:
        from tinsmith.telemetry.otlp_metrics import Figures

        figures = Figures(observed.registry, options.otlp_interval)
        figures.start()
        up.callback(figures.stop)
    if traces is None:
        return lambda app: app
    from tinsmith.api.traced import Traced

    up.callback(traces.close)  # before the deliveries end, so that none of them waits for an answer
    tracer = traces.tracer
    return lambda app: Traced(app, tracer)


def recipients(
    settings: Settings, store: Store, metrics: MetricStore, traces: Traces | None
) -> Iterator[tuple[Feed[Any], Recipient[Any]]]:
    """Whoever is told of jobs, each with what it is told from."""
    options = settings.telemetry
    changes, ends = JobEvents(store, KINDS), JobEvents(store, ENDS)
    yield ends, JobMetrics(store, metrics)
    told: list[Destination] = [Webhook(url, time.time, options.webhook_secret) for url in options.webhooks]
    if options.event_bus:
        told.append(EventBus(options.event_bus, options.events_endpoint, settings.region))
    for destination in told:
        yield changes, Announcer(store, destination, job_arn)
    sessions = _sessions(options.forward_sts)
    if (place := options.forward_logs) is not None:
        yield (
            JobLines(store.database),
            LogForwarder(store, Clients("logs", place, sessions, time.time), place),
        )
    if (place := options.forward_metrics) is not None:
        clients = Clients("cloudwatch", place, sessions, time.time)
        yield ends, MetricForwarder(store, clients, place)
    if traces is not None:
        from tinsmith.telemetry.otlp import JobTraces

        yield ends, JobTraces(store, traces)


def _traces() -> Traces:
    from tinsmith.telemetry.otlp import Traces

    return Traces()


def _sessions(endpoint: str | None) -> Sessions:
    """How forwarders get keys of a role: by boto3's usual keys, never those of the embedded store."""
    place = None if endpoint == AWS else endpoint
    return lambda role, owner: telemetry_session(
        role, owner, S3Options(region=owner.region, sts_endpoint_url=place)
    )
