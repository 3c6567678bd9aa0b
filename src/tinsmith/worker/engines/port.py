"""The port between the controller, which decides, and the engine, which places processes.

An engine knows attempts by name and holds no state that counts: the queue, leases, attempt numbers and
deadlines are the store's. What an engine must keep to, each adapter's tests check against the real thing:

- after `launch` the attempt runs at most once, and some time later `status` says Ended, whatever happens
  to machines and processes;
- Ended means dead: none of its processes can upload anything any more, as far as the engine can know;
- an attempt's result is found however the attempt and its machine ended after it was written;
- the secrets of an order are never in a file, an argument or an environment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tinsmith.errors import InternalError
from tinsmith.worker.order import AttemptOrder, AttemptResult


class EngineUnavailable(InternalError):
    """The engine cannot be asked now; later it may. Says nothing of any attempt."""


@dataclass(frozen=True)
class Active:
    """The attempt waits for its place or runs."""


@dataclass(frozen=True)
class Ended:
    """The attempt is dead, or there never was one."""

    result: AttemptResult | None
    cause: str = ""
    """How it ended when there is no result, as the end of a sentence: "it was killed by signal 9"."""


class Engine(Protocol):
    """Where attempts run. All methods but `open` and `close` are called by one thread."""

    survives: bool
    """Whether attempts go on when the controller dies."""

    def open(self) -> None:
        """Gets ready. Raises InternalError when no attempt can ever run here."""

    def adopt(self, attempts: Mapping[str, Path]) -> Collection[str]:
        """Takes over what a former controller left; `attempts` are names and the paths of their jobs' logs.

        Those that still run, or have left a result, are known from now on and returned. All other
        attempts of that controller are ended and forgotten. Raises EngineUnavailable.
        """

    def fits(self, request: Mapping[str, Any]) -> bool:
        """Whether a job would get what it asks for now. A scheduler that lets jobs wait takes all."""

    def launch(self, order: AttemptOrder) -> None:
        """Places an attempt; nothing when one of that name is there. Raises EngineUnavailable, OSError."""

    def status(self, name: str) -> Active | Ended:
        """Never waits for other machines; may be seconds old."""

    def signal(self, name: str, number: int) -> None:
        """SIGTERM or SIGKILL to an attempt; nothing when it has ended."""

    def discard(self, name: str) -> None:
        """Ends the attempt if it still runs and removes all that it left here. Unknown names are fine."""

    def rest(self) -> None:
        """A good moment for work that makes the next launch faster."""

    def close(self) -> None:
        """Lets go; ends all attempts unless they survive."""
