from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinsmith.worker.folders import excess, remove


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
