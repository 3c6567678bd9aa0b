"""`make fuzz-api`: random requests to the application in this process, over a real store. See `Findings`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.api.generated import ACCOUNT, PREFIXES, REGION, Generator, Payload
from tinsmith.api import kms, logs, metrics, query
from tinsmith.api.app import build_app
from tinsmith.api.model import OPERATIONS
from tinsmith.api.protocol import ApiOptions
from tinsmith.api.services import Kms, Logs, Metrics
from tinsmith.identity.bootstrap import ServiceKey, bootstrap
from tinsmith.identity.sealing import Sealer
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.errors import StaleAttempt, WrongStatus
from tinsmith.jobs.store import Store
from tinsmith.kms.keys import KeyStore
from tinsmith.telemetry.logs import LogStore
from tinsmith.telemetry.metrics import MetricStore

KEY = Credentials("AKIDFUZZ", "secret-of-the-fuzzer")
STRANGER = Credentials("AKIDNOBODY", "whatever")
URL = "http://127.0.0.1:9229/"
TOO_SLOW = 5.0
"""Seconds for one request, on a busy machine."""
HANDLED = {
    "logs": tuple(logs.HANDLERS),
    "cloudwatch": tuple(metrics.HANDLERS),
    "kms": tuple(kms.HANDLERS),
}
ASKED = {"sagemaker": OPERATIONS, **HANDLED}
CONTENT_TYPES = (
    "application/x-amz-json-1.1",
    "application/x-amz-json-1.0",
    "application/json",
    "text/plain",
    "",
)
TARGETS = (
    "",
    "SageMaker",
    "SageMaker.",
    "sagemaker.ListTags",
    "SageMaker.ListTags ",
    "SageMaker.\xe9",
    "A" * 9000,
)
AUTHORIZATIONS = (
    "", "Bearer x", "Basic YTpi", "\xff\xfe", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 " * 99,
    "AWS4-HMAC-SHA256 Credential=",
    "AWS4-HMAC-SHA256 Credential=//////, SignedHeaders=host;;host, Signature=\xe9",
    "AWS4-HMAC-SHA256 Credential=AKIDFUZZ/20260101/r/sagemaker/aws4_request, SignedHeaders=, Signature=",
)  # fmt: skip


@dataclass
class Findings:
    """What was answered, and what must never be."""

    answers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By service, kind of request, and status with code."""
    wrong: list[str] = field(default_factory=list)
    """Statuses from 500 on, replies that are not in the protocol, exceptions, requests that take too long."""
    slowest: float = 0.0

    def report(self) -> str:
        """A table of the answers, then what is wrong."""
        rows = [f"{count:7}  {' '.join(key)}" for key, count in sorted(self.answers.items())]
        total = f"{self.answers.total():7}  requests, the slowest took {self.slowest:.3f} s"
        return "\n".join([*rows, total, f"{len(self.wrong):7}  wrong", *self.wrong[:50]])


