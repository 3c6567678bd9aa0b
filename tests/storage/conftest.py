"""One real object store for all tests of this folder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tinsmith.storage.embedded import EmbeddedStore
from tinsmith.storage.s3 import ObjectStore


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path_factory.mktemp("objects")) as running:
        yield running


@pytest.fixture(scope="session")
def store(embedded: EmbeddedStore) -> ObjectStore:
    return embedded.store()


@pytest.fixture
def prefix() -> str:
    """A place in the default bucket that no other test uses."""
    return f"s3://tinsmith/{uuid.uuid4().hex}"
