from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.postgres import Postgres
from tinsmith.jobs.job import Job, JobKey, Status
from tinsmith.jobs.store import Store

ACCOUNT, REGION = "000000000000", "us-east-1"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database, of each engine in turn."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return server.database()
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store.open(url)
    yield store
    store.close()


@pytest.fixture
def new_job() -> Callable[..., Job]:
    return make_job


def make_job(name: str, created: float = 1000.25, account: str = ACCOUNT, **request: object) -> Job:
    key = JobKey(account, REGION, name)
    arn = f"arn:aws:sagemaker:{REGION}:{account}:compilation-job/{name}"
    body = {"CompilationJobName": name, "StoppingCondition": {}, **request}
    return Job(key, arn, body, Status.STARTING, 1, 0, created, created)
