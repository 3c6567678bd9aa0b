from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinsmith.compiler.artifact.carry import carry

OURS = ("compiled.so", "libdlr.so", "manifest", "evidence/rows.npy", "dlr.h")


def write(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_keeps_the_paths_of_the_customers_files(tmp_path: Path) -> None:
    write(
        tmp_path, "code/inference.py", "code/requirements.txt", "labels.txt", "model.json", "code/model.json"
    )
    carried = carry(tmp_path, ["model.json"], OURS)
    assert carried.files == {
        name: tmp_path / name
        for name in ("code/inference.py", "code/model.json", "code/requirements.txt", "labels.txt")
    }
    assert carried.warnings == ()


@pytest.mark.parametrize(
    "name", ["compiled.so", "Manifest", "evidence/mine.txt", "EVIDENCE/rows.npy", "dlr.h"]
)
def test_never_replaces_a_file_of_ours(tmp_path: Path, name: str) -> None:
    carried = carry(write(tmp_path, name), [], OURS)
    assert carried.files == {f"input/{name}": tmp_path / name}
    assert carried.warnings == (f"{name}: carried over as input/{name}: the name belongs to the artifact",)


@pytest.mark.parametrize(
    "name",
    [
        "other.so",
        "config.json",
        "version.json",
        "x.params",
        "x.meta",
        "x.ro",
        "saved_model.pb",
        "x.dylib",
        "X.JSON",
    ],
)
def test_never_changes_what_dlr_loads(tmp_path: Path, name: str) -> None:
    carried = carry(write(tmp_path, name, f"code/{name}"), [], OURS)
    assert carried.files == {f"input/{name}": tmp_path / name, f"code/{name}": tmp_path / f"code/{name}"}
    assert carried.warnings == (f"{name}: carried over as input/{name}: DLR would take it for the model",)


@pytest.mark.parametrize("name", ["model-shapes.json", "hyperparams.json", "LICENSE", "notes.txt", "thing.h"])
def test_leaves_alone_what_dlr_ignores(tmp_path: Path, name: str) -> None:
    assert carry(write(tmp_path, name), [], OURS).files == {name: tmp_path / name}


def test_a_folder_named_input_is_no_exception(tmp_path: Path) -> None:
    carried = carry(write(tmp_path, "input/a.json", "a.json"), [], OURS)
    assert sorted(carried.files) == ["input/a.json", "input/input/a.json"]
    assert carried.files["input/a.json"] == tmp_path / "a.json"


def test_links_and_special_files_stay_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    folder = write(tmp_path / "files", "real.txt")
    (folder / "link.txt").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    carried = carry(folder, [], OURS)
    assert list(carried.files) == ["real.txt"]
    assert [warning.split(":")[0] for warning in carried.warnings] == ["folder", "link.txt", "pipe"]
