from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tests.faults.proxy import Proxy


def echo(listener: socket.socket) -> None:
    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    def answer(client: socket.socket) -> None:
        with client:
            while data := client.recv(100):
                client.sendall(data)

    threading.Thread(target=serve, daemon=True).start()


def connected(proxy: Proxy, path: Path | None) -> socket.socket:
    if path is None:
        return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    return client


@pytest.mark.parametrize("unix", [False, True])
def test_connections_are_relayed_until_they_are_cut(tmp_path: Path, unix: bool) -> None:
    if unix:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "server"))
        listener.listen()
        proxy, path = Proxy(tmp_path / "server", tmp_path / "relay"), tmp_path / "relay"
    else:
        listener, path = socket.create_server(("127.0.0.1", 0)), None
        proxy = Proxy(listener.getsockname()[1])
    echo(listener)
    with listener:
        for _ in range(2):  # a cut connection does not keep a new one out
            with connected(proxy, path) as client:
                client.sendall(b"hello")
                assert client.recv(100) == b"hello"
                assert proxy.sever() == 1
                assert client.recv(100) == b""
        proxy.close()
