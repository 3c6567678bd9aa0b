"""A sample of what `make fuzz-api` asks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.api import fuzz
from tests.api.fuzz import Findings, Fuzzer
from tests.postgres import Postgres
from tinsmith.jobs.store import Store


def ask(folder: Path, count: int, seed: int, url: str = "") -> Findings:
    fuzzer = Fuzzer(folder, seed, url)
    try:
        return asyncio.run(fuzzer.run(count))
    finally:
        fuzzer.close()


@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_is_an_internal_error(tmp_path: Path, seed: int) -> None:
    findings = ask(tmp_path, 500, seed)
    assert findings.wrong == []
    assert findings.answers.total() > 450
    codes = {answer.split()[-1] for _, _, answer in findings.answers}
    expected = {
        "200",
        "ResourceNotFound",
        "SerializationException",
        "ValidationException",
        "ResourceNotFoundException",
    }
    assert codes >= expected | {"InvalidSignatureException", "UnknownOperationException"}


def test_nor_is_it_on_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    assert ask(tmp_path, 500, 13, postgres.database()).wrong == []


def test_the_same_seed_asks_the_same(tmp_path: Path) -> None:
    def answers(name: str) -> Any:
        (tmp_path / name).mkdir()
        return ask(tmp_path / name, 60, 5).answers

    assert answers("one") == answers("two")


def test_a_broken_store_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("gone")

    monkeypatch.setattr(Store, "list", broken)
    findings = ask(tmp_path, 150, 1)
    assert any("500 b" in line for line in findings.wrong)
    assert any("in the log" in line for line in findings.wrong)


def test_a_slow_request_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "TOO_SLOW", 0.0)
    assert "took" in ask(tmp_path, 1, 1).wrong[0]
