"""Finds the manifest and the library of an artifact, packed or unpacked."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import ArtifactError
from .manifest import FILE_NAME, Manifest

_DAMAGE = (gzip.BadGzipFile, EOFError, tarfile.TarError, zlib.error)
_LIBRARIES = (".so", ".dll")
_BLOCK = 1 << 20


def read_manifest(path: Path) -> Manifest:
    """The manifest of the tarball or folder at `path`. Raises ArtifactError."""
    if path.is_dir():
        return _read_folder(path)
    with _members(path) as members:
        for name, source in members:
            if name == FILE_NAME:
                return _parse(source)
    raise _missing(path, FILE_NAME)


def unpack(path: Path, folder: Path) -> tuple[Manifest, Path]:
    """The manifest of the tarball at `path`, and its compiled library, unpacked into `folder`.

    Reads the archive once, to its check sum at the end. Nothing else stays in `folder`, and the file's name
    is ours, so no name inside the archive can lead outside. Raises ArtifactError.
    """
    manifest = None
    libraries: dict[str, Path] = {}
    with _members(path) as members:
        for name, source in members:  # the manifest, which names the library, may come last
            if name == FILE_NAME:
                manifest = _parse(source)
            elif name.endswith(_LIBRARIES):
                libraries[name] = folder / f"{len(libraries)}{Path(name).suffix}"
                with libraries[name].open("wb") as sink:
                    shutil.copyfileobj(source, sink, _BLOCK)
    if manifest is None:
        raise _missing(path, FILE_NAME)
    chosen = libraries.pop(manifest.library, None)
    if chosen is None:
        raise _missing(path, manifest.library)
    for other in libraries.values():
        other.unlink()
    return manifest, chosen.rename(folder / f"compiled{chosen.suffix}")


def _read_folder(folder: Path) -> Manifest:
    try:
        return Manifest.from_json((folder / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{folder}: no file named '{FILE_NAME}'; not a compiled artifact") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{folder / FILE_NAME}: {error}") from None


@contextmanager
def _members(path: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """The regular files of the tarball at `path`, name and content, in their order."""
    try:
        packed = gzip.open(path)  # noqa: SIM115
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file or folder") from None
    except OSError as error:
        raise ArtifactError(f"{path}: {error}") from None
    try:
        with packed:
            yield _walk(packed)
    except _DAMAGE as error:
        raise ArtifactError(f"{path}: not a gzip-compressed tar archive, or damaged: {error}") from None
    except OSError as error:
        raise ArtifactError(f"{path}: {error}") from None


def _walk(packed: gzip.GzipFile) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=packed, mode="r|", bufsize=_BLOCK) as archive:
        for member in archive:
            source = archive.extractfile(member) if member.isfile() else None
            if source is not None:
                yield member.name.removeprefix("./"), source
    while packed.read(_BLOCK):  # at whose end the check sum is compared
        pass


def _parse(source: IO[bytes]) -> Manifest:
    return Manifest.from_json(source.read().decode("utf-8", "replace"))


def _missing(path: Path, name: str) -> ArtifactError:
    return ArtifactError(f"{path}: no file named '{name}' inside; not a compiled artifact")
