from __future__ import annotations

import pytest

from tests.postgres import Postgres
from tinsmith.errors import InternalError
from tinsmith.jobs.engines import open_database
from tinsmith.jobs.postgresql import PostgresDatabase


@pytest.mark.parametrize("url", ["sqlite://", "mysql://host/db", "nonsense", ""])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(InternalError, match="expected sqlite:///<path> or postgresql://"):
        open_database(url)


def test_a_refused_url_keeps_its_password() -> None:
    with pytest.raises(InternalError) as refused:
        open_database("mysql://me:secret@host/db")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_is_spoken_by_psycopg(postgres: Postgres, scheme: str) -> None:
    database = open_database(postgres.database().replace("postgresql", scheme, 1))
    assert isinstance(database, PostgresDatabase)
    assert database._engine.driver == "psycopg"
    database.close()
