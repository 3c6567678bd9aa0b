from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from tinsmith.compiler import pipeline
from tinsmith.worker.stages import COMPILER, Stages


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stages(clock: Clock) -> Stages:
    """After a compiler that ran for ten seconds."""
    stages = Stages(clock)
    with stages("compile"):
        clock.now += 10
    return stages


def test_a_stage_counts_however_it_ends(clock: Clock) -> None:
    stages = Stages(clock)

    def fail() -> None:
        with stages("download"):
            clock.now += 2
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        fail()
    with stages("extract"):
        clock.now -= 1  # a clock that was set back
    assert stages.done == [("download", 100.0, 102.0), ("extract", 102.0, 102.0)]


def test_what_the_compiler_did_ends_with_it_in_the_order_of_its_stages(stages: Stages) -> None:
    stages.compiled({"verify": 2, "build": 3.5, "read": 1.0, "something-new": 0.5})
    assert stages.done[1:] == [
        ("compile.read", 103.0, 104.0),
        ("compile.build", 104.0, 107.5),
        ("compile.verify", 107.5, 109.5),
        ("compile.something-new", 109.5, 110.0),
    ]


@pytest.mark.parametrize(
    "timings",
    [
        None,
        [1],
        {"read": "1"},
        {"read": float("nan"), "build": float("inf"), "emit": -1.0, "verify": True},
        {"read\x1b[2J": 1.0, "x" * 33: 1.0, "": 1.0},
    ],
)
def test_timings_that_are_none_are_left_out(stages: Stages, timings: Any) -> None:
    stages.compiled(timings)
    assert len(stages.done) == 1


def test_a_report_can_neither_flood_nor_leave_its_time(stages: Stages) -> None:
    stages.compiled({f"s{chr(97 + number % 26)}{'a' * (number // 26)}": 1e9 for number in range(100)})
    assert len(stages.done) == 21
    assert all(100.0 <= begin <= end <= 110.0 for _, begin, end in stages.done)


def test_the_order_is_that_of_the_compiler() -> None:
    source = inspect.getsource(pipeline.compile_model)
    assert tuple(re.findall(r'stages\("(\w+)"\)', source)) == COMPILER
