from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tinsmith.compiler import toolchains
from tinsmith.compiler.toolchains import Toolchain
from tinsmith.errors import ClientError, InternalError, KilledError
from tinsmith.spec.toolchains import READY, TOOLCHAINS

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


SWAPPED = """
def answer(runs, factor):
    for first, second in runs:
        yield second * float(factor), first * float(factor)
"""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A toolchain pytorch that is this very Python."""
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    known = TOOLCHAINS["pytorch"]
    known.python.parent.mkdir(parents=True)
    known.python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    known.python.chmod(0o755)
    ready = {"lock": known.lock.read_text(), "versions": {"torch": "2.13.0"}}
    (known.folder / READY).write_text(json.dumps(ready))


@pytest.mark.usefixtures("installed")
def test_a_framework_answers_run_by_run(tmp_path: Path) -> None:
    script = tmp_path / "swapped.py"
    script.write_text(SWAPPED)
    found = toolchains.original("pytorch", "torch", script, ["2"])
    assert found is not None
    assert found.name == "torch 2.13.0"
    runs = [(np.array([1, 2], np.float32), np.int64(3)), (np.array([4, 5], np.float32), np.int64(6))]
    answers = found.answer([tuple(map(np.asarray, run)) for run in runs])
    assert [[array.tolist() for array in arrays] for arrays in answers] == [[6, [2, 4]], [12, [8, 10]]]


def test_one_that_is_not_installed_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    assert toolchains.original("pytorch", "torch", tmp_path / "script.py", []) is None
