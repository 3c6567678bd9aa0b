"""Finds the library of an artifact and makes a model of it."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import shutil
import sys
import tempfile
import weakref
from pathlib import Path

from .artifact import read_manifest, unpack
from .errors import ArtifactError
from .manifest import ABI, Manifest
from .model import Model
from .networks import NetworkModel
from .trees import TreeModel


def load(path: str | os.PathLike[str], threads: int | None = None) -> Model:
    """Loads the compiled model in the tarball or folder at `path`.

    Of a folder nothing is read but the manifest: the system maps the library, and its weights, as they are
    used. A tarball is unpacked first, which takes as long as decompressing it takes, into a private temporary
    folder that is removed at once (on Windows when the model is no longer used).
    `threads` limits the threads of one `run`; it sets TINSMITH_NUM_THREADS, which all models of this process
    share. Raises ArtifactError when the artifact is damaged or not for this machine.
    """
    location = Path(path)
    if threads is not None:
        if threads < 1:
            raise ValueError(f"threads: expected at least 1, found {threads}")
        os.environ["TINSMITH_NUM_THREADS"] = str(threads)
    if location.is_dir():
        manifest = read_manifest(location)
        return _open(location / manifest.library, manifest)
    folder = Path(tempfile.mkdtemp(prefix="tinsmith-"))
    try:
        manifest, library = unpack(location, folder)
        model = _open(library, manifest)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if sys.platform == "win32":  # where files in use cannot go
        weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return model


def _open(path: Path, manifest: Manifest) -> Model:
    """The library at `path`, checked against its manifest; unloaded when nobody uses the model."""
    if manifest.abi != ABI:
        raise ArtifactError(f"{path}: its library has ABI {manifest.abi}, this package runs ABI {ABI}")
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
        model = kind(manifest, native)
    except AttributeError as error:
        raise ArtifactError(f"{path}: not a compiled model: {error}") from None
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from None
    weakref.finalize(model, _unload, native._handle).atexit = False
    return model


def _unload(handle: int) -> None:
    """Of a model that nobody can run any more. At exit the system does it, after all threads."""
    if sys.platform == "win32":
        _ctypes.FreeLibrary(handle)
    else:
        _ctypes.dlclose(handle)
