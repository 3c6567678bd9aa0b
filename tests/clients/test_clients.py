"""Those of the clients that are installed; `make clients` installs and tries all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.models import boosted
from tests.acceptance.service import Service
from tests.clients.clients import KINDS, Kind
from tests.clients.life import Record, compile_model, live, tamper

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One job at a time, so that the next one stays in the queue."""
    with Service(tmp_path_factory.mktemp("service") / "data", "--concurrency", "1") as running:
        yield running


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.tar.gz"
    path.write_bytes(boosted().tarball)
    return path


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    if found.missing:
        pytest.skip(found.missing)
    return found


def test_life_of_a_job(kind: Kind, service: Service, model: Path, tmp_path: Path) -> None:
    live(kind, service, model, tmp_path, Record())


def test_what_is_changed_after_signing_is_refused(kind: Kind, service: Service) -> None:
    record = Record()
    tamper(kind, service, record)
    assert {"host", "x-amz-date", "x-amz-target"} <= set(record.signed_headers.split(";"))


def test_model_compile_of_the_sagemaker_sdk(service: Service, model: Path) -> None:
    sdk = KINDS[-1]
    if sdk.missing:
        pytest.skip(sdk.missing)
    compile_model(sdk, service, model)
