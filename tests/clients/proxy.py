"""A proxy in front of the API, which may change one byte of what a client has signed."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """Passes requests on as they came, `Host` too: that one is signed."""

    target: str
    url: str = ""
    replaced: tuple[bytes, bytes] | None = None
    """What to put in place of what in bodies; both of the same length."""
    signed_headers: str = ""
    """Of the last request."""
    changes: int = 0
    """Bodies that were changed."""

    def changed(self, body: bytes) -> bytes:
        """`body` as it is passed on."""
        if self.replaced is None or self.replaced[0] not in body:
            return body
        self.changes += 1
        return body.replace(*self.replaced)


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    """A running proxy on the loopback."""
    state = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = state.changed(self.rfile.read(int(self.headers["Content-Length"])))
            signed = re.search("SignedHeaders=([^,]+)", self.headers.get("Authorization", ""))
            state.signed_headers = signed[1] if signed else ""
            upstream = http.client.HTTPConnection(urlsplit(state.target).netloc)
            upstream.putrequest("POST", self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            reply = upstream.getresponse()
            content = reply.read()
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in ("date", "server", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            upstream.close()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
