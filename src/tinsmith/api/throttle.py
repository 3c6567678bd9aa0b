"""How often an account may ask: a token bucket for what changes something, another one for what reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tinsmith.api.errors import ApiError
from tinsmith.settings import QuotaOptions, Rate

READING = ("Describe", "List", "Get")
"""How the names of operations begin that change nothing."""


class Throttle:
    """The buckets of all accounts, full at the start. Thread-safe.

    A bucket is one number: the time at which it will be full again (the generic cell rate algorithm). Every
    service has its own buckets, and forgets them when it ends.
    """

    def __init__(self, quotas: QuotaOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._quotas = quotas
        self._clock = clock
        self._lock = threading.Lock()
        self._full_at: dict[tuple[str, bool], float] = {}

    def admit(self, account: str, operation: str) -> None:
        """Takes a token; raises the error that makes clients wait and try again when there is none."""
        reading = operation.startswith(READING)
        quota = self._quotas.of(account)
        rate = quota.reading if reading else quota.mutating
        if rate is not None and not self._take((account, reading), rate):
            raise ApiError("ThrottlingException", "Rate exceeded")

    def _take(self, bucket: tuple[str, bool], rate: Rate) -> bool:
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at.get(bucket, 0.0), now) + 1 / rate.per_second
            if full_at - now > rate.burst / rate.per_second + 1e-9:
                return False
            self._full_at[bucket] = full_at
            return True
