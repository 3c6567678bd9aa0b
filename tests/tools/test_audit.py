from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tools.audit import Audit, main

CLEAN = {"name": "a", "version": "1", "vulns": []}
UNKNOWN = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited: b (2)"}
VULNERABLE = {"name": "c", "version": "3", "vulns": [{"id": "PYSEC-1", "fix_versions": ["4"]}]}


@pytest.mark.parametrize(
    ("packages", "verdict", "end"),
    [
        ([CLEAN], 0, "1 without findings, 0 findings, 0 not looked up: clean"),
        ([CLEAN, UNKNOWN], 2, "1 not looked up: UNKNOWN: this is no clean result"),
        ([], 2, "UNKNOWN: this is no clean result"),
        ([CLEAN, UNKNOWN, VULNERABLE], 1, "vulnerable"),
    ],
)
def test_clean_is_said_only_when_all_were_looked_up(packages: list[Any], verdict: int, end: str) -> None:
    audit = Audit.of({"dependencies": packages})
    assert audit.verdict == verdict
    assert audit.text().endswith(end)


def test_findings_name_the_version_that_fixes_them() -> None:
    assert Audit.of({"dependencies": [VULNERABLE]}).vulnerable == ("c 3: PYSEC-1, fixed in: 4",)


@pytest.mark.parametrize(
    ("output", "verdict", "said"),
    [
        (json.dumps({"dependencies": [UNKNOWN]}), 2, "0 without findings"),
        ("", 2, "pypi could not be asked: no network"),
    ],
)
def test_a_service_that_does_not_answer_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, verdict: int, said: str
) -> None:
    """pip-audit itself ends with 0 in the first case."""
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\nprintf '%s' '{output}'\necho no network >&2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert main(str(program), "requirements.lock") == verdict
    assert said in capsys.readouterr().out
