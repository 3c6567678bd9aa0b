from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tinsmith.errors import InternalError
from tinsmith.spec.request import Report, WorkDirectory
from tinsmith.worker.artifact import read_report, take

NAME = "model-ml_c5.tar.gz"
BYTES = b"artifact" * 1000
GOOD = Report("COMPLETED", NAME, hashlib.blake2b(BYTES).hexdigest())


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory:
    work = WorkDirectory(tmp_path / "work")
    work.output.mkdir(parents=True)
    (work.output / NAME).write_bytes(BYTES)
    work.report.write_text(GOOD.to_json())
    (tmp_path / "secret").write_bytes(BYTES)
    return work


def test_an_honest_result_is_taken_over(work: WorkDirectory, tmp_path: Path) -> None:
    report = read_report(work, 0)
    assert report == GOOD
    assert take(work, report, NAME, tmp_path / "copy") == GOOD.digest
    assert (tmp_path / "copy").read_bytes() == BYTES


def test_a_failure_is_taken_over(work: WorkDirectory) -> None:
    failed = Report("FAILED", failure_reason="ClientError: InputConfiguration: no", exit_code=3)
    work.report.write_text(failed.to_json())
    assert read_report(work, 3) == failed


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


ODD_FILES: dict[str, Callable[[Path], object]] = {
    "link": lambda path: path.symlink_to(path.parents[-1] / "etc" / "passwd"),
    "hard link": lambda path: os.link(path.parents[2] / "secret", path),
    "pipe": lambda path: os.mkfifo(path),
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", ODD_FILES)
def test_an_artifact_that_is_no_plain_file_is_refused(work: WorkDirectory, tmp_path: Path, kind: str) -> None:
    replaced(work.output / NAME, ODD_FILES[kind])
    with pytest.raises(InternalError, match="not a plain file"):
        take(work, GOOD, NAME, tmp_path / "copy")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_report_that_is_no_plain_file_is_refused(work: WorkDirectory, kind: str) -> None:
    replaced(work.report, ODD_FILES[kind])
    with pytest.raises(InternalError, match="not a plain file"):
        read_report(work, 0)


def test_a_linked_output_folder_is_refused(work: WorkDirectory, tmp_path: Path) -> None:
    work.output.rename(tmp_path / "elsewhere")
    work.output.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InternalError, match="not a plain file"):
        take(work, GOOD, NAME, tmp_path / "copy")


def test_other_bytes_than_reported_are_refused(work: WorkDirectory, tmp_path: Path) -> None:
    (work.output / NAME).write_bytes(BYTES[:-1])
    with pytest.raises(InternalError, match="digest"):
        take(work, GOOD, NAME, tmp_path / "copy")


@pytest.mark.parametrize("name", ["other.tar.gz", "../../secret", None])
def test_another_name_than_expected_is_refused(work: WorkDirectory, tmp_path: Path, name: str | None) -> None:
    with pytest.raises(InternalError, match=r"expected 'model-ml_c5\.tar\.gz'"):
        take(work, Report("COMPLETED", name, GOOD.digest), NAME, tmp_path / "copy")


def test_a_missing_artifact_is_named(work: WorkDirectory, tmp_path: Path) -> None:
    (work.output / NAME).unlink()
    with pytest.raises(InternalError, match="but there is none"):
        take(work, GOOD, NAME, tmp_path / "copy")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"warnings": 1}', "[" * 100_000, '{"warnings": [], "odd": 1}', "\x00"],
)
def test_an_unreadable_report_is_an_error_of_ours(work: WorkDirectory, text: str) -> None:
    work.report.write_text(text)
    with pytest.raises(InternalError, match="unreadable report"):
        read_report(work, 1)


@pytest.mark.parametrize(
    ("changes", "exit_code"),
    [
        ({}, 3),
        ({"status": "FAILED"}, 3),
        ({"status": "FAILED", "failure_reason": "x" * 1025}, 3),
        ({"status": "FAILED", "failure_reason": 7}, 3),
        ({"status": "FAILED", "failure_reason": "half a character: \ud800"}, 3),
        ({"status": "FAILED", "failure_reason": "x"}, 0),
        ({"status": "STOPPED"}, 0),
        ({"derived_data_input_config": ["x"]}, 0),
        ({"derived_data_input_config": "x" * 16_385}, 0),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(
    work: WorkDirectory, changes: dict[str, object], exit_code: int
) -> None:
    work.report.write_text(json.dumps(json.loads(GOOD.to_json()) | changes))
    with pytest.raises(InternalError, match="contradicts"):
        read_report(work, exit_code)


def test_the_end_without_a_report_is_described(work: WorkDirectory) -> None:
    work.report.unlink()
    with pytest.raises(InternalError, match="was killed by signal 11 without a report"):
        read_report(work, -11)
    with pytest.raises(InternalError, match="ended with exit code 1 without a report"):
        read_report(work, 1)
