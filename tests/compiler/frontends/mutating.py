"""What tests of damaged models share: damage, limits, how models end, and a process for all of it."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def damaged(data: bytes, rng: random.Random, reach: int | None = None) -> bytes:
    """Cut, with flipped bits, or a part copied elsewhere: in the first `reach` bytes."""
    content = bytearray(data)
    end = len(content) if reach is None else min(len(content), reach)
    kind = rng.choice(("cut", "flip", "splice"))
    place = rng.randrange(end)
    if kind == "cut":
        del content[place:]
    elif kind == "flip":
        for _ in range(rng.choice((1, 2, 8))):
            content[rng.randrange(end)] ^= 1 << rng.randrange(8)
    else:
        first, last = sorted(rng.randrange(end) for _ in range(2))
        content[place : place + last - first] = content[first:last]
    return bytes(content)


@contextmanager
def limit(seconds: float, memory: int) -> Iterator[None]:
    """Ends the block by TimeoutError after `seconds` of processor time, by MemoryError where the process has
    more than `memory` bytes of address space."""

    def too_long(*_: Any) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def survey(cases: Iterable[tuple[str, Callable[[], str]]], seconds: float, memory: int) -> None:
    """Prints how many cases ended in which way, as JSON; those that raise something are listed by name."""
    ends: Counter[str] = Counter()
    failures = []
    for name, outcome in cases:
        try:
            with limit(seconds, memory):
                ends[outcome()] += 1
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}"[:300])
    print(json.dumps({"ends": ends, "failures": failures}))


def report_of(module: str, *arguments: str, timeout: float, flags: Iterable[str] = ()) -> dict[str, Any]:
    """What `python -m module` prints; more than `timeout` seconds fail the test."""
    run = subprocess.run(
        [sys.executable, *flags, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    report: dict[str, Any] = json.loads(run.stdout)
    return report
