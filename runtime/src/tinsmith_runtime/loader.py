"""Finds the library of an artifact and makes a model of it."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
import weakref
from pathlib import Path

from .artifact import read_manifest, unpack_library
from .errors import ArtifactError
from .manifest import ABI, Manifest
from .model import Model
from .networks import NetworkModel
from .trees import TreeModel


def load(path: str | os.PathLike[str], threads: int | None = None) -> Model:
    """Loads the compiled model in the tarball or folder at `path`.

    `threads` limits the threads of one `run`; it sets TINSMITH_NUM_THREADS, which all models of this process
    share. A tarball's library is unpacked to a private temporary folder that goes away with the model.
    Raises ArtifactError when the artifact is damaged or not for this machine.
    """
    location = Path(path)
    manifest = read_manifest(location)
    if manifest.abi != ABI:
        raise ArtifactError(f"{location}: its library has ABI {manifest.abi}, this package runs ABI {ABI}")
    if threads is not None:
        if threads < 1:
            raise ValueError(f"threads: expected at least 1, found {threads}")
        os.environ["TINSMITH_NUM_THREADS"] = str(threads)
    if location.is_dir():
        return _open(location / manifest.library, manifest)
    folder = Path(tempfile.mkdtemp(prefix="tinsmith-"))
    try:
        model = _open(unpack_library(location, folder), manifest)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
    return model


def _open(path: Path, manifest: Manifest) -> Model:
    """The library at `path`, checked against its manifest."""
    try:
        native = ctypes.CDLL(str(path.resolve()))
    except OSError as error:
        raise ArtifactError(
            f"{path}: compiled for {manifest.target.name}, does not load here: {error}"
        ) from None
    try:
        abi = native.tinsmith_abi_version()
        if abi != manifest.abi:
            raise ArtifactError(f"{path}: ABI {abi}, its manifest says {manifest.abi}")
        kind = NetworkModel if hasattr(native, "tinsmith_run") else TreeModel
        return kind(manifest, native)
    except AttributeError as error:
        raise ArtifactError(f"{path}: not a compiled model: {error}") from None
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from None
