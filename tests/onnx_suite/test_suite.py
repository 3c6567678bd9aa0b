"""Every fourth node test of onnx, compiled and executed; `make onnx-suite` takes them all.

`exceptions.toml` names the cases that do not pass, and why.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.onnx_suite.suite import cases, host, run_case

EXCEPTIONS: dict[str, str] = tomllib.loads(Path(__file__).with_name("exceptions.toml").read_text())["reasons"]
CASES = cases()


@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: case.name)
def test_case(case: Any, tmp_path: Path) -> None:
    outcome = run_case(case, host(), tmp_path)
    if case.name in EXCEPTIONS:
        assert outcome.status != "passed", f"{case.name} passes: take it out of exceptions.toml"
    else:
        assert outcome.status == "passed", outcome.detail


def test_exceptions_are_cases() -> None:
    assert set(EXCEPTIONS) <= {case.name for case in CASES}


def test_at_least_95_of_100_pass() -> None:
    assert len(EXCEPTIONS) <= 0.05 * len(CASES)
