"""Frameworks that compile models or answer for them, each in an environment of its own.

They are installed on demand (`tinsmith toolchain install NAME`) next to the Python that Tinsmith runs in,
where the sandbox of a job can read but not write them.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

LOCKS = Path(__file__).parent
READY = "ready.json"
"""Written last: an environment without it was interrupted."""


@dataclass(frozen=True)
class Toolchain:
    """What can be installed."""

    name: str
    frameworks: tuple[str, ...]
    """Of the API."""
    purpose: str
    needed: bool = False
    """Models of `frameworks` are not compiled without it. Otherwise it only gives the framework's own
    answers, which verification compares with."""

    @property
    def lock(self) -> Path:
        """Requirements with exact versions, of everything in the environment."""
        return LOCKS / f"{self.name}.lock"

    @property
    def folder(self) -> Path:
        """The environment, installed or not."""
        return Path(sys.prefix) / "share" / "tinsmith" / "toolchains" / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def installed(self) -> dict[str, str] | None:
        """Versions by package; None where it is not installed, or by another lock."""
        try:
            found = json.loads((self.folder / READY).read_text())
        except (OSError, ValueError):
            return None
        return found["versions"] if found.get("lock") == self.lock.read_text() else None


TOOLCHAINS = {
    toolchain.name: toolchain
    for toolchain in (
        Toolchain("pytorch", ("PYTORCH",), "reads TorchScript and exported programs", needed=True),
        Toolchain("tensorflow", ("KERAS", "TENSORFLOW"), "answers for TensorFlow and Keras models"),
        Toolchain("tflite", ("TFLITE",), "answers for TFLite models"),
    )
}
