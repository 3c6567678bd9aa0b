"""What the engines on other machines share: orders, logs and results go through the mailbox.

A `Scheduler` only starts and ends processes and says which there are. A thread asks it and the mailbox
again and again, so that no answer of theirs keeps the controller waiting.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tinsmith.settings import Placement
from tinsmith.worker.engines.mailbox import Mailbox
from tinsmith.worker.engines.options import placement_of
from tinsmith.worker.engines.port import Active, Ended, EngineUnavailable
from tinsmith.worker.logs import append_raw
from tinsmith.worker.order import AttemptOrder

UNKNOWN_LOOKS = 2
"""So many looks in a row must miss an attempt before it counts as gone."""
logger = logging.getLogger(__name__)


class Scheduler(Protocol):
    """What places processes in a cluster. Methods may be called by two threads at a time."""

    keeps_orders: bool
    """Whether it writes down what it is handed: it then gets sealed envelopes."""
    poll: float
    """Seconds between two looks."""

    def open(self) -> None:
        """Raises InternalError when it is not installed here."""

    def submit(self, name: str, envelope: str, placement: Placement) -> None:
        """Raises EngineUnavailable; OSError when it refuses. A name that is there already is left alone."""

    def states(self) -> Mapping[str, str | None]:
        """This controller's attempts: None for one that waits or runs, else how it ended.

        Raises EngineUnavailable.
        """

    def terminate(self, name: str) -> None:
        """SIGTERM; harmless when there is none."""

    def remove(self, name: str) -> None:
        """Ends and forgets an attempt, whichever controller's; harmless when there is none."""

    def close(self) -> None:
        """Lets go, ending nothing."""


@dataclass
class Watched:
    """One attempt. `offset` is how much of its log has been brought here, None: not known yet."""

    log: Path
    since: float
    offset: int | None = 0
    misses: int = 0
    ended: Ended | None = None


class RemoteEngine:
    """Attempts on the machines of a scheduler."""

    survives = True

    def __init__(self, scheduler: Scheduler, mailbox: Mailbox, placements: Mapping[str, Placement]) -> None:
        self._scheduler = scheduler
        self._mailbox = mailbox
        self._placements = placements
        self._watched: dict[str, Watched] = {}
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def open(self) -> None:
        """Raises InternalError when the scheduler is not installed here."""
        self._scheduler.open()
        self._watcher.start()

    def adopt(self, attempts: Mapping[str, Path]) -> Collection[str]:
        """Those that the scheduler still has, and those that have left a result."""
        states = self._scheduler.states()
        for name in states.keys() - attempts.keys():
            self.discard(name)
        found = {name for name in attempts if name in states or self._mailbox.result(name) is not None}
        for name in found:
            self._watched[name] = Watched(attempts[name], time.monotonic(), offset=None)
        return found

    def fits(self, request: Mapping[str, Any]) -> bool:
        """The scheduler decides."""
        return True

    def launch(self, order: AttemptOrder) -> None:
        """By an envelope that the scheduler hands to a process."""
        if order.name in self._watched:
            return
        placement = placement_of(order.request, self._placements)
        envelope = self._mailbox.address(order, seal=self._scheduler.keeps_orders)
        self._scheduler.submit(order.name, envelope, placement)
        self._watched[order.name] = Watched(order.log, time.monotonic())

    def status(self, name: str) -> Active | Ended:
        """As of the last look."""
        watched = self._watched.get(name)
        if watched is None:
            return Ended(None, "it is unknown to the engine")
        return watched.ended or Active()

    def signal(self, name: str, number: int) -> None:
        """SIGTERM reaches the attempt's own process; SIGKILL removes it from the scheduler."""
        if name in self._watched:
            if number == signal.SIGKILL:
                self._scheduler.remove(name)
            else:
                self._scheduler.terminate(name)

    def discard(self, name: str) -> None:
        """Closes its mailbox too, which ends it wherever the scheduler has lost sight of it."""
        self._watched.pop(name, None)
        try:
            self._scheduler.remove(name)
            self._mailbox.close(name)
        except EngineUnavailable as error:
            logger.warning("attempt %s leaves something behind: %s", name, error)

    def rest(self) -> None:
        """Nothing to do ahead."""

    def close(self) -> None:
        """The attempts go on."""
        self._closing.set()
        self._watcher.join()
        self._scheduler.close()

    def _watch(self) -> None:
        while not self._closing.wait(self._scheduler.poll):
            if not self._watched:
                continue
            try:
                began = time.monotonic()
                self._look(began, self._scheduler.states())
            except EngineUnavailable as error:
                logger.warning("nothing is known of %d attempts: %s", len(self._watched), error)
            except Exception:  # such as a full disk: the next look tries again
                logger.exception("the engine will look again")

    def _look(self, began: float, states: Mapping[str, str | None]) -> None:
        for name, watched in list(self._watched.items()):
            if watched.ended is not None or watched.since > began:
                continue
            watched.misses = 0 if name in states else watched.misses + 1
            gone = watched.misses >= UNKNOWN_LOOKS
            self._bring_log(name, watched)
            if gone or states.get(name) is not None:
                result = self._mailbox.result(name)
                self._bring_log(name, watched)
                watched.ended = Ended(result, states.get(name) or "the engine does not know it any more")

    def _bring_log(self, name: str, watched: Watched) -> None:
        if watched.offset is None:
            watched.offset = append_raw(watched.log, self._mailbox.log(name), skip_known=True)
        else:
            watched.offset += append_raw(watched.log, self._mailbox.log(name, watched.offset))
