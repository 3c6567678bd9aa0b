"""Brings the jobs' own logs into the store of logs, line by line as they are written.

Group and stream have the names that the real service gives them: `/aws/sagemaker/CompilationJobs` and the
job's name. How far a log has been read is kept in the database and moves in the transaction that stores the
lines, so that nothing is left out or stored twice, whenever the service dies. Services on one database have
logs of their own, also of one job.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson

from tinsmith.background import Background
from tinsmith.identity.owner import Owner
from tinsmith.jobs.job import JobKey
from tinsmith.jobs.store import Store
from tinsmith.settings import Settings
from tinsmith.telemetry.events import ENDS
from tinsmith.telemetry.logs import LogStore, Piece
from tinsmith.telemetry.metrics import MetricStore

GROUP = "/aws/sagemaker/CompilationJobs"
CHUNK = 1 << 20
"""Bytes that are read of one log at once."""
PAUSE, EXPIRY = 1.0, 3_600.0
"""Seconds between two looks at the logs, and between two looks for what is too old."""
logger = logging.getLogger(__name__)


class Feeder:
    """The thread that does it."""

    def __init__(self, settings: Settings, store: Store, logs: LogStore, metrics: MetricStore) -> None:
        self._settings = settings
        self._store = store
        self._logs = logs
        self._metrics = metrics
        self._source = f"{socket.gethostname()}:{settings.data_dir}"
        self._sizes: dict[Path, int] = {}
        """How far each log has been read."""
        self._fed: dict[Owner, dict[str, int]] = {}
        """How far the logs had been read when this service began."""
        self._place: int | None = None
        """Up to which of the jobs' events it is known who runs; None: not known."""
        self._running: set[JobKey] = set()
        self._expiry = 0.0
        self._background = Background("feeder", self._work)

    def start(self) -> None:
        """From now on."""
        self._background.start()

    def stop(self) -> None:
        """After a last look."""
        self._background.stop()

    def step(self) -> None:
        """Whatever is new in the logs: at first in all of them, then in those of jobs that run or have ended
        since the last look."""
        place, self._place = self._place, None
        if place is None:
            reached = self._store.newest_event()
            self._running = {job.key for job in self._store.running()}
            files = list(self._files())
        else:
            ended, reached = self._changed(place)
            files = [self._file(key) for key in self._running | ended]
            self._running -= ended
        for path, owner, job in files:
            if path not in self._sizes:
                self._sizes[path] = self._fed_before(owner).get(job, 0)
            with suppress(FileNotFoundError):  # another service runs it
                if path.stat().st_size > self._sizes[path]:
                    self._feed(path, owner, job)
        self._place = reached

    def _changed(self, place: int) -> tuple[set[JobKey], int]:
        """Jobs that have ended since the event `place`, and the newest event. Others have begun to run."""
        ended: set[JobKey] = set()
        while self._store.newest_event() > place and (events := self._store.events(after=place)):
            for event in events:
                if event.kind == "claimed":
                    self._running.add(event.key)
                elif event.kind in ENDS:
                    ended.add(event.key)
            place = events[-1].seq
        return ended, place

    def _work(self) -> None:
        last = False
        while not last:
            last = self._background.stopping.wait(PAUSE)
            try:
                self.step()
                if time.monotonic() >= self._expiry:
                    self._expiry = time.monotonic() + EXPIRY
                    self._logs.expire()
                    self._metrics.expire()
                    self._place = None
            except Exception:
                logger.exception("the logs of jobs will be read again")

    def _files(self) -> Iterator[tuple[Path, Owner, str]]:
        root = self._settings.logs_dir
        for path in root.glob("*.jsonl"):
            yield path, Owner(self._settings.account, self._settings.region), path.stem
        for path in root.glob("*/*/*.jsonl"):
            yield path, Owner(path.parent.parent.name, path.parent.name), path.stem

    def _file(self, key: JobKey) -> tuple[Path, Owner, str]:
        path = self._settings.log_file(key.account, key.region, key.name)
        return path, Owner(key.account, key.region), key.name

    def _fed_before(self, owner: Owner) -> dict[str, int]:
        if owner not in self._fed:
            self._fed[owner] = self._logs.fed(owner, GROUP, self._source)
        return self._fed[owner]

    def _feed(self, path: Path, owner: Owner, job: str) -> None:
        start = self._sizes[path]
        while True:
            with path.open("rb") as file:
                file.seek(start)
                chunk = file.read(CHUNK)
            end = start + chunk.rfind(b"\n") + 1
            if end == start:
                break
            events = list(_events(chunk[: end - start]))
            start = self._logs.feed(owner, GROUP, job, Piece(self._source, start, end), events)
        self._sizes[path] = start


def _events(lines: bytes) -> Iterator[tuple[int, str]]:
    """Time in milliseconds and text of each line. What is no line of ours is left out."""
    for line in lines.splitlines():
        try:
            record = orjson.loads(line)
            yield int(record["time"] * 1000), record["line"] or " "
        except (orjson.JSONDecodeError, KeyError, TypeError):
            continue
