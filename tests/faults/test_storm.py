"""A small sample of `make faults`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.__main__ import page, table
from tests.faults.storm import Plan, Storm
from tests.postgres import INSTALLED

ONLY = ("service", "object store", "connections to S3", "database", "disk", "attempt", "sandbox or compiler")


def test_a_few_faults_lose_nothing(tmp_path: Path) -> None:
    storm = Storm(Plan("local", jobs=10, faults=7, only=ONLY), tmp_path)
    verdict = storm.run()
    assert verdict.faults == []
    assert verdict.completed + verdict.refused + verdict.failed.total() == 10
    assert verdict.completed >= 5
    assert storm.kills.total() >= 4
    assert "| lost | 0 |" in table(storm, verdict)


def test_a_few_faults_of_postgresql_lose_nothing(tmp_path: Path) -> None:
    if not INSTALLED and not os.environ.get("TINSMITH_CI"):
        pytest.skip("PostgreSQL is not installed: sh tools/system-packages.sh postgresql")
    only = ("database server", "connections to the database", "database", "service")
    storm = Storm(Plan("local", "postgresql", jobs=6, faults=6, only=only), tmp_path)
    verdict = storm.run()
    assert verdict.faults == []
    assert verdict.completed + verdict.refused + verdict.failed.total() == 6
    assert verdict.completed >= 3
    assert storm.kills.total() >= 3
    assert storm.kills["database server"] + storm.kills["connections to the database"] >= 1


def test_a_page_keeps_the_other_sections() -> None:
    first = page("", "slurm", "## slurm\n\nOne.\n")
    second = page(first, "local", "## local\n\nTwo.\n")
    assert second.index("## local\n\nTwo.\n") < second.index("## slurm\n\nOne.\n")
    assert "Not run yet: `make faults ENGINES=ray`." in second
    assert page(second, "local", "## local\n\nTwo.\n") == second
