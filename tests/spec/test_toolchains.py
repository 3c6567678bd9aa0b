from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tinsmith.spec.frameworks import FRAMEWORKS
from tinsmith.spec.toolchains import READY, TOOLCHAINS, Toolchain


@pytest.fixture
def toolchain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Toolchain:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    return TOOLCHAINS["tflite"]


@pytest.mark.parametrize("name", TOOLCHAINS)
def test_every_requirement_has_one_version(name: str) -> None:
    lines = TOOLCHAINS[name].lock.read_text().splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][\w.]*", line)] == []
    assert set(TOOLCHAINS[name].frameworks) <= set(FRAMEWORKS)


def test_it_is_installed_when_the_last_file_was_written(toolchain: Toolchain) -> None:
    assert toolchain.installed() is None
    toolchain.folder.mkdir(parents=True)
    assert toolchain.installed() is None
    ready = {"lock": toolchain.lock.read_text(), "versions": {"ai-edge-litert": "2.3.0"}}
    (toolchain.folder / READY).write_text(json.dumps(ready))
    assert toolchain.installed() == {"ai-edge-litert": "2.3.0"}


def test_not_when_it_was_installed_by_another_lock(toolchain: Toolchain) -> None:
    toolchain.folder.mkdir(parents=True)
    (toolchain.folder / READY).write_text(json.dumps({"lock": "other==1\n", "versions": {"other": "1"}}))
    assert toolchain.installed() is None
    (toolchain.folder / READY).write_text("{")
    assert toolchain.installed() is None
