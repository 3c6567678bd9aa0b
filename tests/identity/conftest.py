"""Identities on a real database, and requests as botocore signs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from tinsmith.identity.sealing import Sealer
from tinsmith.identity.sigv4 import SignedRequest
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.engines import open_database

NOW = datetime(2026, 11, 22, 7, 39, 5, tzinfo=UTC).timestamp()
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BODY = b'{"CompilationJobName": "J"}'


@dataclass
class Signing:
    """How botocore is to sign; the clock is its own."""

    service: str = "sagemaker"
    region: str = "us-west-2"
    credentials: Credentials = field(default_factory=lambda: Credentials(KEY, SECRET))
    headers: dict[str, str] = field(default_factory=dict)
    url: str = "http://127.0.0.1:9229/"

    def sign(self, body: bytes = BODY, operation: str = "CreateCompilationJob") -> SignedRequest:
        headers = HTTPHeaders()
        for name, value in {
            "X-Amz-Target": f"SageMaker.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
            **self.headers,
        }.items():
            headers[name] = value
        request = AWSRequest("POST", self.url, data=body, headers=headers)
        SigV4Auth(self.credentials, self.service, self.region).add_auth(request)
        prepared = request.prepare()
        sent: list[tuple[bytes, bytes]] = [(b"host", self.url.split("/")[2].encode())]
        for name, value in prepared.headers.items():
            raw = value if isinstance(value, bytes) else value.encode()
            sent.append((name.lower().encode(), raw))
        query = self.url.partition("?")[2].encode()
        return SignedRequest(tuple(sent), body, query=query)


@pytest.fixture
def signing() -> Signing:
    return Signing()


@pytest.fixture
def at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore signs at NOW."""
    moment = datetime.fromtimestamp(NOW, UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_: moment.replace(tzinfo=None))


@pytest.fixture
def identities(tmp_path: Path) -> Iterator[IdentityStore]:
    database = open_database(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield IdentityStore(database, Sealer.of_file(tmp_path / "master.key"))
    database.close()


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any, resource: Any = "*", **rest: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **rest}


def deny(action: Any, resource: Any = "*", **rest: Any) -> dict[str, Any]:
    return {**allow(action, resource, **rest), "Effect": "Deny"}
