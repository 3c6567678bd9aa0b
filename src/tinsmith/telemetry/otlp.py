"""OpenTelemetry by OTLP over HTTP, as the standard OTEL_* environment variables configure it.

The only module that knows the SDK, imported only where it is asked for (`tinsmith[otel]`). Spans of jobs go
through a delivery and so are told at least once; spans of requests are sent in the background, and are lost
with the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer

from tinsmith.jobs.store import Event, Store
from tinsmith.telemetry.delivery import GIVE_UP, Entry, Undelivered
from tinsmith.telemetry.subjects import subject_of
from tinsmith.telemetry.traces import ROOT, Span, Trace, trace_of

SCOPE = InstrumentationScope("tinsmith", version("tinsmith"))


def resource() -> Resource:
    """The service; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word."""
    ours = Resource({"service.name": "tinsmith", "service.version": version("tinsmith")})
    return ours.merge(OTELResourceDetector().detect())


class Traces:
    """Where the spans of this process go."""

    def __init__(self) -> None:
        self.exporter = OTLPSpanExporter()
        self.provider = TracerProvider(resource=resource(), shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

    @property
    def tracer(self) -> Tracer:
        """For spans of requests."""
        return self.provider.get_tracer(SCOPE.name, SCOPE.version)

    def close(self) -> None:
        """Sends what waits, unless nobody answers; nothing more is taken."""
        self.exporter.shutdown()  # type: ignore[no-untyped-call]
        self.provider.shutdown()


class JobTraces:
    """A recipient that tells each job that has ended as one trace."""

    name = "otlp traces"
    most = 1
    patience = GIVE_UP

    def __init__(self, store: Store, traces: Traces) -> None:
        self._store = store
        self._traces = traces

    def send(self, entries: Sequence[Entry[Event]]) -> None:
        """See `Recipient`."""
        for event in (entry.content for entry in entries):
            life = self._store.life(event.key, event.seq)
            if not life:  # its creation was before there were events
                continue
            trace = trace_of(life, subject_of(self._store, life))
            if not self._is_wanted(trace):
                continue
            spans = list(_readable(trace, self._traces.provider.resource))
            if self._traces.exporter.export(spans) is not SpanExportResult.SUCCESS:
                raise Undelivered(f"the OTLP endpoint did not take the trace of job {event.key.name}")

    def _is_wanted(self, trace: Trace) -> bool:
        if trace.sampled is not None:
            return trace.sampled
        decision = self._traces.provider.sampler.should_sample(None, trace.id, ROOT).decision
        return decision is Decision.RECORD_AND_SAMPLE


def _readable(trace: Trace, resource: Resource) -> Iterator[ReadableSpan]:
    for span in trace.spans:
        yield ReadableSpan(
            span.name,
            context=_context(trace, span.id),
            parent=None if span.parent is None else _context(trace, span.parent),
            resource=resource,
            attributes=dict(span.attributes),
            events=[SpanEvent(name, timestamp=_nanoseconds(time)) for name, time in span.moments],
            kind=SpanKind.INTERNAL,
            status=_status(span),
            start_time=_nanoseconds(span.begin),
            end_time=_nanoseconds(span.end),
            instrumentation_scope=SCOPE,
        )


def _context(trace: Trace, span: int) -> SpanContext:
    return SpanContext(trace.id, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _status(span: Span) -> Status:
    return Status(StatusCode.UNSET) if span.fault is None else Status(StatusCode.ERROR, span.fault)


def _nanoseconds(time: float) -> int:
    return round(time * 1_000_000) * 1000
