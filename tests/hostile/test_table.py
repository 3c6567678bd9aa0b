"""A sample of `make hostile`: what one process can try, and a few that need one of their own."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.hostile.arrangements import ARRANGEMENTS, Arrangement
from tests.hostile.table import (
    ALONE,
    LAST,
    PROVES_NOTHING,
    SUPERVISED,
    Verdicts,
    attack,
    columns,
    complaints,
    page,
)
from tests.hostile.world import GROUPS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="the world and its victims belong to several users"),
]
NAMED = {arrangement.name: arrangement for arrangement in ARRANGEMENTS}
TOGETHER = {name for names in GROUPS.values() for name in names} - ALONE - {LAST}
ALSO = {
    "fork_bomb", "memory_of_one_process", "stay_behind", "signal_attempt", LAST,
    "artifact_is_a_link_to_a_secret", "tmp_becomes_a_link", "control_characters_in_the_log",
}  # fmt: skip


@pytest.fixture(scope="module")
def control() -> Verdicts:
    """With no sandbox at all."""
    return attack(NAMED["none"], TOGETHER | {"fork_bomb", "memory_of_one_process"})


@pytest.mark.parametrize("name", [one.name for one in ARRANGEMENTS if one.must_hold])
def test_nothing_escapes_from_a_default(name: str) -> None:
    arrangement: Arrangement = NAMED[name]
    if arrangement.bubblewrap and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed here")
    verdicts = attack(arrangement, TOGETHER | ALSO)
    assert len(verdicts) > 75
    assert list(complaints({name: verdicts})) == []


def test_the_same_attacks_succeed_without_a_sandbox(control: Verdicts) -> None:
    held = {name for name, (escaped, _) in control.items() if not escaped}
    assert held <= {*PROVES_NOTHING, *SUPERVISED}
    assert len(control) - len(held) > 70


def test_an_escape_that_must_not_be_is_a_complaint() -> None:
    found = {"bguc": {"udp": (True, "arrived")}, "none": {"udp": (False, "refused"), "bpf": (True, "")}}
    assert list(complaints(found)) == [
        "udp escapes from bguc: arrived",
        "udp shows nothing, it is held without a sandbox: refused",
    ]


def test_a_page_is_read_as_it_was_written() -> None:
    held = {"stay_behind": (False, "gone"), "kexec_load": (False, "Function not implemented")}
    found = {"none": {"udp": (True, ""), **held}, "bguc": {"udp": (False, ""), "stay_behind": (False, "")}}
    text = "\n".join(page(found))
    assert columns(text) == {**found, "none": {**found["none"], "kexec_load": (False, "")}}
    assert list(page(columns(text))) == text.splitlines()


def test_the_page_has_a_row_for_every_attack() -> None:
    lines = list(page({"none": {"udp": (True, "arrived")}, "bguc": {"udp": (False, "no socket")}}))
    assert "| udp | **E** | . |" in lines
    assert "| read shadow | - | - |" in lines
    rows = [line for line in lines if line.startswith("| ") and not line.startswith(("| probe", "| ---"))]
    assert len(rows) == sum(map(len, GROUPS.values()))
