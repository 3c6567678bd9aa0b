"""What a file that PyTorch saved is: read inertly, so that a refusal can say what to hand in instead."""

from __future__ import annotations

import json
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tinsmith.compiler.formats.folder import LFS_POINTER
from tinsmith.compiler.formats.pickle import load, load_from
from tinsmith.compiler.frontends.pytorch.pickled import advice, describe
from tinsmith.compiler.frontends.pytorch.traced import TracedInput, traced_inputs
from tinsmith.errors import ClientError

MAX_PICKLE = 256 << 20
"""Bytes of a pickle within an archive; the tensors lie outside of it."""
CHUNK = 1 << 20

_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_LEGACY_HEADERS = 3
"""Pickles in front of the object: the magic number, the protocol and what the machine was."""
_STARTS = {
    LFS_POINTER: "a Git LFS pointer, expected the model that it stands for",
    b"\x89HDF\r\n": "an HDF5 file: is it a Keras model? {again}",
    b"TFL3": "a TFLite model: {again}",
}
_AGAIN = "Please make sure the framework you select is correct"


@dataclass(frozen=True)
class Archive:
    """A file that the toolchain loads."""

    kind: Literal["torchscript", "program"]
    inputs: tuple[TracedInput, ...] | None = None
    """Those that a trace was made with, where the file tells."""


def open_archive(path: Path, place: str) -> Archive:
    """What the file `path`, called `place` in errors, is.

    Raises ClientError ("InputConfiguration") for what is not compiled, with what to hand in instead, and for
    files that are damaged.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if head[:2] == b"PK":
        with _opened(path, place) as archive:
            return _of_zip(archive, place)
    if not head:
        raise _refused(place, "the file is empty")
    if head.startswith(_LEGACY_MAGIC):
        raise _refused(place, _legacy(path.read_bytes(), place))
    if head[:1] == b"\x80":
        raise _refused(place, describe(load(path, place, external=True)) + advice(place))
    for start, text in _STARTS.items():
        if start in head[: len(start) + 4]:
            raise _refused(place, text.format(again=_AGAIN))
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < path.stat().st_size:
        raise _refused(place, "weights in the safetensors format, without the model's code" + advice(place))
    if tarfile.is_tarfile(path):
        raise _refused(place, _tarred(path) + advice(place))
    raise _refused(place, f"no file of PyTorch, or one that was cut or damaged. {_AGAIN}")


def _of_zip(archive: zipfile.ZipFile, place: str) -> Archive:
    names = set(archive.namelist())
    if "MAR-INF/MANIFEST.json" in names:
        raise _refused(place, _served(archive))
    root = _root(names)
    if f"{root}archive_format" in names or "serialized_exported_program.json" in names:
        return Archive("program")
    code = [name for name in names if name.startswith(f"{root}code/") and name.endswith(".py")]
    if (f"{root}constants.pkl" in names and code) or f"{root}model.json" in names:
        traced = f"{root}traced_inputs.pkl"
        inputs = traced_inputs(_member(archive, traced, place), place) if traced in names else None
        return Archive("torchscript", inputs)
    if f"{root}bytecode.pkl" in names:
        text = "a mobile module (bytecode for PyTorch's lite interpreter) without its code: hand in the "
        raise _refused(place, text + "TorchScript module that _save_for_lite_interpreter was called on")
    if f"{root}data.pkl" in names:
        held = load(_member(archive, f"{root}data.pkl", place), f"{place}: data.pkl", external=True)
        raise _refused(place, describe(held) + advice(place))
    listed = ", ".join(sorted(names)[:5])
    raise _refused(place, f"a zip archive that PyTorch did not save ({listed}). {_AGAIN}")


def _root(names: set[str]) -> str:
    """The folder that everything in an archive lies in, with its slash."""
    roots = {name.partition("/")[0] for name in names}
    return f"{roots.pop()}/" if len(roots) == 1 and all("/" in name for name in names) else ""


@contextmanager
def _opened(path: Path, place: str) -> Iterator[zipfile.ZipFile]:
    """The archive, every byte of it checked against the checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                _check(archive, item, place)
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
        raise _refused(place, f"cut or damaged: {error}") from error


def _check(archive: zipfile.ZipFile, item: zipfile.ZipInfo, place: str) -> None:
    if item.flag_bits & 1:
        raise _refused(place, f"{item.filename} is encrypted")
    with archive.open(item) as member:
        while member.read(CHUNK):
            pass


def _member(archive: zipfile.ZipFile, name: str, place: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > MAX_PICKLE:
        raise _refused(place, f"{name} has {size} bytes, expected at most {MAX_PICKLE}")
    return archive.read(name)


def _served(archive: zipfile.ZipFile) -> str:
    try:
        model: Any = json.loads(archive.read("MAR-INF/MANIFEST.json"))["model"]
        inside = str(model["serializedFile"])[:200]
    except (ValueError, KeyError, TypeError):
        inside = "the serialized file"
    return f"an archive of TorchServe: hand in {inside} from it, if that is a TorchScript module"


def _legacy(data: bytes, place: str) -> str:
    position = 0
    for _ in range(_LEGACY_HEADERS):
        _, position = load_from(data, position, place)
    return describe(load_from(data, position, place)[0]) + ", saved before PyTorch 1.6" + advice(place)


def _tarred(path: Path) -> str:
    try:
        with tarfile.open(path) as archive:
            names = archive.getnames()
    except (tarfile.TarError, OSError, EOFError) as error:
        return f"a tar archive that is cut or damaged ({error})"
    if {"storages", "tensors", "pickle"} <= set(names):
        return "tensors in the format of PyTorch 0.1, without the model's code"
    return f"a tar archive ({', '.join(names[:5])}), expected a TorchScript file"


def _refused(place: str, text: str) -> ClientError:
    return ClientError("InputConfiguration", f"{place}: {text}")
