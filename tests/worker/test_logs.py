from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from tinsmith.worker.logs import MAX_LINE, MAX_LINES, JobLog, LogLine, append_raw, read


def test_lines_come_back_with_time_and_attempt(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "job.jsonl"
    for attempt in (1, 2):
        log = JobLog(path, attempt, clock=lambda: 1000.12345)
        log.write("one\ntwo ä\x1b[0m\n")
        log.close()
    lines = [LogLine(1000.123, attempt, text) for attempt in (1, 2) for text in ("one", "two ä\\x1b[0m")]
    assert list(read(path)) == lines
    assert json.loads(path.read_text().splitlines()[0]) == {"time": 1000.123, "attempt": 1, "line": "one"}


def test_a_missing_log_has_no_lines(tmp_path: Path) -> None:
    assert list(read(tmp_path / "none.jsonl")) == []


def test_half_a_line_and_rubbish_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    log = JobLog(path, 1)
    log.write("whole")
    with path.open("ab") as file:
        file.write(b"\xff rubbish\n[1]\n" + b'{"time": 1, "attempt": 1, "li')
    assert [line.line for line in read(path)] == ["whole"]


def test_a_flood_is_cut(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "job.jsonl", 1)
    log.write("x" * (MAX_LINE + 1))
    log.write("y\n" * MAX_LINES)
    log.write("z")
    lines = [line.line for line in read(tmp_path / "job.jsonl")]
    assert lines[0] == "x" * MAX_LINE + " ... (cut)"
    assert len(lines) == MAX_LINES + 1
    assert lines[-1].startswith("... log cut after")


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, room = os.write, [10]

    def full(file: int, data: bytes) -> int:
        if room:
            return write(file, data[: room.pop()])
        raise OSError(errno.ENOSPC, "No space left on device")

    log = JobLog(tmp_path / "job.jsonl", 1)
    log.write("one")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log.write("two\nthree")
    log.write("four")
    log.write("five")
    missing = "... 2 lines are missing: the disk was full"
    assert [line.line for line in read(tmp_path / "job.jsonl")] == ["one", missing, "four", "five"]


def test_writers_in_several_threads_never_mix_lines(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"

    def write(attempt: int) -> None:
        log = JobLog(path, attempt)
        for index in range(200):
            log.write(f"{attempt} {index} " + "x" * 500)

    threads = [threading.Thread(target=write, args=(attempt,)) for attempt in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = list(read(path))
    assert len(lines) == 800
    for attempt in range(4):
        mine = [line.line.split()[1] for line in lines if line.attempt == attempt]
        assert mine == [str(index) for index in range(200)]


def test_following_gives_every_line_up_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    done = threading.Event()
    seen: list[str] = []

    def follow() -> None:
        seen.extend(line.line for line in read(path, follow=True, finished=done.is_set))

    reader = threading.Thread(target=follow)
    reader.start()
    log = JobLog(path, 1)
    for index in range(3):
        log.write(f"line {index}")
    done.set()
    reader.join(30)
    assert seen == ["line 0", "line 1", "line 2"]


def test_lines_from_elsewhere_are_appended_whole_and_once(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    log = JobLog(there, 1, clock=lambda: 5.0)
    for line in ("one", "two", "three"):
        log.write(line)
    data = there.read_bytes()
    half = data.index(b"two")
    taken = append_raw(here, data[:half])
    assert [line.line for line in read(here)] == ["one"]
    assert append_raw(here, data[taken:]) == len(data) - taken
    assert here.read_bytes() == data
    assert append_raw(here, b"") == 0
    log.write("four")
    data = there.read_bytes()
    assert append_raw(here, data, skip_known=True) == len(data)
    assert here.read_bytes() == data
