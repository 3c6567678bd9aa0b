from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tinsmith.telemetry.delivery import Undelivered
from tinsmith.telemetry.destinations import EventBus, Webhook

EVENT = {
    "id": "1",
    "source": "aws.sagemaker",
    "detail-type": "SageMaker Compilation Job State Change",
    "detail": {"CompilationJobName": "ä"},
    "resources": ["arn"],
    "time": "2026-01-01T00:00:00Z",
}


class Receiver(ThreadingHTTPServer):
    """Remembers what it gets, and answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status, self.reply = 200, b"{}"
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", str(len(self.server.reply)))
        self.end_headers()
        self.wfile.write(self.server.reply)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        yield receiver
        receiver.shutdown()


def test_a_webhook_gets_the_event_signed(receiver: Receiver) -> None:
    Webhook(receiver.url, lambda: 1000.9, b"key").send(EVENT)
    headers, body = receiver.requests[0]
    assert json.loads(body) == EVENT
    assert headers["x-tinsmith-event-id"] == "1"
    digest = hmac.new(b"key", b"1000." + body, hashlib.sha256).hexdigest()
    assert headers["x-tinsmith-signature"] == f"t=1000,v1={digest}"


def test_without_a_secret_there_is_no_signature(receiver: Receiver) -> None:
    Webhook(receiver.url, lambda: 1000.0).send(EVENT)
    assert "x-tinsmith-signature" not in receiver.requests[0][0]


@pytest.mark.parametrize("status", [302, 400, 500])
def test_what_is_not_taken_is_undelivered(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(Undelivered, match=f"status {status}"):
        Webhook(receiver.url, lambda: 0.0).send(EVENT)
    assert len(receiver.requests) == 1


def test_nobody_there_is_undelivered() -> None:
    with pytest.raises(Undelivered, match="Connection refused"):
        Webhook("http://127.0.0.1:9/hook", lambda: 0.0).send(EVENT)


KEYS = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}


def test_an_event_bus_gets_put_events(receiver: Receiver) -> None:
    receiver.reply = b'{"FailedEntryCount": 0, "Entries": [{"EventId": "x"}]}'
    EventBus("bus", receiver.url, "us-east-1", KEYS).send(EVENT)
    headers, body = receiver.requests[0]
    assert headers["x-amz-target"] == "AWSEvents.PutEvents"
    (entry,) = json.loads(body)["Entries"]
    assert (entry["Source"], entry["EventBusName"]) == ("aws.sagemaker", "bus")
    assert json.loads(entry["Detail"]) == EVENT["detail"]


def test_an_entry_that_failed_is_undelivered(receiver: Receiver) -> None:
    receiver.reply = (
        b'{"FailedEntryCount": 1, "Entries": [{"ErrorCode": "Throttled", "ErrorMessage": "later"}]}'
    )
    with pytest.raises(Undelivered, match="Throttled: later"):
        EventBus("bus", receiver.url, "us-east-1", KEYS).send(EVENT)
