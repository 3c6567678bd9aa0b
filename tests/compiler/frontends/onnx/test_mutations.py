"""Damaged models end in a Network or a ClientError, in little time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tinsmith.compiler.ir.network import Network

SCRIPT = Path(__file__).with_name("mutations.py")
EACH = 130
SECONDS = 120  # a reading that never ends fails the test


@pytest.mark.parametrize("first", range(0, 4 * EACH, EACH))
def test_damaged_models(first: int) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, str(first), str(EACH)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    report = json.loads(run.stdout)
    assert report["failures"] == []
    assert sum(report["ends"].values()) == EACH
    assert report["ends"].keys() == {"read", "InputConfiguration", "OperatorNotImplemented"}


def test_the_models_are_read_when_undamaged(read_model: Callable[..., Network]) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("mutations", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    mutations = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mutations)
    for make in mutations.MODELS:
        model, config = make()
        assert read_model(model, config).inputs[0].name == "x"
