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

MAX_THREADS = 256


def load(path: str | os.PathLike[str], threads: int | None = None) -> Model:
    """Loads the compiled model in the tarball or folder at `path`.

    Of a folder nothing is read but the manifest: the system maps the library, and its weights, as they are
    used. A tarball is unpacked first, which takes as long as decompressing it takes, into a private temporary
    folder that is removed at once (on Windows when the model is no longer used).
    `threads`, 1 to 256, limits the threads of one `run`; without it TINSMITH_NUM_THREADS does, or the number
    of CPUs. All models of one folder share a limit. Raises ArtifactError when the artifact is damaged or not
    for this machine, and ValueError when the limit is none, or settled to another one.
    """
    location = Path(path)
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise ValueError(f"threads: expected 1 to {MAX_THREADS}, found {threads}")
    if location.is_dir():
        manifest = read_manifest(location)
        return _open(location / manifest.library, manifest, threads)
    folder = Path(tempfile.mkdtemp(prefix="tinsmith-"))
    try:
        manifest, library = unpack(location, folder)
        model = _open(library, manifest, threads)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if sys.platform == "win32":  # where files in use cannot go
        weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return model


def _open(path: Path, manifest: Manifest, threads: int | None) -> Model:
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
        model = _bind(native, manifest)
        _limit_threads(native, threads)
    except BaseException as error:
        _unload(native._handle)
        if isinstance(error, AttributeError):
            raise ArtifactError(f"{path}: not a compiled model: {error}") from None
        if isinstance(error, ArtifactError):
            raise ArtifactError(f"{path}: {error}") from None
        raise
    weakref.finalize(model, _unload, native._handle).atexit = False
    return model


def _bind(native: ctypes.CDLL, manifest: Manifest) -> Model:
    abi = native.tinsmith_abi_version()
    if abi != manifest.abi:
        raise ArtifactError(f"ABI {abi}, its manifest says {manifest.abi}")
    kind = NetworkModel if hasattr(native, "tinsmith_run") else TreeModel
    return kind(manifest, native)


def _limit_threads(native: ctypes.CDLL, threads: int | None) -> None:
    """Before the first call, which settles the limit."""
    if threads is None:
        return
    if not hasattr(native, "tinsmith_set_threads"):  # compiled before there was one
        os.environ["TINSMITH_NUM_THREADS"] = str(threads)
    elif native.tinsmith_set_threads(threads):
        raise ValueError(f"threads: the library runs already, and its limit is not {threads}")


def _unload(handle: int) -> None:
    """Of a model that nobody can run any more. At exit the system does it, after all threads."""
    if sys.platform == "win32":
        _ctypes.FreeLibrary(handle)
    else:
        _ctypes.dlclose(handle)
