from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from tinsmith.cli import doctor
from tinsmith.worker.guard import name_of
from tinsmith.worker.sandbox import LAYERS

if TYPE_CHECKING:
    from tests.cli.conftest import Tinsmith


def test_a_machine_that_passes_these_tests_is_fit(tinsmith: Tinsmith, tmp_path: Path) -> None:
    outcome = tinsmith("doctor", "--data-dir", tmp_path, "--json")
    found = {finding["name"]: finding for finding in outcome.json()}
    assert outcome.code == 0
    assert {"engine ray", "engine slurm"} <= set(found)
    for name in ("python", "zig", "sandbox", "object store", "disk"):
        assert found[name]["state"] == "ok", found[name]
    assert all(finding["state"] in ("ok", "missing") for finding in found.values())


def test_every_layer_of_the_sandbox_is_there_or_missing_with_its_reason(
    tinsmith: Tinsmith, tmp_path: Path
) -> None:
    found = {
        finding["name"]: finding
        for finding in tinsmith("doctor", "--data-dir", tmp_path, "--json", PATH=str(tmp_path)).json()
    }
    in_force = {name_of(layer) for layer in found["sandbox"]["detail"].split()}
    for layer in LAYERS:
        finding = found[f"sandbox: {layer}"]
        assert (finding["state"] == "ok") == (layer in in_force), finding
    assert found["sandbox: bubblewrap"]["detail"].endswith(": bwrap is not installed")
    assert found["sandbox: bubblewrap"]["remedy"] == "apt-get install bubblewrap"


def test_what_is_missing_comes_with_the_command_that_installs_it(tinsmith: Tinsmith, tmp_path: Path) -> None:
    """A PATH without emulators and bubblewrap."""
    for name in ("sh", "env"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    outcome = tinsmith("doctor", "--data-dir", tmp_path, PATH=str(tmp_path))
    text = " ".join(outcome.output.split())
    assert outcome.code == 0
    assert "apt-get install bubblewrap" in text
    assert "apt-get install qemu-user-static" in text
    assert "apt-get install slurm-client" in text


def test_a_machine_without_any_sandbox_is_not_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(*_: object) -> tuple[None, dict[str, str]]:
        return None, {"guard": "neither bubblewrap nor Landlock, files would be open"}

    monkeypatch.setattr("tinsmith.worker.sandbox.examine", refuse)
    with pytest.raises(typer.Exit) as ended:
        doctor.doctor(tmp_path, json=False)
    assert ended.value.exit_code == 1
    assert re.search(r"^broken +sandbox +none works: guard: neither", capsys.readouterr().out, re.MULTILINE)


def test_a_compiler_that_does_not_run_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    zig = next(finding for finding in doctor.examine(tmp_path) if finding.name == "zig")
    assert (zig.state, zig.remedy) == ("broken", "pip install ziglang")
