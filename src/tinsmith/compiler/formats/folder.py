"""The customer's files: which of them may be the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SHOWN_FILES = 20
LFS_POINTER = b"version https://git-lfs"
"""How a file begins that Git LFS left in place of another."""


def customer_files(directory: Path) -> list[Path]:
    """The files under `directory` in the order of their paths, without `code/`, hidden files and links."""
    return [
        path
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.is_symlink() and not _ignored(path.relative_to(directory).parts)
    ]


def named(files: Sequence[Path], directory: Path) -> str:
    """How errors list `files`."""
    names = first_names(files, directory)
    more = f" and {len(files) - SHOWN_FILES} more" if len(files) > SHOWN_FILES else ""
    return names + more or "no file at all"


def first_names(files: Sequence[Path], directory: Path) -> str:
    """The first SHOWN_FILES of `files`."""
    return ", ".join(path.relative_to(directory).as_posix() for path in files[:SHOWN_FILES])


def _ignored(parts: tuple[str, ...]) -> bool:
    return parts[0] in ("code", "__MACOSX") or any(part.startswith(".") for part in parts)
