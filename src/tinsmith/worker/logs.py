"""A job's log: one JSON object per line, {"time", "attempt", "line"}, appended by whoever works on it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

MAX_LINE = 8_000  # characters
MAX_LINES = 20_000  # of one attempt
FOLLOW_SECONDS = 0.2


@dataclass(frozen=True)
class LogLine:
    """`time` is in epoch seconds; `attempt` is 0 for lines of the service itself."""

    time: float
    attempt: int
    line: str


class JobLog:
    """Appends to one job's log. Each line is one write, so writers may share the file."""

    def __init__(self, path: Path, attempt: int, clock: Callable[[], float] = time.time) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._attempt = attempt
        self._clock = clock
        self._lines = 0

    def write(self, text: str) -> None:
        """Appends the lines of `text`; overlong ones are cut, and everything beyond MAX_LINES."""
        for line in text.splitlines():
            self._lines += 1
            if self._lines > MAX_LINES + 1:
                return
            if self._lines > MAX_LINES:
                line = f"... log cut after {MAX_LINES} lines"
            elif len(line) > MAX_LINE:
                line = line[:MAX_LINE] + " ... (cut)"
            record = asdict(LogLine(round(self._clock(), 3), self._attempt, line))
            os.write(self._file, (json.dumps(record) + "\n").encode())

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


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