class Fuzzer:
    """A service with its stores in `folder`, and requests to it."""

    def __init__(self, folder: Path, seed: int, url: str = "") -> None:
        self.findings = Findings()
        self._random = Random(seed)
        self._generator = Generator(self._random)
        self._store = Store.open(url or f"sqlite:///{folder / 'jobs.db'}")
        database = self._store.database
        identities = IdentityStore(database, Sealer.of_file(folder / "master.key"))
        bootstrap(identities, ACCOUNT, ServiceKey(KEY.access_key, KEY.secret_key), time.time)
        keys = KeyStore(database, Sealer.of_file(folder / "master.key"), time.time)
        others = (Kms(keys), Logs(LogStore(database)), Metrics(MetricStore(database, time.time)))
        self._app = build_app(self._store, ApiOptions(account=ACCOUNT), time.time, identities, others)

    def close(self) -> None:
        """The stores."""
        self._store.close()

    async def run(self, count: int) -> Findings:
        """`count` requests, one after the other; every exception in the log is a finding."""
        handler = _Record(self.findings)
        logging.getLogger().addHandler(handler)
        try:
            for number in range(count):
                await self._step()
                if number % 15 == 0:
                    self._work()
        finally:
            logging.getLogger().removeHandler(handler)
        return self.findings

    async def _step(self) -> None:
        service = self._random.choices(tuple(ASKED), (70, 10, 10, 10))[0]
        payload = self._generator.payload(service, ASKED[service])
        begun = time.perf_counter()
        told = f"{service} {payload.operation} {payload.kind} {payload.body[:300]!r}"
        try:
            await self._ask(payload, told)
        except Exception as error:
            self.findings.wrong.append(f"{told}: raised {error!r}")
        took = time.perf_counter() - begun
        self.findings.slowest = max(self.findings.slowest, took)
        if took > TOO_SLOW:
            self.findings.wrong.append(f"{told}: took {took:.1f} s")

    async def _ask(self, payload: Payload, told: str) -> None:
        scope: dict[str, Any] = {"method": "POST", "path": "/", "query_string": b""}
        if self._random.random() < 0.03:
            scope["method"] = self._random.choice(("GET", "PUT", "OPTIONS", "HEAD", "BREW"))
        if self._random.random() < 0.03:
            scope["path"] = self._random.choice(("//", "/\0", "/é", "/?", "/a" * 500))
        if self._random.random() < 0.03:
            scope["query_string"] = self._random.choice(
                (b"a=b", b"%00", b"%", b"&&=", b"\xff", b"a=" + b"b" * 9000)
            )
        body = payload.body
        if form := payload.service == "cloudwatch" and self._random.random() < 0.4:
            body = _form(payload)
        headers = self._headers(payload, body, form)
        status, reply_headers, reply = await asgi(self._app, scope, headers, body)
        code = self._read(status, reply_headers, reply, told)
        self.findings.answers[payload.service, payload.kind, f"{status} {code}"] += 1

    def _read(self, status: int, headers: dict[bytes, bytes], body: bytes, told: str) -> str:
        """The code of a reply, which is checked."""
        wrong = self.findings.wrong
        if status >= 500:
            wrong.append(f"{told}: {status} {body[:200]!r}")
        if len(headers.get(b"x-amzn-requestid", b"")) != 36:
            wrong.append(f"{told}: {status} without a request id")
        if status == 200 and not body:
            return ""
        try:
            if headers[b"content-type"].startswith(b"text/xml"):
                return _code_in_xml(status, body)
            content = orjson.loads(body)
            if status == 200:
                self._generator.learn(content)
                return ""
            text = content["message"] if "message" in content else content["Message"]
            assert isinstance(text, str)
            return str(content["__type"])
        except (ValueError, KeyError, AssertionError, ElementTree.ParseError) as error:
            wrong.append(f"{told}: {status} is not in the protocol: {error!r} {body[:200]!r}")
            return ""

    def _headers(self, payload: Payload, body: bytes, form: bool) -> list[tuple[bytes, bytes]]:
        random = self._random
        strange = random.random() < 0.05
        named = {
            "X-Amz-Target": random.choice(TARGETS)
            if strange
            else PREFIXES[payload.service] + payload.operation,
            "Content-Type": CONTENT_TYPES[0] if random.random() < 0.9 else random.choice(CONTENT_TYPES),
        }
        if form:
            named = {"Content-Type": query.CONTENT_TYPE}
        if strange:
            named |= {"Content-Encoding": "gzip", "X-Amz-Security-Token": "t" * random.randrange(5000)}
        manner = random.choices(("signed", "stranger", "garbage", "none", "changed"), (80, 3, 8, 5, 4))[0]
        if manner in ("signed", "stranger", "changed"):
            signed = body + b" " if manner == "changed" else body
            request = AWSRequest("POST", URL, data=signed, headers=named)
            keys = STRANGER if manner == "stranger" else KEY
            name = {"cloudwatch": "monitoring"}.get(payload.service, payload.service)
            SigV4Auth(keys, name if random.random() < 0.98 else "s3", REGION).add_auth(request)
            named = dict(request.headers.items())
        elif manner == "garbage":
            named["Authorization"] = random.choice(AUTHORIZATIONS)
            named["X-Amz-Date"] = random.choice(
                ("", "20260101T000000Z", "yesterday", "\xff", "99999999T999999Z")
            )
        found = [(name.lower().encode(), value.encode("latin-1")) for name, value in named.items()]
        return [(b"host", b"127.0.0.1:9229"), *found]

    def _work(self) -> None:
        """A job takes a step, so that there are some in every status."""
        now = time.time()
        job = self._store.claim("fuzz", 60.0, now)
        if job is None:
            return
        place = job.key, job.attempt, now
        with suppress(StaleAttempt, WrongStatus):
            match self._random.randrange(4):
                case 0:
                    self._store.complete(*place, "s3://models/out/m.tar.gz", "0" * 64)
                case 1:
                    self._store.fail(*place, "ClientError: for a test")
                case 2:
                    self._store.stopped(*place)


class _Record(logging.Handler):
    """Errors in the log are findings."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(logging.WARNING)
        self._findings = findings

    def emit(self, record: logging.LogRecord) -> None:
        self._findings.wrong.append(
            f"in the log: {record.getMessage()} {record.exc_info and record.exc_info[1]!r}"
        )


async def asgi(
    app: Any, scope: Mapping[str, Any], headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, dict[bytes, bytes], bytes]:
    """One request without a network: status, headers and body of the reply."""
    path = str(scope["path"])
    whole = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
        "raw_path": path.encode(), "server": ("127.0.0.1", 9229), "client": ("127.0.0.1", 50000),
        "headers": headers, **scope,
    }  # fmt: skip
    half = len(body) // 2
    parts = [body[half:], body[:half]]
    status, seen, content = 0, {}, b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(), "more_body": bool(parts)}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status, seen, content
        if message["type"] == "http.response.start":
            status, seen = message["status"], dict(message["headers"])
        else:
            content += message.get("body", b"")

    await app(whole, receive, send)
    return status, seen, content


def _form(payload: Payload) -> bytes:
    """The payload in the query protocol; what is no JSON object stays as it is."""
    try:
        document = json.loads(payload.body)
    except (ValueError, RecursionError):
        return payload.body
    if not isinstance(document, dict):
        return payload.body
    fields = {"Action": payload.operation, "Version": metrics.VERSION, **dict(_fields(document, ""))}
    return urlencode(fields, errors="replace").encode()


def _fields(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _fields(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            yield from _fields(inner, f"{path}.member.{number}")
    else:
        yield path, str(value)


def _code_in_xml(status: int, body: bytes) -> str:
    """The code of an error; ValueError for a reply without its parts."""
    root = ElementTree.fromstring(body)
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    if "RequestId" not in found or (status != 200 and not (found.get("Code") and found.get("Message"))):
        raise ValueError("no request id, code or message")
    return "" if status == 200 else f"{found['Code']} in XML"


def main() -> int:
    """1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="", help="URL of an empty database; SQLite without it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = Fuzzer(Path(folder), options.seed, options.database)
        findings = asyncio.run(fuzzer.run(options.count))
        fuzzer.close()
    print(findings.report())
    return 1 if findings.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
