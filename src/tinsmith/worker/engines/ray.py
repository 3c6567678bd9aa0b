"""Attempts as detached actors of a Ray cluster, one each, through a process of ours that speaks Ray.

Ray never starts an actor again (max_restarts=0): another run is another attempt. Killing the actor, losing
its worker or its node kills the attempt at once, which dies with its parent. `memory` is what Ray counts
with, not a limit; the sandbox's limits are.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from tinsmith.errors import InternalError
from tinsmith.settings import Placement
from tinsmith.worker.attempt import cause_of
from tinsmith.worker.engines.port import EngineUnavailable

CONNECT_SECONDS = 120.0
REPLY_SECONDS = 20.0


class RayScheduler:
    """The Ray cluster at `address`; a driver that has lost it is replaced by a new one."""

    keeps_orders = True
    poll = 0.5

    def __init__(self, owner: str, python: str, address: str) -> None:
        """`owner` tells this controller's actors from others'; `python` is an interpreter on the nodes."""
        self._owner = owner
        self._python = python
        self._address = address
        self._lock = threading.Lock()
        self._driver: subprocess.Popen[str] | None = None
        self._replies: queue.SimpleQueue[str] = queue.SimpleQueue()

    def open(self) -> None:
        """Raises InternalError when Ray is not installed here."""
        if importlib.util.find_spec("ray") is None:
            raise InternalError("Ray is not installed here: pip install 'tinsmith[ray]'")

    def submit(self, name: str, envelope: str, placement: Placement) -> None:
        """One actor."""
        needs = {
            "num_cpus": placement.cpus,
            "memory": placement.memory,
            "resources": dict(placement.resources),
            "label_selector": dict(placement.labels),
        }
        self._ask(do="submit", name=name, envelope=envelope, needs=needs, python=self._python)

    def states(self) -> Mapping[str, str | None]:
        """Of the actors that this service has made, and has not removed."""
        return {name: end and _cause(end) for name, end in self._ask(do="states")["states"].items()}

    def terminate(self, name: str) -> None:
        """A call of the actor."""
        self._ask(do="terminate", name=name)

    def remove(self, name: str) -> None:
        """Kills the actor."""
        self._ask(do="remove", name=name)

    def close(self) -> None:
        """Ends the driver; detached actors go on."""
        with self._lock:
            self._end_driver()

    def _ask(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            driver = self._connected()
            assert driver.stdin is not None
            try:
                driver.stdin.write(json.dumps(request) + "\n")
                driver.stdin.flush()
            except OSError as error:
                self._end_driver()
                raise EngineUnavailable(f"Ray: {error}") from None
            reply = self._reply(REPLY_SECONDS)
        if "refused" in reply:
            raise OSError(f"Ray: {reply['refused']}")
        return reply

    def _connected(self) -> subprocess.Popen[str]:
        if self._driver is None:
            program = (sys.executable, "-P", "-m", "tinsmith.worker.engines.ray_driver")
            self._driver = subprocess.Popen(
                (*program, str(os.getpid()), self._address, self._owner),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
            )
            self._replies = queue.SimpleQueue()
            threading.Thread(target=_read, args=(self._driver, self._replies), daemon=True).start()
            self._reply(CONNECT_SECONDS)
        return self._driver

    def _reply(self, patience: float) -> dict[str, Any]:
        """The next reply. A driver that gives none, or says that it has lost the cluster, is ended."""
        try:
            line = self._replies.get(timeout=patience)
        except queue.Empty:
            self._end_driver()
            raise EngineUnavailable(f"Ray at {self._address} did not answer for {patience:g} s") from None
        if not line:
            self._end_driver()
            raise EngineUnavailable(f"Ray at {self._address} ended our process in its cluster")
        reply: dict[str, Any] = json.loads(line)
        if "unavailable" in reply:
            self._end_driver()
            raise EngineUnavailable(f"Ray at {self._address}: {reply['unavailable']}")
        return reply

    def _end_driver(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.kill()
            driver.wait()


def _read(driver: subprocess.Popen[str], replies: queue.SimpleQueue[str]) -> None:
    """Lines of the driver, and "" at its end."""
    assert driver.stdout is not None
    with driver.stdout as lines:
        for line in lines:
            replies.put(line)
    driver.wait()
    replies.put("")


def _cause(end: Mapping[str, Any]) -> str:
    return str(end["cause"]) if "cause" in end else cause_of(int(end["code"]))
