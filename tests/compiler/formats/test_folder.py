from __future__ import annotations

from pathlib import Path

import pytest

from tinsmith.compiler.formats.folder import SHOWN_FILES, customer_files, first_names, named


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/model.bin", "a.txt", "code/inference.py", ".hidden", "b/.cache/x", "__MACOSX/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    return tmp_path


def test_the_customers_files_are_plain_visible_and_no_code(folder: Path) -> None:
    assert customer_files(folder) == [folder / "a.txt", folder / "b" / "model.bin"]


def test_errors_list_them_by_their_place(folder: Path) -> None:
    assert first_names(customer_files(folder), folder) == named(customer_files(folder), folder)
    assert named(customer_files(folder), folder) == "a.txt, b/model.bin"
    assert named([], folder) == "no file at all"


def test_errors_list_no_more_than_a_reader_wants(tmp_path: Path) -> None:
    files = [tmp_path / f"{number:02}" for number in range(SHOWN_FILES + 3)]
    assert first_names(files, tmp_path).split(", ") == [path.name for path in files[:SHOWN_FILES]]
    assert named(files, tmp_path) == first_names(files, tmp_path) + " and 3 more"
