"""Forwards the jobs' logs and metrics to CloudWatch, Amazon's own or of another make, in the jobs' roles.

What a job's role may not is tried again for a day, while other jobs' lines go on. Lines that CloudWatch Logs
takes no more, being too old, are left out with a line in the service's log.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tinsmith.errors import ClientError as RoleError
from tinsmith.errors import InternalError
from tinsmith.identity.owner import Owner
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Event, Store
from tinsmith.telemetry.delivery import Entry, Refused, Undelivered
from tinsmith.telemetry.feeding import GROUP
from tinsmith.telemetry.feeds import LINES, Line
from tinsmith.telemetry.job_metrics import NAMESPACE, data_of
from tinsmith.telemetry.logs import DAY_MS
from tinsmith.telemetry.metrics import Datum, Metric
from tinsmith.telemetry.subjects import Subject, subject_of

AWS = "aws"
"""In place of a URL: Amazon's own endpoint in the job's region."""
PATIENCE = 13 * 86_400.0
"""CloudWatch takes what is up to two weeks old."""
MAX_BYTES, OVERHEAD = 1_000_000, 26
"""Of one request, in UTF-8, and for each line of it; CloudWatch Logs takes 1,048,576."""
MAX_CLIENTS = 256
EARLY = 120.0
"""Seconds before its end that a session is not used any more."""
TIMEOUT = 8.0
"""Seconds; a group of lines takes few requests, and the lease is for 30."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """Short-lived keys of a role: keyword arguments of boto3's clients, and when they end."""

    keys: Mapping[str, str] = field(repr=False)
    until: float


Sessions = Callable[[str, Owner], Session]
"""Of a role, for the telemetry of an owner's jobs. Raises ClientError where the role is not to be had,
InternalError where nobody answers."""


class Clients:
    """Clients of one service, each with a session of a role."""

    def __init__(self, service: str, endpoint: str, sessions: Sessions, clock: Callable[[], float]) -> None:
        """`endpoint`: a URL, or `AWS`."""
        self._service = service
        self._endpoint = None if endpoint == AWS else endpoint
        self._sessions = sessions
        self._clock = clock
        self._known: OrderedDict[tuple[str, Owner], tuple[Any, float]] = OrderedDict()

    def of(self, role: str, owner: Owner) -> Any:
        """Raises Undelivered, Refused."""
        client, until = self._known.get((role, owner), (None, 0.0))
        if until - EARLY <= self._clock():
            client, until = self._new(role, owner)
            self._known[role, owner] = client, until
        self._known.move_to_end((role, owner))
        while len(self._known) > MAX_CLIENTS:
            self._known.popitem(last=False)
        return client

    def forget(self, role: str, owner: Owner) -> None:
        """Whatever was wrong, the next one has a session of its own."""
        self._known.pop((role, owner), None)

    def _new(self, role: str, owner: Owner) -> tuple[Any, float]:
        try:
            session = self._sessions(role, owner)
        except RoleError as error:
            raise Refused(str(error)) from None
        except InternalError as error:
            raise Undelivered(str(error)) from None
        client = boto3.session.Session(region_name=owner.region).client(
            self._service,
            endpoint_url=self._endpoint,
            config=Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 1}),
            **session.keys,
        )
        return client, session.until


@dataclass(frozen=True)
class LogForwarder:
    """PutLogEvents of the jobs' lines: the group and stream that they have here."""

    store: Store
    clients: Clients
    endpoint: str
    most: int = LINES
    patience: float = PATIENCE

    @property
    def name(self) -> str:
        """By the endpoint."""
        return f"logs {self.endpoint}"

    def send(self, entries: Sequence[Entry[Line]]) -> None:
        """See `Recipient`. Lines of what is no job are left out."""
        lines = [entry.content for entry in entries]
        owner, job = lines[0].owner, lines[0].job
        key = JobKey(owner.account, owner.region, job)
        subject = subject_of(self.store, self.store.life(key, time=lines[-1].time / 1000))
        if subject is None or subject.role is None:
            return
        with _Asked(self.clients, subject.role, owner) as client:
            for batch in batches(lines):
                events = [{"timestamp": line.time, "message": line.message} for line in batch]
                reply = _put(client, job, events)
                if rejected := reply.get("rejectedLogEventsInfo"):
                    logger.warning("%s took not all lines of job %s: %s", self.name, job, rejected)


@dataclass(frozen=True)
class MetricForwarder:
    """PutMetricData of how jobs end."""

    store: Store
    clients: Clients
    endpoint: str
    most: int = 1
    patience: float = PATIENCE

    @property
    def name(self) -> str:
        """By the endpoint."""
        return f"metrics {self.endpoint}"

    def send(self, entries: Sequence[Entry[Event]]) -> None:
        """See `Recipient`."""
        for event in (entry.content for entry in entries):
            subject = subject_of(self.store, self.store.life(event.key, event.seq))
            if subject is not None and subject.role is not None:
                self._put(event, subject, subject.role)

    def _put(self, event: Event, subject: Subject, role: str) -> None:
        data = [_datum(metric, datum) for metric, datum in data_of(event, subject)]
        with _Asked(self.clients, role, Owner(event.key.account, event.key.region)) as client:
            client.put_metric_data(Namespace=NAMESPACE, MetricData=data)


def batches(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """`lines` in the order of time, as many together as one PutLogEvents takes: by size, and of one day."""
    batch: list[Line] = []
    size = 0
    for line in sorted(lines, key=lambda line: line.time):
        length = len(line.message.encode()) + OVERHEAD
        if batch and (size + length > MAX_BYTES or line.time - batch[0].time >= DAY_MS):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield batch


def _put(client: Any, stream: str, events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The reply of PutLogEvents; group and stream are made where they are missing."""
    place = {"logGroupName": GROUP, "logStreamName": stream}
    try:
        return dict(client.put_log_events(**place, logEvents=events))
    except client.exceptions.ResourceNotFoundException:
        for make, names in (
            (client.create_log_group, {"logGroupName": GROUP}),
            (client.create_log_stream, place),
        ):
            try:
                make(**names)
            except client.exceptions.ResourceAlreadyExistsException:
                continue
        return dict(client.put_log_events(**place, logEvents=events))


def _datum(metric: Metric, datum: Datum) -> dict[str, Any]:
    return {
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
        "Timestamp": datum.time,
        "Value": datum.sum,
        "Unit": datum.unit,
    }


class _Asked:
    """The client of a role; what goes wrong with it becomes Undelivered, or Refused where it was answered."""

    def __init__(self, clients: Clients, role: str, owner: Owner) -> None:
        self._clients = clients
        self._of = role, owner

    def __enter__(self) -> Any:
        return self._clients.of(*self._of)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, BotoCoreError | ClientError):
            self._clients.forget(*self._of)
            answered = isinstance(error, ClientError) and _status(error) < 500
            raise (Refused if answered else Undelivered)(f"in the role {self._of[0]}: {error}") from error


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
