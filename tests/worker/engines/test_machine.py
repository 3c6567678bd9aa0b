from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinsmith.settings import Machine, Placement
from tinsmith.worker.engines import machine as module
from tinsmith.worker.engines.machine import found, has_room

GIB = 1 << 30
MACHINE = Machine(cpus=4, memory=10 * GIB, disk=100 * GIB)


@pytest.mark.parametrize(
    ("placements", "enough"),
    [
        ([Placement(memory=8 * GIB), Placement(memory=8 * GIB)], False),
        ([Placement(memory=8 * GIB), Placement(memory=2 * GIB)], True),
        ([Placement(memory=8 * GIB), Placement()], True),
        ([Placement(cpus=3), Placement(cpus=1.5)], False),
        ([Placement(cpus=0.1)] * 40, True),
        ([Placement(cpus=0, disk=60 * GIB)] * 2, False),
        ([Placement(cpus=5)], False),
    ],
)
def test_what_is_asked_for_together_counts(placements: list[Placement], enough: bool) -> None:
    assert has_room(MACHINE, placements) is enough


def test_the_machine_is_looked_at_where_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(MACHINE, tmp_path) == MACHINE
    here = found(Machine(memory=1), tmp_path)
    assert here.cpus == len(os.sched_getaffinity(0))
    assert here.memory == 1
    assert here.disk is not None
    assert 0 < here.disk < 1 << 60
    container = tmp_path / "memory.max"
    monkeypatch.setattr(module, "LIMITS", (container, tmp_path / "none"))
    container.write_text("max\n")
    whole = found(Machine(), tmp_path).memory or 0
    container.write_text("1048576\n")
    assert found(Machine(), tmp_path).memory == 1 << 20 < whole
