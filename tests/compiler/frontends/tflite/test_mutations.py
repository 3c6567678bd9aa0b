"""Damaged models end in a C program or a ClientError, in little time and memory."""

from __future__ import annotations

from pathlib import Path

from tests.compiler.frontends.mutating import report_of
from tests.compiler.frontends.tflite.operators.test_control import loop, variables
from tests.compiler.frontends.tflite.operators.test_detection import detection
from tests.compiler.frontends.tflite.operators.test_quantization import half_weights, network_of_integers
from tests.compiler.frontends.tflite.operators.test_recurrent import lstm

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
    module = "tests.compiler.frontends.tflite.mutations"
    report = report_of(module, str(tmp_path), str(EACH), timeout=SECONDS, flags=("-W", "error"))
    assert report["failures"] == []
    assert sum(report["ends"].values()) == EACH * len(models)
    assert report["ends"].keys() == {"compiled", "InputConfiguration", "OperatorNotImplemented"}
