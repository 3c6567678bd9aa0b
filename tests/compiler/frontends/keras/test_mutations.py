"""Damaged files end in a model or a ClientError, in bounded time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
EACH = 120
SECONDS = 300
ENDS = {"read", "InputConfiguration", "OperatorNotImplemented"}


@pytest.mark.parametrize("kind", ["bytes", "config"])
def test_damaged_files(kind: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.compiler.frontends.keras.mutations", kind, "0", str(EACH)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    report = json.loads(run.stdout)
    assert report["failures"] == []
    assert sum(report["ends"].values()) == EACH
    assert report["ends"].keys() <= ENDS
    assert report["ends"]["InputConfiguration"] > EACH / 4
