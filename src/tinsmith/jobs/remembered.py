"""Jobs as they were last read, for clients that ask again and again how theirs are doing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from tinsmith.jobs.job import Job, JobKey

SIZE = 2048
"""Jobs; with the largest requests that is some 100 MB, with usual ones 5."""


class Remembered:
    """Right as long as everybody who changes a job says so, before the commit and after it. Thread-safe.

    While a job is being changed it is read anew each time: who has seen the change never sees the job as it
    was before.
    """

    def __init__(self) -> None:
        self._jobs: dict[JobKey, Job] = {}
        self._changing: Counter[JobKey] = Counter()
        self._changes = 0
        self._lock = threading.Lock()

    def get(self, key: JobKey, read: Callable[[JobKey], Job]) -> Job:
        """The job of `key`, by `read` where it is not known."""
        known = self._jobs.get(key)
        if known is not None:
            return known
        before = self._changes
        job = read(key)
        with self._lock:
            if self._changes == before and key not in self._changing:
                if len(self._jobs) >= SIZE:
                    del self._jobs[next(iter(self._jobs))]
                self._jobs[key] = job
        return job

    def begin(self, key: JobKey) -> None:
        """The job of `key` is about to be changed."""
        with self._lock:
            self._changing[key] += 1
            self._jobs.pop(key, None)

    def end(self, key: JobKey) -> None:
        """The change that was begun is committed, or is not made."""
        with self._lock:
            self._changes += 1
            self._changing[key] -= 1
            if not self._changing[key]:
                del self._changing[key]
