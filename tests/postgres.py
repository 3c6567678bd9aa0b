"""A PostgreSQL server for tests: Debian's, in a folder of its own, reached by a Unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
PATIENCE = 60.0
FOR_SPEED = ("fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB", "jit=off")
"""No test pulls the plug; durability is PostgreSQL's own business."""


class Postgres:
    """A server, and databases in it."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="tinsmith-pg-"))  # short: a socket's name has 107 bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user: tuple[str, ...] = ()
        if os.geteuid() == 0:  # as which PostgreSQL does not run
            user = next(name for name in ("postgres", "nobody") if _exists(name))
            os.chown(self._folder, pwd.getpwnam(user).pw_uid, -1)
            ids = f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"
            self._as_user = "setpriv", *ids, "--pdeathsig=TERM"
        self._run("initdb", "-D", f"{self._folder}/data", "-U", "tinsmith", "-A", "trust", "-E", "UTF8", "-N")
        self.start()

    def start(self) -> None:
        """Returns once the server answers."""
        self._process = self._spawned()
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self._address).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.02)
            if self._process.poll() is not None:  # processes of a killed server have not noticed yet
                self._process = self._spawned()

    def stop(self, signal: int = 3) -> None:
        """3 (SIGQUIT) ends it like a crash: connections break off, and it recovers at the next start.

        After 9 its other processes end when they notice.
        """
        if self._process is not None:
            self._process.send_signal(signal)
            self._process.wait(PATIENCE)
            self._process = None

    def remove(self) -> None:
        """The server and its folder."""
        self.stop()
        shutil.rmtree(self._folder)

    def database(self) -> str:
        """The URL of an empty database: the same one for every test, which takes a tenth of the time."""
        url = f"postgresql://tinsmith@/postgres?host={self._folder}"
        self.execute("DROP SCHEMA IF EXISTS public CASCADE")
        self.execute("CREATE SCHEMA public")
        return url

    def execute(self, statement: str) -> int:
        """One statement outside of a transaction; how many rows it has changed or found."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            return connection.execute(statement.encode()).rowcount

    @property
    def _address(self) -> str:
        return f"host={self._folder} user=tinsmith dbname=postgres"

    def _spawned(self) -> subprocess.Popen[bytes]:
        options = (part for each in FOR_SPEED for part in ("-c", each))
        where = "-D", f"{self._folder}/data", "-k", str(self._folder), "-c", "listen_addresses="
        command = *self._as_user, self._program("postgres"), *where, *options
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd="/")

    def _program(self, name: str) -> str:
        return str(self._programs / name)

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as_user, self._program(name), *arguments], capture_output=True, text=True, cwd="/"
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a process."""
    if not INSTALLED:
        missing = "PostgreSQL is not installed: sh tools/system-packages.sh postgresql"
        (pytest.fail if os.environ.get("TINSMITH_CI") else pytest.skip)(missing)
    server = Postgres(INSTALLED[-1])
    yield server
    server.remove()


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
