"""An attempt on a machine that shares nothing with the controller but the object store.

    python -m tinsmith.worker.engines.node ATTEMPT [PARENT_PID]      with an envelope on stdin, see `envelope`

Makes a folder of its own, prepares the sandbox that this machine allows, runs the attempt, puts log and
result into the mailbox and removes the folder. Dies with the process that started it, with all its own.
Ends itself, and uploads nothing more, once its mailbox is closed: wherever a given-up attempt still runs,
cut off from its engine, this is what stops it.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TypeVar

from tinsmith.storage.s3 import is_loopback
from tinsmith.worker.attempt import LOST, Workplace, concluded
from tinsmith.worker.engines.envelope import Assignment, opened
from tinsmith.worker.folders import remove
from tinsmith.worker.logs import JobLog
from tinsmith.worker.order import AttemptOrder, AttemptResult
from tinsmith.worker.processes import (
    adopt_orphans,
    die_with_parent,
    kill_descendants,
    read_pid_file,
    write_pid_file,
)
from tinsmith.worker.sandbox import prepare

SHIP_SECONDS = 1.0
OPEN_SECONDS = 5.0
TIMEOUT_SECONDS = 20.0
PATIENCE_SECONDS = 120.0
"""How long the object store may be away when an attempt begins or ends."""


T = TypeVar("T")


class GivenUp(BaseException):
    """The mailbox is closed. No Exception: the attempt must not take it for a failure of the job."""


def main() -> int:
    """Runs one attempt; the exit code is 0 once its result is in the mailbox."""
    die_with_parent(int(sys.argv[2]) if len(sys.argv) > 2 else _parent())
    adopt_orphans()
    envelope = sys.stdin.read()
    if not envelope:
        return LOST
    assignment = _patiently(lambda: opened(envelope, _get, _delete))
    if assignment is None:
        print("the order was given up or has been read before", file=sys.stderr)
        return LOST
    return Node(assignment).run()


def _parent() -> int:
    parent = os.getppid()
    if parent == 1:  # it has died already
        sys.exit(LOST)
    return parent


class Node:
    """One attempt and its mailbox."""

    def __init__(self, assignment: Assignment) -> None:
        self._mailbox = assignment
        self._order = AttemptOrder.from_json(assignment.order)
        self._folder = _folder(assignment.work_dir, self._order.name)
        self._log_path = self._folder / "log"
        self._shipped = 0
        self._ended = threading.Event()
        self._shipping = threading.Lock()

    def run(self) -> int:
        """The attempt, start to end."""
        signal.signal(signal.SIGTERM, self._end)
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            result = self._result()
            self._ended.set()
            watcher.join()
            _patiently(self._ship)
            if isinstance(result, int):
                return result
            self._check_open()
            _patiently(lambda: _put(self._mailbox.result_url, result.to_json().encode()))
            return 0
        except GivenUp:
            return LOST
        finally:
            remove(self._folder)

    def _result(self) -> AttemptResult | int:
        log = JobLog(self._log_path, self._order.attempt)
        try:
            log.write(f"on {os.uname().nodename}")
            place = Workplace(self._folder / "attempt", prepare(self._order.sandbox, self._folder))
            place.folder.mkdir()
            place.folder.chmod(0o711)
        except Exception as error:  # this machine's fault: another one may do better
            log.write(f"this machine cannot run it: {error}")
            return LOST
        return concluded(self._order, place, log, before_upload=self._check_open)

    def _watch(self) -> None:
        """Ships the log; ends everything when the attempt is not wanted any more."""
        looked = time.monotonic()
        while not self._ended.wait(SHIP_SECONDS):
            try:
                self._ship()
                if time.monotonic() - looked >= OPEN_SECONDS:
                    looked = time.monotonic()
                    self._check_open()
            except GivenUp:
                self._end(signal.SIGKILL, None)
            except OSError:
                continue  # the store is away; the attempt itself will notice if that lasts

    def _ship(self) -> None:
        with self._shipping:
            data = self._log_path.read_bytes() if self._log_path.exists() else b""
            if len(data) > self._shipped:
                _put(self._mailbox.log_url, data)
                self._shipped = len(data)

    def _check_open(self) -> None:
        if _patiently(lambda: _get(self._mailbox.open_url)) is None:
            raise GivenUp

    def _end(self, number: int, _frame: FrameType | None) -> None:
        kill_descendants()
        remove(self._folder)
        os._exit(128 + number)  # without waiting for transfers in other threads


def _folder(work_dir: str | None, name: str) -> Path:
    """A new folder for this attempt; those of dead ones beside it are removed."""
    parent = Path(work_dir or tempfile.gettempdir()) / f"tinsmith-{os.getuid()}"
    parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    if parent.stat().st_uid != os.getuid() or parent.is_symlink():
        raise PermissionError(f"{parent} belongs to somebody else")
    for other in parent.iterdir():
        process = read_pid_file(other / "pid")
        if process is not None and not process.alive:
            remove(other)
    folder = parent / name
    remove(folder)
    folder.mkdir()
    write_pid_file(folder / "pid", os.getpid())
    folder.chmod(0o711)
    return folder


def _patiently(action: Callable[[], T]) -> T:
    """What `action` returns, tried again while the object store is away."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return action()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(SHIP_SECONDS)


def _get(url: str) -> bytes | None:
    """The object at a signed address; None when there is none. Raises OSError."""
    try:
        return _request("GET", url)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def _put(url: str, data: bytes) -> None:
    _request("PUT", url, data)


def _delete(url: str) -> None:
    _request("DELETE", url)


def _request(method: str, url: str, data: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data, method=method, headers={"Content-Type": ""})
    handlers = [urllib.request.ProxyHandler({})] if is_loopback(url) else []
    with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_SECONDS) as reply:
        body: bytes = reply.read()
        return body


if __name__ == "__main__":
    try:
        code = main()
    except Exception:
        traceback.print_exc()
        code = LOST
    sys.exit(code)
