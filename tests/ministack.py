"""A MiniStack for a test: IAM, STS, CloudWatch and more in one process, with permissions enforced."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

START_SECONDS = 60.0


class MiniStack:
    """One that can be killed and started again, at the same address; it forgets everything then."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._session = boto3.session.Session()
        self._clients: dict[tuple[str, ...], Any] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def client(self, service: str, **keys: str) -> Any:
        """As the account's root, unless `keys` say otherwise."""
        keys = keys or {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        known = (service, *keys.values())
        if known not in self._clients:
            config = Config(proxies={}, retries={"total_max_attempts": 1})
            self._clients[known] = self._session.client(
                service, endpoint_url=self.url, config=config, region_name="us-east-1", **keys
            )
        return self._clients[known]

    def start(self) -> None:
        """Returns once it answers."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "AUTH": "true"}
        program = Path(sys.executable).with_name("ministack")
        with (self._folder / "ministack.log").open("ab") as log:
            self._process = process = subprocess.Popen(
                [program],
                env=environment | {"GATEWAY_PORT": str(self._port)},
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        iam = self.client("iam")
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert process.poll() is None, "MiniStack ended"
            try:
                iam.list_users()
                break
            except BotoCoreError:
                assert time.monotonic() < deadline, "MiniStack does not answer"
                time.sleep(0.1)

    def kill(self) -> None:
        """With its children."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def ministack(folder: Path) -> Iterator[MiniStack]:
    """One that runs for as long as the context does."""
    server = MiniStack(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
