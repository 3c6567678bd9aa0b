"""Where events go: webhooks, and whatever answers PutEvents.

A webhook gets a POST with the event as its body, and

    X-Tinsmith-Event-Id: <the event's id>
    X-Tinsmith-Signature: t=<epoch seconds>,v1=<HMAC-SHA256 of "<t>.<body>" in hexadecimal>

the latter where there is a secret. Any 2xx answer takes the event.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import boto3
import orjson
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Event, Store
from tinsmith.telemetry.delivery import GIVE_UP, Entry, Undelivered
from tinsmith.telemetry.events import state_change
from tinsmith.telemetry.subjects import subject_of

SECONDS = 10.0
"""That a receiver may take to answer."""


class Destination(Protocol):
    """Takes one event after the other."""

    @property
    def name(self) -> str:
        """What its place in the events is remembered by."""

    def send(self, event: Mapping[str, Any]) -> None:
        """Returns once the receiver has taken `event`. Raises Undelivered."""


@dataclass(frozen=True)
class Announcer:
    """Tells a destination the events of jobs, one after the other."""

    store: Store
    destination: Destination
    arn_of: Callable[[JobKey], str]
    most: int = 1
    patience: float = GIVE_UP

    @property
    def name(self) -> str:
        """The destination's."""
        return self.destination.name

    def send(self, entries: Sequence[Entry[Event]]) -> None:
        """See `Recipient`."""
        for event in (entry.content for entry in entries):
            subject = subject_of(self.store, self.store.life(event.key, event.seq))
            self.destination.send(state_change(event, self.arn_of(event.key), subject))


@dataclass(frozen=True)
class Webhook:
    """An HTTP endpoint of the operator's."""

    url: str
    clock: Callable[[], float]
    secret: bytes | None = field(default=None, repr=False)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False), repr=False)

    @property
    def name(self) -> str:
        """The URL."""
        return self.url

    def send(self, event: Mapping[str, Any]) -> None:
        """See `Destination`. Redirections are not followed."""
        body = orjson.dumps(event)
        headers = {"content-type": "application/json", "x-tinsmith-event-id": str(event["id"])}
        if self.secret is not None:
            headers["x-tinsmith-signature"] = signature(self.secret, int(self.clock()), body)
        try:
            reply = self.pool.request(
                "POST", self.url, body=body, headers=headers, timeout=SECONDS, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise Undelivered(f"{self.url}: {error}") from error
        if not 200 <= reply.status < 300:
            raise Undelivered(f"{self.url} answered with status {reply.status}")


def signature(secret: bytes, time: int, body: bytes) -> str:
    """Of a body that is sent at `time`, in epoch seconds."""
    digest = hmac.new(secret, b"%d." % time + body, hashlib.sha256).hexdigest()
    return f"t={time},v1={digest}"


class EventBus:
    """PutEvents of EventBridge, of Amazon's own or of another make."""

    def __init__(
        self, bus: str, endpoint_url: str | None, region: str, credentials: Mapping[str, str] | None = None
    ) -> None:
        """`credentials` are keyword arguments of boto3's clients; none: boto3's usual places."""
        self._name = f"{endpoint_url or 'eventbridge'} {bus}"
        self._bus = bus
        self._client: Any = boto3.session.Session(region_name=region).client(
            "events",
            endpoint_url=endpoint_url,
            config=Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries={"max_attempts": 1}),
            **(credentials or {}),
        )

    @property
    def name(self) -> str:
        """Endpoint and bus."""
        return self._name

    def send(self, event: Mapping[str, Any]) -> None:
        """See `Destination`."""
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": orjson.dumps(event["detail"]).decode(),
            "Resources": event["resources"],
            "Time": event["time"],
            "EventBusName": self._bus,
        }
        try:
            reply = self._client.put_events(Entries=[entry])
        except (BotoCoreError, ClientError) as error:
            raise Undelivered(f"{self.name}: {error}") from error
        if reply.get("FailedEntryCount"):
            refusal = reply["Entries"][0]
            raise Undelivered(f"{self.name}: {refusal.get('ErrorCode')}: {refusal.get('ErrorMessage')}")
