"""Reads a finished artifact without executing it."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tinsmith.compiler.artifact.archive import file_digest
from tinsmith.errors import ClientError
from tinsmith_runtime import ArtifactError, Manifest
from tinsmith_runtime.artifact import read_manifest

_PIECE = 1 << 20


@dataclass(frozen=True)
class Inspection:
    """What an artifact says about itself, and whether its files are those that it was packed with."""

    digest: str
    """BLAKE2b-512 of the tarball, hex."""
    manifest: Manifest
    files: dict[str, int]
    """Name -> bytes, in the order of the archive."""
    changed: tuple[str, ...]
    """Files that the manifest does not list, lists with another digest, or that are missing."""


def inspect(tarball: Path) -> Inspection:
    """Raises ClientError InputConfiguration when `tarball` is no artifact."""
    try:
        manifest = read_manifest(tarball)
        content = read_files(tarball)
    except ArtifactError as error:
        raise ClientError("InputConfiguration", str(error)) from None
    found = {name: file_digest(data) for name, data in content.items() if name != "manifest"}
    changed = {
        name for name in found.keys() | manifest.files.keys() if found.get(name) != manifest.files.get(name)
    }
    sizes = {name: len(data) for name, data in content.items()}
    return Inspection(file_digest(tarball), manifest, sizes, tuple(sorted(changed)))


def unpack(tarball: Path, names: Collection[str], folder: Path) -> None:
    """Writes the files `names` in `tarball` into `folder`. Raises ClientError InputConfiguration when one is
    missing, or the archive is damaged."""
    missing = set(names)
    try:
        with tarfile.open(tarball, "r|gz") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                source = archive.extractfile(member) if name in missing and member.isfile() else None
                if source is not None:
                    with source, (folder / name).open("wb") as sink:
                        shutil.copyfileobj(source, sink, _PIECE)
                    missing.remove(name)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ClientError("InputConfiguration", f"{tarball.name}: damaged archive: {error}") from None
    if missing:
        raise ClientError("InputConfiguration", f"{tarball.name} lacks {', '.join(sorted(missing))}")


def read_files(tarball: Path) -> dict[str, bytes]:
    """Every regular file in `tarball`, by name. Raises ClientError InputConfiguration when it is damaged."""
    files = {}
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for member in archive:
                source = archive.extractfile(member) if member.isfile() else None
                if source is not None:
                    files[member.name.removeprefix("./")] = source.read()
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ClientError("InputConfiguration", f"{tarball.name}: damaged archive: {error}") from None
    return files
