from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak import Soak, soak


def test_a_short_sample(tmp_path: Path) -> None:
    found = soak(tmp_path, jobs=6, queued=3)
    assert found.problems(6) == []
    assert found.samples[-1][0] == 6


@pytest.mark.parametrize(
    ("memory", "files", "outcomes", "said"),
    [
        (90.0, 30, {"COMPLETED": 3}, "memory grew by 20.0 MB"),
        (70.0, 40, {"COMPLETED": 3}, "open files grew by 10"),
        (70.0, 30, {"COMPLETED": 2, "FAILED": 1}, "expected 3 COMPLETED"),
    ],
)
def test_what_a_soak_must_not_show(memory: float, files: int, outcomes: dict[str, int], said: str) -> None:
    found = Soak()
    found.outcomes.update(outcomes)
    found.samples += [(1, 50.0, 30), (2, 70.0, 30), (3, memory, files)]
    (problem,) = found.problems(3)
    assert said in problem
