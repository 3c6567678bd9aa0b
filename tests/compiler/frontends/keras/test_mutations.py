"""Damaged files end in a model or a ClientError, in bounded time."""

from __future__ import annotations

import pytest

from tests.compiler.frontends.mutating import report_of

EACH = 120
SECONDS = 300
ENDS = {"read", "InputConfiguration", "OperatorNotImplemented"}


@pytest.mark.parametrize("kind", ["bytes", "config"])
def test_damaged_files(kind: str) -> None:
    report = report_of("tests.compiler.frontends.keras.mutations", kind, "0", str(EACH), timeout=SECONDS)
    assert report["failures"] == []
    assert sum(report["ends"].values()) == EACH
    assert report["ends"].keys() <= ENDS
    assert report["ends"]["InputConfiguration"] > EACH / 4
