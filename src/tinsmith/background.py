"""Work beside the requests, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """A thread that does `work`, which returns soon after `stopping` is set."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=work, name=name, daemon=True)

    def start(self) -> None:
        """From now on."""
        self._thread.start()

    def stop(self) -> None:
        """Returns once the work has ended, at once where it was never begun."""
        self.stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
