from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tinsmith.worker.folders import MAX_DEPTH, excess, free_bytes, remove


def test_a_folder_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "file").write_text("x")
    remove(folder)
    assert list(tmp_path.iterdir()) == []
    remove(folder)


def test_closed_and_bottomless_folders_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "closed" / "inner").mkdir(parents=True)
    (folder / "closed").chmod(0)
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        for _ in range(1500):
            os.mkdir("deep")
            os.chdir("deep")
    finally:
        os.chdir(here)
        os.close(here)
    remove(folder)
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "kept").chmod(0o500)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "kept")
    (folder / "broken").symlink_to("nowhere")
    remove(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o500


@pytest.mark.parametrize(
    ("max_bytes", "max_entries", "answer"),
    [(1 << 20, 10, None), (50_000, 10, "more than 50000 bytes"), (1 << 20, 3, "more than 3 files")],
)
def test_excess_counts_space_and_entries(
    tmp_path: Path, max_bytes: int, max_entries: int, answer: str | None
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "data").write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to("/usr")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 30)
    assert excess(tmp_path, max_bytes, max_entries) == answer


def test_excess_is_not_fooled_by_folders_that_it_cannot_look_into(tmp_path: Path) -> None:
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(30):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        Path("hidden").write_bytes(bytes(100_000))
    finally:
        os.chdir(here)
    assert excess(tmp_path, 1 << 30, 1000) == "folders that cannot be looked into"
    remove(tmp_path / ("d" * 200))
    (tmp_path / "/".join("e" * (MAX_DEPTH + 1))).mkdir(parents=True)
    assert excess(tmp_path, 1 << 30, 1000) == f"folders nested more than {MAX_DEPTH} deep"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_excess_does_not_trust_a_closed_folder(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert excess(tmp_path, 1 << 30, 1000) == "folders that cannot be looked into"


def test_excess_counts_what_has_no_name(tmp_path: Path) -> None:
    assert excess(tmp_path, 1000, 10, more=1001) == "more than 1000 bytes"


def test_free_space_is_that_of_the_file_system(tmp_path: Path) -> None:
    assert 0 < free_bytes(tmp_path) <= shutil.disk_usage(tmp_path).total
