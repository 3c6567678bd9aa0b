from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tinsmith.worker import landlock

pytestmark = pytest.mark.skipif(landlock.abi() == 0, reason="this kernel has no Landlock")

PROGRAM = """
import ctypes, json, os, socket, sys
from tinsmith.worker import landlock
world = json.loads(sys.argv[1])
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
answers = {"abi": landlock.restrict(world["read_only"], world["read_write"])}
def attempt(name, action):
    try:
        action()
        answers[name] = "done"
    except OSError as error:
        answers[name] = type(error).__name__
folder, other = world["folder"], world["other"]
attempt("read", lambda: open(f"{folder}/file").read())
attempt("list", lambda: os.listdir(folder))
attempt("write", lambda: open(f"{folder}/file", "a").close())
attempt("truncate", lambda: os.truncate(f"{folder}/file", 0))
attempt("create", lambda: open(f"{folder}/new", "x").close())
attempt("remove", lambda: os.unlink(f"{folder}/file"))
attempt("read other", lambda: open(f"{other}/file").read())
attempt("list other", lambda: os.listdir(other))
attempt("take from other", lambda: os.rename(f"{other}/file", f"{folder}/stolen"))
attempt("listen", lambda: socket.create_server(("127.0.0.1", 0)))
print(json.dumps(answers))
"""


def answers(tmp_path: Path, writable: bool) -> dict[str, Any]:
    folder, other = tmp_path / "folder", tmp_path / "other"
    for place in (folder, other):
        place.mkdir()
        (place / "file").write_text("text")
    granted = [str(folder), str(tmp_path / "missing")]
    world = {
        "folder": str(folder),
        "other": str(other),
        "read_only": [] if writable else granted,
        "read_write": granted if writable else [],
    }
    command = [sys.executable, "-c", PROGRAM, json.dumps(world)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_a_writable_folder_is_writable_and_nothing_else_is_there(tmp_path: Path) -> None:
    found = answers(tmp_path, writable=True)
    assert found.pop("abi") == landlock.abi()
    inside = ("read", "list", "write", "truncate", "create", "remove")
    assert [name for name, answer in found.items() if answer == "done"] == list(inside)


def test_a_readable_folder_is_readable_alone(tmp_path: Path) -> None:
    found = answers(tmp_path, writable=False)
    assert [name for name, answer in found.items() if answer == "done"] == ["read", "list"]


def test_a_file_can_be_granted_by_itself(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    program = (
        "import ctypes, sys; from tinsmith.worker import landlock; ctypes.CDLL(None).prctl(38, 1, 0, 0, 0);"
        "landlock.restrict([sys.argv[1]], []); print(open(sys.argv[1]).read()); open(sys.argv[2])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a"), str(tmp_path / "b")]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.stdout == "a\n"
    assert "PermissionError" in answer.stderr


def test_a_kernel_without_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "_syscall", lambda *arguments: -1)
    assert landlock.abi() == 0
    assert landlock.restrict(["/"], []) == 0
