"""Find the one model file among the customer's files, by content."""

from __future__ import annotations

from pathlib import Path

from tinsmith.compiler.formats.compression import CompressionError, decompress, kind
from tinsmith.compiler.formats.pickle import looks_like
from tinsmith.errors import ClientError

SUFFIXES = {".pkl", ".pickle", ".joblib", ".sav"}
COMPRESSED = {".gz", ".z", ".bz2", ".xz", ".lzma", ".lz4"}
SNIFFED = 1 << 30
"""Bytes that a compressed file with another suffix may unpack to before it is taken for something else."""
SHOWN = 20


def find_model(directory: Path) -> Path:
    """The one pickle or joblib file under `directory`, compressed or not.

    Files are recognised by suffix or content. `code/` (the inference script and what it needs) and
    hidden files are left alone. Raises ClientError when there is none or more than one.
    """
    files = [
        path for path in sorted(directory.rglob("*")) if path.is_file() and not _ignored(path, directory)
    ]
    models = [path for path in files if _is_pickle(path)]
    if len(models) == 1:
        return models[0]
    shown = ", ".join(str(path.relative_to(directory)) for path in (models or files)[:SHOWN])
    if models:
        found = f"found {len(models)}: {shown}"
    else:
        found = f"found none among: {shown}" if files else "found no file at all"
    raise ClientError(
        "InputConfiguration",
        "Exactly one .pkl or .joblib file is allowed for SKLEARN model. Please make sure the framework you "
        f"select is correct: expected one model file (.pkl or .joblib) in the archive, {found}",
    )


def _ignored(path: Path, directory: Path) -> bool:
    parts = path.relative_to(directory).parts
    return parts[0] in ("code", "__MACOSX") or any(part.startswith(".") for part in parts)


def _is_pickle(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    if suffixes and suffixes[-1] in SUFFIXES:
        return True
    with path.open("rb") as file:
        head = file.read(16)
    if looks_like(head):
        return True
    if kind(head) is None:
        return False
    try:
        return looks_like(decompress(path.read_bytes(), SNIFFED))
    except CompressionError:
        return False
