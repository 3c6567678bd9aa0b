"""Damaged models end as a network or a ClientError, in bounded time and memory."""

from __future__ import annotations

from tests.compiler.frontends.mutating import report_of

COUNT = 200


def test_damaged_models() -> None:
    report = report_of("tests.compiler.frontends.tensorflow.mutations", "0", str(COUNT), timeout=600)
    assert report["failures"] == []
    assert sum(report["ends"].values()) == COUNT
    assert report["ends"].keys() == {"read", "InputConfiguration", "OperatorNotImplemented"}
