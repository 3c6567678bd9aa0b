"""Every real model on every kind of processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.compare import MODELS, TARGETS, compare


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
@pytest.mark.parametrize("identity", MODELS)
def test_model_agrees(corpus: Path, identity: str, target: str) -> None:
    outcome = compare(corpus, identity, target)
    assert outcome.agrees, outcome.text
