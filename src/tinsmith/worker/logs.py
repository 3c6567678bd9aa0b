"""A job's log: one JSON object per line, {"time", "attempt", "line"}, appended by whoever works on it."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

MAX_LINE = 8_000  # characters
MAX_LINES = 20_000  # of one attempt
MAX_BYTES = 8 << 20  # of one attempt, as they are written
FOLLOW_SECONDS = 0.2
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class LogLine:
    """`time` is in epoch seconds; `attempt` is 0 for lines of the service itself."""

    time: float
    attempt: int
    line: str


def printable(text: str) -> str:
    """`text` with every character that would steer a terminal, or the direction of writing, spelled out."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class JobLog:
    """Appends to one job's log. Each line is one write, so writers may share the file.

    What a full disk does not take is left out, and counted in a line once there is room: no job may fail, or
    wait for somebody to read what it prints, because its log cannot be written.
    """

    def __init__(self, path: Path, attempt: int, clock: Callable[[], float] = time.time) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._attempt = attempt
        self._clock = clock
        self._lines = self._bytes = self._missing = 0
        self._torn = False
        """Whether the file ends with a part of a line."""

    def write(self, text: str) -> None:
        """Appends the lines of `text`; overlong ones are cut, and all beyond MAX_LINES or MAX_BYTES."""
        for line in text.splitlines():
            if self._lines > MAX_LINES:
                return
            self._lines += 1
            if self._lines > MAX_LINES or self._bytes > MAX_BYTES:
                line = f"... log cut after {self._lines - 1} lines"
                self._lines = MAX_LINES + 1
            elif len(line) > MAX_LINE:
                line = line[:MAX_LINE] + " ... (cut)"
            if self._missing and self._append(f"... {self._missing} lines are missing: the disk was full"):
                self._missing = 0
            self._missing += not self._append(line)

    def _append(self, line: str) -> bool:
        record = asdict(LogLine(round(self._clock(), 3), self._attempt, printable(line)))
        data = b"\n" * self._torn + json.dumps(record).encode() + b"\n"
        try:
            written = os.write(self._file, data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return False
        self._bytes += written
        self._torn = written < len(data)
        return not self._torn

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def append_raw(path: Path, data: bytes, skip_known: bool = False) -> int:
    """Appends the whole lines of `data`, written by a JobLog elsewhere; the bytes that those are.

    With `skip_known` the lines at the start of `data` that are in the log at `path` already are left out.
    """
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.splitlines(keepends=True)
    if skip_known and path.exists():
        known = set(path.read_bytes().splitlines(keepends=True))
        lines = list(itertools.dropwhile(known.__contains__, lines))
    if lines:
        with path.open("ab") as file:
            file.write(b"".join(lines))
    return len(whole)


def read(path: Path, follow: bool = False, finished: Callable[[], bool] = lambda: False) -> Iterator[LogLine]:
    """The lines of the log at `path`, oldest first; none when it does not exist yet.

    With `follow` it waits for more until `finished()` is true and everything written before that has
    been read. A line that is not whole yet, or never became whole, is left out.
    """
    position, rest = 0, b""
    while True:
        last_look = not follow or finished()
        chunk = _read_from(path, position)
        position += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from _parsed(lines)
        if last_look:
            return
        if not chunk:
            time.sleep(FOLLOW_SECONDS)


def _read_from(path: Path, position: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read()
    except FileNotFoundError:
        return b""


def _parsed(lines: list[bytes]) -> Iterator[LogLine]:
    for line in lines:
        try:
            yield LogLine(**json.loads(line))
        except (ValueError, TypeError):
            continue
