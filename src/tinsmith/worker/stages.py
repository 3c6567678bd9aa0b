"""What an attempt did and when, for whoever wants to know where its time went."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

COMPILE = "compile"
COMPILER = ("read", "tune", "emit", "reference", "build", "package", "verify")
"""The compiler's own stages in their order, which its report does not keep."""
MAX_INNER = 20
_NAME = re.compile(r"[a-z][a-z_-]{0,31}", re.ASCII)


class Stages:
    """A list of (name, begin, end), in epoch seconds; what is within another one is named `outer.inner`."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.done: list[tuple[str, float, float]] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Times the block, however it ends."""
        begin = self._clock()
        try:
            yield
        finally:
            self.done.append((name, round(begin, 3), round(max(self._clock(), begin), 3)))

    def compiled(self, timings: Any) -> None:
        """The compiler's stages within the last one, from the timings of its report, which may be anything.

        They are taken to follow one another and to end with the compiler; the time before them is its start.
        """
        _, begin, end = self.done[-1]
        seconds = dict(_sound(timings))
        order = sorted(seconds, key=lambda name: (COMPILER.index(name) if name in COMPILER else 99, name))
        start = max(begin, end - sum(seconds.values()))
        for name in order:
            until = min(end, start + seconds[name])
            self.done.append((f"{COMPILE}.{name}", round(start, 3), round(until, 3)))
            start = until


def _sound(timings: Any) -> Iterator[tuple[str, float]]:
    if not isinstance(timings, dict):
        return
    for name, seconds in list(timings.items())[:MAX_INNER]:
        if (
            _NAME.fullmatch(name)
            and type(seconds) in (int, float)
            and math.isfinite(seconds)
            and seconds >= 0
        ):
            yield name, float(seconds)
