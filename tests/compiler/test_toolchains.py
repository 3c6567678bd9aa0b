from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tinsmith.compiler import toolchains
from tinsmith.compiler.toolchains import Toolchain
from tinsmith.errors import ClientError, InternalError, KilledError

HERE = Toolchain("pytorch", Path(sys.executable), {})


def answer(tmp_path: Path, code: str, *arguments: str) -> object:
    script = tmp_path / "script.py"
    script.write_text(code)
    return toolchains.run(HERE, script, arguments)


def test_a_missing_toolchain_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(ClientError, match=r"PYTORCH models need .* `tinsmith toolchain install pytorch`"):
        toolchains.find("pytorch")


def test_the_last_line_is_the_answer(tmp_path: Path) -> None:
    code = "import json, sys\nprint('chatter')\nprint(json.dumps({'given': sys.argv[1:]}))"
    assert answer(tmp_path, code, "a", "b c") == {"given": ["a", "b c"]}


def test_problems_are_the_customers(tmp_path: Path) -> None:
    code = """print('{"area": "OperatorNotImplemented", "problems": ["first", "second"]}')"""
    with pytest.raises(ClientError) as caught:
        answer(tmp_path, code)
    assert caught.value.area == "OperatorNotImplemented"
    assert caught.value.problems == ("first", "second")


@pytest.mark.parametrize("code", ["raise ValueError('broken')", "print('{}'); raise ValueError('broken')"])
def test_a_script_that_breaks_down_is_ours(tmp_path: Path, code: str) -> None:
    with pytest.raises(
        InternalError, match=r"script.py in the toolchain pytorch: exit status 1: (?s:.*)broken"
    ):
        answer(tmp_path, code)


@pytest.mark.parametrize("code", ["", "print('no object')", "print([1])"])
def test_so_is_one_that_does_not_answer(tmp_path: Path, code: str) -> None:
    with pytest.raises(InternalError, match="exit status 0"):
        answer(tmp_path, code)


def test_a_killed_one_is_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        answer(tmp_path, "import os; os.kill(os.getpid(), 9)")
