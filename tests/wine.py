"""Windows' own loader, which is Wine's, with a registry and drives of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TRIES = 3
"""Of making a prefix: on a busy machine Wine once did not find in it what it had just put there."""


@dataclass(frozen=True)
class Wine:
    """Runs Windows programs."""

    program: str
    environment: Mapping[str, str]

    def run(self, command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
        """`command`, of which the first word is a Windows program, in `folder`, to its end."""
        return subprocess.run(
            [self.program, *command], cwd=folder, env=self.environment, capture_output=True, check=False
        )


def wine() -> str | None:
    """The program, where it is installed."""
    return shutil.which("wine64") or shutil.which("wine")


@contextmanager
def windows(folder: Path, variables: Mapping[str, str]) -> Iterator[Wine]:
    """Wine with prefix and home in `folder`; programs see `variables`, too. Its server ends with the block.

    Raises AssertionError with Wine's words when no prefix can be made.
    """
    for number in range(TRIES):
        machine = Wine(wine() or "wine", {**_environment(folder / f"prefix-{number}"), **variables})
        try:
            booted = machine.run(["wineboot", "--init"], folder)
            if booted.returncode == 0:
                yield machine
                return
        finally:
            subprocess.run(["wineserver", "-k"], env=machine.environment, capture_output=True, check=False)
    raise AssertionError(f"wineboot: exit status {booted.returncode}: {booted.stderr.decode()}")


def _environment(prefix: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(prefix.parent),
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=",
    }
