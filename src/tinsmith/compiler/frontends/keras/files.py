"""Find the one Keras model among the customer's files, by content."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tinsmith.compiler.formats.folder import customer_files, first_names
from tinsmith.compiler.frontends.keras.hdf5 import SIGNATURE
from tinsmith.errors import ClientError

_SUFFIXES = frozenset({".h5", ".hdf5", ".keras", ".hdf"})
_ZIP = b"PK\x03\x04"


def find_model(directory: Path) -> Path:
    """The one file under `directory` that is HDF5 or a .keras archive; `code/`, hidden files and links are
    left alone.

    Raises ClientError when there is none or more than one.
    """
    files = customer_files(directory)
    models = [path for path in files if kind(path)] or [
        path for path in files if path.suffix.lower() in _SUFFIXES
    ]
    if len(models) == 1:
        return models[0]
    names = first_names(models or files, directory)
    if models:
        raise ClientError(
            "InputConfiguration", f"Multiple h5 files provided, {names}, when only one is allowed"
        )
    saved = next((path for path in files if path.name in ("saved_model.pb", "keras_metadata.pb")), None)
    if saved is not None:
        text = (
            f"No h5 file provided in the input: {saved.relative_to(directory).as_posix()} is a SavedModel; "
            "compile it with the framework TENSORFLOW,"
            " or save it again by model.save('model.keras') or as .h5"
        )
        raise ClientError("InputConfiguration", text)
    found = names or "no file at all"
    text = f"No h5 file provided in the input; found {found}, expected one .h5 or .keras file"
    raise ClientError("InputConfiguration", text)


def kind(path: Path) -> str | None:
    """ "hdf5", "zip", or None for what is neither."""
    with path.open("rb") as stream:
        head = stream.read(8)
    if head == SIGNATURE:
        return "hdf5"
    if not head.startswith(_ZIP):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return "zip" if "config.json" in archive.namelist() or path.suffix.lower() == ".keras" else None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return "zip" if path.suffix.lower() in _SUFFIXES else None
