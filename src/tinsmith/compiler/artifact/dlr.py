"""The DLR-compatible runtime library that every artifact carries."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.spec.targets import Target

SOURCES = ("dlr.c", "json.c", "message.c", "model.c", "network.c", "system.c", "trees.c")


def header() -> bytes:
    """dlr.h."""
    return (_folder() / "dlr.h").read_bytes()


def functions() -> tuple[str, ...]:
    """Every function that dlr.h declares."""
    return tuple(re.findall(r"^[a-z].*?\b(\w*DLR\w+)\(", header().decode(), re.MULTILINE))


def build_dlr(target: Target, output: Path) -> None:
    """Compiles the DLR library for `target`."""
    compile_and_link(
        [_folder() / name for name in SOURCES], target, output, kind="library", exports=functions()
    )


def _folder() -> Path:
    return Path(str(files("tinsmith_runtime"))) / "c"
