"""A few of PyTorch's architectures; `make breadth` has all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.breadth.pytorch import ENTRIES, python
from tests.breadth.runner import Entry, Unbuilt, compile_and_run, judge, read_and_run, select


@pytest.fixture(scope="session", autouse=True)
def environment() -> None:
    try:
        python()
    except Unbuilt as reason:
        pytest.skip(str(reason))


def entry(*words: str) -> Entry:
    (found,) = select(ENTRIES, words)
    return found


@pytest.mark.slow
def test_a_network_of_torchvision_is_read(tmp_path: Path) -> None:
    outcome = judge(entry("mobilenet_v3_small", "scripted"), tmp_path, read_and_run)
    assert outcome.agrees, outcome.text


@pytest.mark.slow
def test_one_of_transformers_is_compiled(tmp_path: Path) -> None:
    outcome = judge(entry("bert", "traced"), tmp_path, compile_and_run)
    assert outcome.agrees, outcome.text
