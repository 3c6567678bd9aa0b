from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from tinsmith.cli import toolchain as commands
from tinsmith.errors import InternalError
from tinsmith.spec import toolchains
from tinsmith.spec.toolchains import TOOLCHAINS, Toolchain

if TYPE_CHECKING:
    from tests.cli.conftest import Tinsmith


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with one package, `answer` 1.5."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "answer-1.5-py3-none-any.whl", "w") as wheel:
        wheel.writestr("answer.py", "VALUE = 42\n")
        wheel.writestr("answer-1.5.dist-info/METADATA", "Metadata-Version: 2.1\nName: answer\nVersion: 1.5\n")
        wheel.writestr(
            "answer-1.5.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("answer-1.5.dist-info/RECORD", "")
    return folder


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Toolchain:
    """A toolchain of that package, in an installation of its own."""
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "answer.lock").write_text("answer==1.5\n")
    monkeypatch.setattr(toolchains, "LOCKS", locks)
    monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))
    made = Toolchain("answer", ("PYTORCH",), "answers")
    monkeypatch.setitem(TOOLCHAINS, "answer", made)
    return made


def test_an_environment_is_installed_from_wheels_and_removed(answer: Toolchain, wheels: Path) -> None:
    commands.install("answer", wheels)
    versions = answer.installed()
    assert versions is not None
    assert versions["answer"] == "1.5"
    code = "import answer; print(answer.VALUE)"
    assert subprocess.check_output([answer.python, "-I", "-c", code], text=True) == "42\n"
    commands.install("answer", wheels)  # again: nothing to do
    commands.remove("answer")
    assert answer.installed() is None
    assert not answer.folder.exists()


def test_what_cannot_be_installed_is_not_there(answer: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="answer was not installed"):
        commands.install("answer", tmp_path)
    assert answer.installed() is None


def test_an_interrupted_installation_is_begun_anew(answer: Toolchain, wheels: Path) -> None:
    answer.folder.mkdir(parents=True)
    (answer.folder / "pyvenv.cfg").write_text("half")
    commands.install("answer", wheels)
    assert answer.installed() is not None


def test_unknown_names_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match=r"'caffe' is none of pytorch, tensorflow"):
        commands.install("caffe")


def test_all_are_listed(tinsmith: Tinsmith) -> None:
    listed = tinsmith("toolchain", "list", "--json").json()
    assert [one["name"] for one in listed] == list(TOOLCHAINS)
    assert [line.split()[0] for line in tinsmith("toolchain", "list").output.splitlines()[1:]] == list(
        TOOLCHAINS
    )
    assert json.dumps(listed)
