"""A sample of `make iam-agreement`."""

from __future__ import annotations

from pathlib import Path

from tests.identity.agreement import compare, ours
from tests.identity.generated import case
from tests.ministack import ministack

SAMPLE = range(5000, 5150)


def test_our_evaluator_agrees_with_ministack(tmp_path: Path) -> None:
    with ministack(tmp_path) as server:
        made, differences = compare(server.client("iam"), SAMPLE)
    assert made == 2 * len(SAMPLE)
    assert [difference for difference in differences if difference.explanation() is None] == []
    assert len(differences) < 0.05 * made


def test_the_sample_has_every_outcome_often() -> None:
    outcomes = [ours(case(number)) for number in SAMPLE]
    assert min(outcomes.count(effect) for effect in ("allowed", "explicitDeny", "implicitDeny")) >= 15
