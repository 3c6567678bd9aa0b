"""A job as a trace: what happened to it as spans, made of its events.

    compilation job                creation to end; below whatever asked for it
      queued                       creation, or the loss of an attempt, to the next claim
      attempt                      claim to end, or to when it was lost
        download, extract          what the worker did, as it says
        compile
          read, tune, emit ...     what the compiler did, as it says
        take, upload

Ids are the same whenever a trace is told, so that receivers can drop what they have had.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tinsmith.jobs.store import Event
from tinsmith.telemetry.events import ENDS
from tinsmith.telemetry.subjects import Subject

ROOT = "compilation job"
SAMPLED = 1
_TRACEPARENT = re.compile(r"00-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")


@dataclass(frozen=True)
class Span:
    """Times are epoch seconds. `parent` is None only for a trace that begins with the job."""

    name: str
    id: int
    parent: int | None
    begin: float
    end: float
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    moments: Sequence[tuple[str, float]] = ()
    fault: str | None = None
    """What went wrong in it."""


@dataclass(frozen=True)
class Trace:
    """All spans of a job, the root first."""

    id: int
    spans: Sequence[Span]
    sampled: bool | None
    """Whether it is to be told; None: nobody has decided."""


def trace_of(life: Sequence[Event], subject: Subject | None) -> Trace:
    """Of a job that has ended. `life`: its events, `Store.life`."""
    created = life[0]
    context = _TRACEPARENT.fullmatch(str(created.detail.get("trace", "")))
    if context is None:
        identity = "/".join((created.key.account, created.key.region, created.key.name, str(created.seq)))
        trace, parent, sampled = _id(identity, 16), None, None
    else:
        trace, parent = int(context["trace"], 16), int(context["span"], 16)
        sampled = bool(int(context["flags"], 16) & SAMPLED)
    end = next(event for event in life if event.kind in ENDS)
    lived = life[: life.index(end) + 1]
    root = Span(
        ROOT,
        _id(f"{trace:x} root", 8),
        parent,
        created.time,
        max(end.time, created.time),
        _attributes(end, subject),
        [(event.kind, event.time) for event in lived if event.kind == "stop_requested"],
        end.detail.get("reason"),
    )
    below = [
        replace(
            span, id=_id(f"{trace:x} {number}", 8), parent=root.id if span.parent is None else span.parent
        )
        for number, span in enumerate(_phases(lived))
    ]
    stages = [span for attempt in below[-1:] for span in _stages(end, attempt)]
    return Trace(trace, [root, *below, *stages], sampled)


def _attributes(end: Event, subject: Subject | None) -> dict[str, str | int]:
    kind = {} if subject is None else subject.kind
    attributes: dict[str, str | int] = {
        "tinsmith.job.name": end.key.name,
        "tinsmith.job.outcome": str(end.detail["status"]),
        "tinsmith.job.attempts": int(end.detail["attempt"]),
        "cloud.account.id": end.key.account,
        "cloud.region": end.key.region,
    }
    return attributes | {f"tinsmith.job.{name.lower()}": value for name, value in kind.items()}


def _phases(lived: Sequence[Event]) -> Iterator[Span]:
    """Waiting and attempts in turn; their ids are not theirs yet."""
    begin, attempt = lived[0], False
    for event in lived[1:]:
        if event.kind == "claimed":
            if attempt:  # the lease of the one before was over
                yield _attempt(begin, event, "its lease was over")
            else:
                yield Span("queued", 0, None, begin.time, max(event.time, begin.time))
        elif event.kind == "released" or event.kind in ENDS:
            if attempt:
                yield _attempt(begin, event, event.detail.get("cause") or event.detail.get("reason"))
            else:
                yield Span("queued", 0, None, begin.time, max(event.time, begin.time))
        else:
            continue
        begin, attempt = event, event.kind == "claimed"


def _attempt(claimed: Event, end: Event, fault: str | None) -> Span:
    attributes: dict[str, str | int] = {
        "tinsmith.attempt": int(claimed.detail["attempt"]),
        "tinsmith.worker": str(claimed.detail.get("owner", "")),
    }
    return Span("attempt", 0, None, claimed.time, max(end.time, claimed.time), attributes, fault=fault)


def _stages(end: Event, attempt: Span) -> Iterator[Span]:
    """Of the last attempt; `compile.read` is below `compile`."""
    known: dict[str, int] = {}
    stages = end.detail.get("stages", ())
    for name, begin, until in sorted(stages, key=lambda stage: (stage[1], stage[0])):
        above, _, own = name.rpartition(".")
        known[name] = _id(f"{attempt.id:x} {name}", 8)
        yield Span(own, known[name], known.get(above, attempt.id), begin, until)


def _id(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "big") or 1
