"""Damaged models and models made to hurt end in a C program or a ClientError, in little time and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.compiler.frontends.mutating import report_of
from tests.compiler.frontends.onnx.mutations import MODELS
from tinsmith.compiler.ir.network import Network

EACH = 130
SECONDS = 300  # a compilation that never ends fails the test
REFUSED = {"InputConfiguration", "OperatorNotImplemented"}
HARMLESS = {
    "constant of 5 x 10^8 elements",
    "conditions 20 deep",
    "pooling by 2^40",
    "values declared of other shapes",
}
"""They ask for much of the run, or for little."""


@pytest.mark.parametrize("first", range(0, 4 * EACH, EACH))
def test_damaged_models(first: int) -> None:
    report = output_of("mutations", str(first), str(EACH))
    assert report["failures"] == []
    assert sum(report["ends"].values()) == EACH
    assert report["ends"].keys() == {"compiled", *REFUSED}


def test_adversarial_models() -> None:
    ends = output_of("adversarial")
    assert {name: end for name, end in ends.items() if end not in REFUSED | {"compiled"}} == {}
    assert {name for name, end in ends.items() if end == "compiled"} == HARMLESS


def output_of(script: str, *arguments: str) -> dict[str, Any]:
    module = f"tests.compiler.frontends.onnx.{script}"
    return report_of(module, *arguments, timeout=SECONDS, flags=("-W", "error"))


def test_the_models_are_read_when_undamaged(read_model: Callable[..., Network]) -> None:
    for make in MODELS:
        model, config = make()
        assert read_model(model, config).inputs[0].name == "x"
