"""A real server on the loopback, and real clients for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import uvicorn
from botocore.config import Config

from tinsmith.api.app import build_app
from tinsmith.api.protocol import ApiOptions
from tinsmith.api.services import Service as Other
from tinsmith.identity.store import IdentityStore
from tinsmith.jobs.store import Store
from tinsmith.settings import NO_QUOTAS, QuotaOptions

ACCOUNT = "123456789012"


@dataclass
class Clock:
    """Real time, moved on by hand."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass(frozen=True)
class Service:
    """A running API and the store behind it."""

    url: str
    store: Store
    clock: Clock
    model_packages: Path

    def client(
        self,
        region: str = "us-east-1",
        access_key: str = "AKIDEXAMPLE",
        secret_key: str = "secret",
        token: str | None = None,
    ) -> Any:
        """A boto3 client that neither retries nor validates on its own. Regions share no jobs."""
        return boto3.client(
            "sagemaker",
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )

    def post(self, operation: str, body: bytes | str, **headers: str) -> httpx.Response:
        """One raw request, unsigned unless `headers` says otherwise."""
        target = {"X-Amz-Target": f"SageMaker.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        return httpx.post(self.url, content=body, headers=target | headers, trust_env=False)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that keep to a region of their own."""
    with running(tmp_path_factory.mktemp("api")) as shared:
        yield shared


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    """A service whose store holds nothing but the test's own jobs."""
    with running(tmp_path) as own:
        yield own


@contextmanager
def running(
    folder: Path,
    identities: IdentityStore | None = None,
    quotas: QuotaOptions = NO_QUOTAS,
    others: Sequence[Other] = (),
) -> Iterator[Service]:
    """A service over a store in `folder`; it authenticates where there are `identities`."""
    store = Store.open(f"sqlite:///{folder / 'jobs.db'}", quotas)
    clock = Clock()
    options = ApiOptions(account=ACCOUNT, model_packages=folder / "model-packages", quotas=quotas)
    app = build_app(store, options, clock, identities, others)
    config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off", proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Service(f"http://127.0.0.1:{port}", store, clock, folder / "model-packages")
    finally:
        server.should_exit = True
        thread.join()
        store.close()


@pytest.fixture
def region(request: pytest.FixtureRequest) -> str:
    """A region that no other test uses, so that each test sees its own jobs only."""
    return f"test-{abs(hash(request.node.nodeid)) % 10**9}"


@pytest.fixture
def client(service: Service, region: str) -> Any:
    return service.client(region)


@pytest.fixture
def valid() -> Callable[..., dict[str, Any]]:
    """Builds a valid CreateCompilationJob request with some members replaced; None leaves one out."""

    def build(name: str = "job", **members: Any) -> dict[str, Any]:
        request = {
            "CompilationJobName": name,
            "RoleArn": "arn:aws:iam::123456789012:role/service-role/compiler",
            "InputConfig": {"S3Uri": "s3://models/churn/model.tar.gz", "Framework": "XGBOOST"},
            "OutputConfig": {"S3OutputLocation": "s3://models/compiled/", "TargetDevice": "ml_c5"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 900},
        }
        return {key: value for key, value in (request | members).items() if value is not None}

    return build
