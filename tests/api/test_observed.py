from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import Service
from tests.jobs.conftest import make_job
from tinsmith.api.observed import Observed
from tinsmith.jobs.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield store
    store.close()


def values(text: str) -> dict[str, float]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_requests_are_counted_and_timed(store: Store) -> None:
    observed = Observed(store)
    observed.request("SageMaker.AddTags", 200, 0.002)
    observed.request("SageMaker.AddTags", 200, 0.2)
    observed.request("other", 400, 0.0)
    found = values(observed.text().decode())
    assert found['tinsmith_requests_total{operation="SageMaker.AddTags",status="200"}'] == 2
    assert found['tinsmith_requests_total{operation="other",status="400"}'] == 1
    assert found['tinsmith_request_seconds_bucket{le="0.0025",operation="SageMaker.AddTags"}'] == 1
    assert found['tinsmith_request_seconds_sum{operation="SageMaker.AddTags"}'] == 0.202


def test_jobs_are_counted_when_they_are_asked_for(store: Store) -> None:
    observed = Observed(store)
    assert values(observed.text().decode())['tinsmith_jobs{status="STARTING"}'] == 0
    for name in ("a", "b"):
        store.add(make_job(name), {})
    store.claim("worker", 30, 2000.0)
    found = values(observed.text().decode())
    assert found['tinsmith_jobs{status="STARTING"}'] == found['tinsmith_jobs{status="INPROGRESS"}'] == 1
    assert found['tinsmith_jobs{status="FAILED"}'] == 0


def test_prometheus_reads_them_from_the_service(own_service: Service, valid: Callable[..., object]) -> None:
    own_service.client().list_compilation_jobs()
    own_service.post("NoSuchThing", "{}")
    reply = httpx.get(f"{own_service.url}/metrics", trust_env=False)
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = values(reply.text)
    assert found['tinsmith_requests_total{operation="SageMaker.ListCompilationJobs",status="200"}'] == 1
    assert found['tinsmith_requests_total{operation="other",status="400"}'] == 1
    assert httpx.get(f"{own_service.url}/readyz", trust_env=False).status_code == 200
