from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import uvicorn

from tinsmith.api.connections import Joining, WholeReplies

BODY = b"b" * 3_000_000


class Recorded:
    """A transport that only remembers."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.writes.append(b"<closed>")

    def get_extra_info(self, name: str) -> str:
        return name


def test_what_is_written_in_one_turn_goes_out_together() -> None:
    recorded = Recorded()

    async def turns() -> None:
        transport = Joining(recorded, asyncio.get_running_loop())  # type: ignore[arg-type]
        transport.write(b"head ")
        transport.write(b"body")
        assert recorded.writes == []
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)
        transport.write(b"last")
        transport.close()
        await asyncio.sleep(0)
        assert transport.get_extra_info("peername") == "peername"

    asyncio.run(turns())
    assert recorded.writes == [b"head body", b"next", b"last", b"<closed>"]


async def app(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    body = BODY if scope["path"] == "/large" else message["body"]
    headers = [(b"content-length", str(len(body)).encode())]
    if scope["path"] == "/close":
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def served() -> Iterator[int]:
    config = uvicorn.Config(app, http=WholeReplies, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served() as number:
        yield number


def request(path: str, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def read(connection: socket.socket) -> bytes:
    """The body of the next reply."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return body


def test_a_reply_arrives_in_one_piece(port: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        for number in range(20):
            connection.sendall(request("/", b"%d" % number))
            assert connection.recv(65536).endswith(b"\r\n\r\n%d" % number)


def test_requests_sent_at_once_are_answered_in_turn(port: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        connection.sendall(request("/", b"one") + request("/", b"two") + request("/close", b"three"))
        data = b""
        while more := connection.recv(65536):
            data += more
    assert [part.rpartition(b"\r\n\r\n")[2] for part in data.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"one",
        b"two",
        b"three",
    ]


def test_a_reply_larger_than_all_buffers_is_whole(port: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        connection.sendall(request("/large", b""))
        assert read(connection) == BODY
        connection.sendall(request("/", b"next"))
        assert read(connection) == b"next"
