"""Damaged models end in a C program or a ClientError, in little time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.compiler.frontends.tflite.operators.test_control import loop, variables
from tests.compiler.frontends.tflite.operators.test_detection import detection
from tests.compiler.frontends.tflite.operators.test_quantization import half_weights, network_of_integers
from tests.compiler.frontends.tflite.operators.test_recurrent import lstm

ROOT = Path(__file__).parents[4]
EACH = 40
SECONDS = 300  # a compilation that never ends fails the test


def test_damaged_models(tmp_path: Path) -> None:
    models = {
        "loop": loop(),
        "variables": variables(),
        "detection": detection(),
        "half": half_weights(),
        "integers": network_of_integers(),
        "lstm": lstm("lstm projection"),
    }
    for name, builder in models.items():
        (tmp_path / f"{name}.tflite").write_bytes(builder.bytes())
    run = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "tests.compiler.frontends.tflite.mutations",
            str(tmp_path),
            str(EACH),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    report = json.loads(run.stdout)
    assert report["failures"] == []
    assert sum(report["ends"].values()) == EACH * len(models)
    assert report["ends"].keys() == {"compiled", "InputConfiguration", "OperatorNotImplemented"}
