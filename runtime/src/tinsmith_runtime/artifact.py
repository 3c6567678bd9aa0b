"""Finds the manifest and the library of an artifact, packed or unpacked."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

from .errors import ArtifactError
from .manifest import FILE_NAME, Manifest

_DAMAGE = (OSError, EOFError, tarfile.TarError, zlib.error)


def read_manifest(path: Path) -> Manifest:
    """The manifest of the tarball or folder at `path`. Raises ArtifactError."""
    if path.is_dir():
        return _read_folder(path)
    with _open_tarball(path) as archive:
        return _read_member(archive, path)


def unpack_library(path: Path, folder: Path) -> Path:
    """Writes the compiled library of the tarball at `path` into `folder` and returns its path.

    Nothing else is unpacked, and the file's name is ours, so no name inside the archive can lead outside
    `folder`. Raises ArtifactError.
    """
    with _open_tarball(path) as archive:
        name = _read_member(archive, path).library
        destination = folder / f"compiled{Path(name).suffix}"
        destination.write_bytes(_content(archive, name, path))
    return destination


def _read_folder(folder: Path) -> Manifest:
    try:
        return Manifest.from_json((folder / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{folder}: no file named '{FILE_NAME}'; not a compiled artifact") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{folder / FILE_NAME}: {error}") from None


def _open_tarball(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path, "r:gz")
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file or folder") from None
    except _DAMAGE as error:
        raise ArtifactError(f"{path}: not a gzip-compressed tar archive: {error}") from None


def _read_member(archive: tarfile.TarFile, path: Path) -> Manifest:
    return Manifest.from_json(_content(archive, FILE_NAME, path).decode("utf-8", "replace"))


def _content(archive: tarfile.TarFile, name: str, path: Path) -> bytes:
    try:
        for member in archive:
            if member.name in (name, f"./{name}") and member.isfile():
                source = archive.extractfile(member)
                if source is not None:
                    with source:
                        return source.read()
    except _DAMAGE as error:
        raise ArtifactError(f"{path}: damaged archive: {error}") from None
    raise ArtifactError(f"{path}: no file named '{name}' inside; not a compiled artifact")
