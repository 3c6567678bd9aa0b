"""Damaged models end as a network or a ClientError, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
COUNT = 200


def test_damaged_models() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.compiler.frontends.tensorflow.mutations", "0", str(COUNT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    report = json.loads(run.stdout)
    assert report["failures"] == []
    assert sum(report["ends"].values()) == COUNT
    assert report["ends"].keys() == {"read", "InputConfiguration", "OperatorNotImplemented"}
