"""Attempts as processes of this machine. They die with the service, and with the thread that launched them.

WORK_DIR/<attempt name>/     the attempt's folder, see `worker.attempt`
                   pid       its process, as `write_pid_file` records it
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinsmith.settings import EngineOptions, Placement, SandboxOptions
from tinsmith.worker.attempt import Workplace, cause_of
from tinsmith.worker.engines.machine import found, has_room
from tinsmith.worker.engines.options import placement_of
from tinsmith.worker.engines.port import Active, Ended
from tinsmith.worker.folders import free_bytes, remove
from tinsmith.worker.order import AttemptOrder, AttemptResult
from tinsmith.worker.processes import kill_group, read_pid_file, write_pid_file
from tinsmith.worker.sandbox import Sandbox, prepare

NO_OPTIONS = EngineOptions()
logger = logging.getLogger(__name__)


class LocalEngine:
    """The only engine on its work folder.

    `launch` and `rest` must be called by one thread that lives as long as the attempts: the kernel kills a
    child that asked to die with its parent when the *thread* that made it ends.
    """

    survives = False

    def __init__(self, work_dir: Path, sandbox: SandboxOptions, engine: EngineOptions = NO_OPTIONS) -> None:
        self._work_dir = work_dir
        self._options = sandbox
        self._placements = engine.placements
        self._machine = engine.machine
        self._placed: dict[str, Placement] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._spare: subprocess.Popen[bytes] | None = None
        """An attempt without a job yet: it has the half second of start-up behind it."""
        self._had_room = True
        self._sandbox: Sandbox

    def open(self) -> None:
        """Raises InternalError when no sandbox works here."""
        self._work_dir.mkdir(parents=True, exist_ok=True)
        self._work_dir.chmod(0o711)  # the sandbox's user passes through to its own folder
        self._sandbox = prepare(self._options, self._work_dir)
        logger.info("sandbox: %s", " ".join(self._sandbox.layers))
        if self._placements:
            self._machine = found(self._machine, self._work_dir)
            logger.info("jobs share %s", self._machine)

    def adopt(self, attempts: Mapping[str, Path]) -> Collection[str]:
        """Those that had written their results before they died."""
        folders = list(self._work_dir.iterdir())
        for folder in folders:
            leftover = read_pid_file(folder / "pid")
            while leftover is not None and leftover.alive:
                kill_group(leftover.pid, signal.SIGKILL)
                time.sleep(0.01)
        finished = {
            folder.name for folder in folders if AttemptResult.read(folder) is not None
        } & attempts.keys()
        for folder in folders:
            if folder.name not in finished:
                remove(folder)
        return finished

    def fits(self, request: Mapping[str, Any]) -> bool:
        """Whether the machine has what it asks for besides the others; any job fits alone.

        Without placements nothing is counted but the room on the disk that every job must leave.
        """
        if not self._has_room():
            return False
        if not self._placements or not self._placed:
            return True
        wanted = placement_of(request, self._placements)
        return has_room(self._machine, [*self._placed.values(), wanted])

    def _has_room(self) -> bool:
        room = free_bytes(self._work_dir) >= self._options.min_free
        if room != self._had_room:
            least = self._options.min_free
            logger.warning("jobs %s %d bytes of the disk are free", "go on:" if room else "wait until", least)
            self._had_room = room
        return room

    def launch(self, order: AttemptOrder) -> None:
        """Hands the order to a process by its stdin."""
        if order.name in self._processes:
            return
        folder = self._work_dir / order.name
        remove(folder)
        folder.mkdir()
        folder.chmod(0o711)
        process = self._take_spare()
        write_pid_file(folder / "pid", process.pid)
        self._processes[order.name] = process
        self._placed[order.name] = placement_of(order.request, self._placements)
        sandbox = replace(self._sandbox, options=order.sandbox)
        message = {"order": order.to_json(), "workplace": Workplace(folder, sandbox).to_json()}
        assert process.stdin is not None
        try:
            with process.stdin as stdin:
                stdin.write(json.dumps(message).encode())
        except BrokenPipeError:
            pass  # it died at once, which the next look finds

    def status(self, name: str) -> Active | Ended:
        """A look at the process and, once it is dead, at its folder."""
        process = self._processes.get(name)
        code = None if process is None else process.poll()
        if process is not None and code is None:
            return Active()
        cause = "it is unknown to this machine" if code is None else cause_of(code)
        return Ended(AttemptResult.read(self._work_dir / name), cause)

    def signal(self, name: str, number: int) -> None:
        """To the attempt's whole process group."""
        process = self._processes.get(name)
        if process is not None and process.poll() is None:
            kill_group(process.pid, number)

    def discard(self, name: str) -> None:
        """Its process and its folder."""
        self.signal(name, signal.SIGKILL)
        self._placed.pop(name, None)
        if (process := self._processes.pop(name, None)) is not None:
            process.wait()
            self._sandbox.finish(process.pid)
        remove(self._work_dir / name)

    def rest(self) -> None:
        """Has a spare process warm up."""
        if self._spare is None:
            self._spare = _start()

    def close(self) -> None:
        """Leaves no process behind."""
        if self._spare is not None:
            self._spare.kill()
            self._spare.communicate()
            self._spare = None
        for name in list(self._processes):
            self.signal(name, signal.SIGKILL)
            self._processes.pop(name).wait()

    def _take_spare(self) -> subprocess.Popen[bytes]:
        spare, self._spare = self._spare, None
        return spare if spare is not None and spare.poll() is None else _start()


def _start() -> subprocess.Popen[bytes]:
    """An attempt that waits for its order on stdin."""
    command = [sys.executable, "-P", "-m", "tinsmith.worker.attempt", str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
