"""The object store that comes with Tinsmith: SeaweedFS as a supervised child, on loopback only.

DIRECTORY/ports.json   the ports of all parts, kept over restarts while they are free
DIRECTORY/data/        the objects
DIRECTORY/log          what SeaweedFS says

Its keys lie there too, see `credentials`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from tinsmith.errors import InternalError, TinsmithError
from tinsmith.storage.credentials import IDENTITIES, ROLES, prepare_credentials, use_keys
from tinsmith.storage.embedded_users import EmbeddedUsers
from tinsmith.storage.s3 import ObjectStore

LOG = logging.getLogger(__name__)
BUCKET = "tinsmith"
HOST = "127.0.0.1"
_PARTS = ("master", "volume", "filer", "admin", "s3")
_GRPC_OFFSET = 10_000
"""SeaweedFS's parts expect each other's gRPC port at this distance."""
_PORT_RANGE = range(13_000, 22_000)
"""The gRPC twins stay below the ports that the kernel gives to outgoing connections."""
_START_SECONDS = 60.0
_STOP_SECONDS = 4.0
_LONGEST_PAUSE = 30.0
_LOG_BYTES = 16 << 20


def find_program() -> str | None:
    """The SeaweedFS binary: the one installed beside this Python, else the one on PATH."""
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("weed")


class EmbeddedStore:
    """One SeaweedFS over one directory; started again whenever it dies, until `stop`."""

    def __init__(self, directory: Path, port: int = 0, region: str = "us-east-1") -> None:
        """`port` is that of the S3 endpoint, on loopback; 0 takes the last one or else a free one."""
        self.directory = directory
        self.region = region
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        (directory / "data").mkdir(exist_ok=True, mode=0o700)
        self.ports = self._choose_ports(port)
        self.port = self.ports["s3"]
        self.endpoint_url = f"http://{HOST}:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        """The child now running; its number changes when it is restarted."""
        self._stopping = threading.Event()
        self._started = threading.Event()
        self._supervisor: threading.Thread | None = None
        self.credentials = prepare_credentials(directory)

    def use_keys_of(self, endpoint_url: str) -> None:
        """SSE-KMS with the keys of the KMS at `endpoint_url`; to be said before `start`."""
        use_keys(self.directory, endpoint_url, self.region)

    def start(self) -> None:
        """Start SeaweedFS; returns once an object can be written and read, InternalError if that fails."""
        program = find_program()
        if program is None:
            raise InternalError(
                "The embedded object store needs SeaweedFS: pip install 'tinsmith[s3]', "
                "or name another S3 endpoint with --s3-endpoint."
            )
        if not _is_pair_free(self.port):
            raise InternalError(
                f"Port {self.port} or {self.port + _GRPC_OFFSET} of the embedded object store is taken: "
                "name another one with --s3-port."
            )
        self._remove_sockets()
        # The kernel kills the child when the *thread* that made it ends, so one thread makes them all.
        self._supervisor = threading.Thread(
            target=self._supervise, args=(program,), name="seaweedfs", daemon=True
        )
        self._supervisor.start()
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop SeaweedFS; what was acknowledged is on disk. May be called twice."""
        self._stopping.set()
        if self.process and self.process.poll() is None:
            self.process.terminate()
        if self._supervisor:
            self._supervisor.join(_STOP_SECONDS)
            if self._supervisor.is_alive() and self.process:
                self.process.kill()
                self._supervisor.join()

    def store(self) -> ObjectStore:
        """A client of this store with its own key."""
        return ObjectStore(self.endpoint_url, self.region, self.credentials)

    def users(self) -> EmbeddedUsers:
        """Who may use this store beside its owner; to be asked for after `start`. Raises InternalError."""
        return EmbeddedUsers(self.directory, f"{HOST}:{self.port + _GRPC_OFFSET}")

    def __enter__(self) -> EmbeddedStore:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _supervise(self, program: str) -> None:
        pause = 0.5
        while not self._stopping.is_set():
            began = time.monotonic()
            with self._open_log() as log:
                self.process = self._launch(program, log)
                if self._stopping.is_set():
                    self.process.terminate()
                code = self.process.wait()
            self._remove_sockets()
            if self._stopping.is_set():
                return
            pause = 0.5 if time.monotonic() - began > _LONGEST_PAUSE else min(2 * pause, _LONGEST_PAUSE)
            LOG.warning("the object store ended (%s); starting it again in %.1f s", _ending(code), pause)
            self._stopping.wait(pause)

    def _launch(self, program: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        self.ports = self._choose_ports(self.port)  # somebody may have taken one in the meantime
        launcher = Path(__file__).with_name("child.py")
        command = [sys.executable, "-I", "-S", str(launcher), str(os.getpid()), program, *self._arguments()]
        return subprocess.Popen(
            command,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={
                "PATH": os.environ.get("PATH", ""),
                "HOME": str(self.directory),
                "TMPDIR": tempfile.gettempdir(),
            },
        )

    def _arguments(self) -> list[str]:
        return [
            "mini",
            f"-dir={self.directory / 'data'}",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            *(f"-{part}.port={port}" for part, port in self.ports.items()),
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={self.directory / IDENTITIES}",
            f"-s3.iam.config={self.directory / ROLES}",
            "-s3.autoCreateBucket=false",
            "-s3.allowDeleteBucketNotEmpty=false",
            "-admin.ui=false",
            "-webdav=false",
            "-master.telemetry=false",
        ]

    def _choose_ports(self, s3_port: int) -> dict[str, int]:
        file = self.directory / "ports.json"
        ports: dict[str, int] = {}
        with contextlib.suppress(OSError, ValueError):
            last = json.loads(file.read_text())
            ports = {
                part: int(last[part]) for part in _PARTS if part in last and _is_pair_free(int(last[part]))
            }
        fresh = iter(_free_ports(len(_PARTS)))
        ports = {part: ports.get(part) or next(fresh) for part in _PARTS}
        ports["s3"] = s3_port or ports["s3"]
        file.write_text(json.dumps(ports))
        return ports

    def _remove_sockets(self) -> None:
        """SeaweedFS leaves its Unix sockets behind when it is killed, in /tmp whatever TMPDIR says."""
        for port in self.ports.values():
            for number in (port, port + _GRPC_OFFSET):
                for path in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
                    path.unlink(missing_ok=True)

    def _open_log(self) -> IO[bytes]:
        path = self.directory / "log"
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".old"))
        return path.open("ab")

    def _await_ready(self) -> None:
        """An open port is not yet a store: write an object and read it back."""
        deadline = time.monotonic() + _START_SECONDS
        while _is_free(self.port) and time.monotonic() < deadline:
            time.sleep(0.05)
        store = self.store()
        while True:
            try:
                store.ensure_bucket(BUCKET)
                with tempfile.TemporaryDirectory() as folder:
                    probe = Path(folder) / "probe"
                    probe.write_bytes(secrets.token_bytes(16))
                    where = f"s3://{BUCKET}/.ready"
                    store.upload(probe, where)
                    store.download(where, probe.with_name("back"), 16)
                store.client.delete_object(Bucket=BUCKET, Key=".ready")
                return
            except TinsmithError as error:
                if time.monotonic() > deadline or self._stopping.is_set():
                    raise InternalError(
                        f"The embedded object store did not become ready: {error}. "
                        f"Its log ends:\n{self._log_tail()}"
                    ) from error
            time.sleep(0.1)

    def _log_tail(self) -> str:
        text = (
            (self.directory / "log").read_text(errors="replace") if (self.directory / "log").exists() else ""
        )
        return "\n".join(text.splitlines()[-12:])


def _free_ports(count: int) -> list[int]:
    """`count` ports that are free now, and their gRPC twins with them."""
    candidates = random.sample(_PORT_RANGE, len(_PORT_RANGE))
    found = []
    for port in candidates:
        if _is_pair_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise InternalError(f"No {count} free ports between {_PORT_RANGE.start} and {_PORT_RANGE.stop}.")


def _is_pair_free(port: int) -> bool:
    """Whether a port and its gRPC twin are free."""
    return _is_free(port) and _is_free(port + _GRPC_OFFSET)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
