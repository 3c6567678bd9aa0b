"""A client that costs the machine little: requests made and signed beforehand, one event loop, keep-alive.

    python -m bench.http_load < PLAN > RESULT

PLAN is a pickled `Plan`, RESULT a pickled `Result`. It runs in a process of its own: neither its time nor its
interpreter lock is the server's.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """What to send: `requests` in turn, over `connections` that each wait for a reply before the next."""

    host: str
    port: int
    requests: list[bytes]
    connections: int
    seconds: float
    """Stop after this long, or once all requests are sent where `repeat` is false."""
    repeat: bool = False


@dataclass
class Result:
    """Latencies in seconds, one for each reply, and replies by HTTP status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    sample: bytes = b""
    """The last reply that was no success, for the one who wonders."""


class _Connection(asyncio.Protocol):
    """Sends one request after the other until there are no more, or the server closes the connection."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.buffer = b""
        self.sent = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.next()

    def next(self) -> None:
        request = self.run.take()
        if request is None:
            self.transport.close()
            return
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        self.run.note(int(head[9:12]), time.perf_counter() - self.sent, self.buffer)
        self.buffer = b""
        if b"connection: close" in head:
            self.transport.close()
        else:
            self.next()

    def connection_lost(self, _error: Exception | None) -> None:
        self.ended.set_result(None)


class _Run:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.result = Result()
        self.position = 0
        self.until = time.perf_counter() + plan.seconds

    @property
    def over(self) -> bool:
        """Whether all is sent or the time is up."""
        sent = self.position >= len(self.plan.requests) and not self.plan.repeat
        return sent or time.perf_counter() > self.until

    def take(self) -> bytes | None:
        requests = self.plan.requests
        if self.over:
            return None
        self.position += 1
        return requests[(self.position - 1) % len(requests)]

    def note(self, status: int, latency: float, reply: bytes) -> None:
        self.result.latencies.append(latency)
        self.result.statuses[status] = self.result.statuses.get(status, 0) + 1
        if status != 200:
            self.result.sample = reply

    async def all(self) -> Result:
        """Everything, on all connections."""
        began = time.perf_counter()
        await asyncio.gather(*(self.one() for _ in range(self.plan.connections)))
        self.result.seconds = time.perf_counter() - began
        return self.result

    async def one(self) -> None:
        """One connection, made anew whenever the server closes it."""
        loop = asyncio.get_running_loop()
        while not self.over:
            _, protocol = await loop.create_connection(
                lambda: _Connection(self), self.plan.host, self.plan.port
            )
            await protocol.ended


def main() -> None:
    """Runs the plan that stdin holds."""
    import uvloop

    plan: Plan = pickle.load(sys.stdin.buffer)
    pickle.dump(uvloop.run(_Run(plan).all()), sys.stdout.buffer)


if __name__ == "__main__":
    from bench.http_load import main as run

    run()
