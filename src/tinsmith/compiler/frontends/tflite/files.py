"""Find the one .tflite file among the customer's files and read its FlatBuffer."""

from __future__ import annotations

import mmap
from pathlib import Path

from tinsmith.compiler.formats.flatbuffer import FlatbufferError, root
from tinsmith.compiler.formats.folder import LFS_POINTER, customer_files, first_names
from tinsmith.compiler.frontends.tflite.model import Model
from tinsmith.compiler.frontends.tflite.read import read_model
from tinsmith.compiler.shaping.findings import Findings
from tinsmith.errors import ClientError

IDENTIFIER = b"TFL3"
SUFFIXES = (".tflite", ".lite")


def find_model(directory: Path) -> Path:
    """The one TFLite file under `directory`; `code/`, hidden files and links are left alone.

    Without a file of the suffix, the one file that starts as TFLite files do. Raises ClientError when there
    is none or more than one.
    """
    files = customer_files(directory)
    models = [path for path in files if path.suffix.lower() in SUFFIXES] or list(filter(_is_tflite, files))
    if len(models) == 1:
        return models[0]
    listed = models or files
    named = first_names(listed, directory)
    if models:
        found = f"found {len(models)}: {named}"
    else:
        found = f"found none among: {named}" if files else "found no file at all"
    raise ClientError(
        "InputConfiguration", f"Exactly one .tflite file is allowed for TFLite models; {found}."
    )


def parse(path: Path, place: str) -> Model:
    """The model that the file `path`, called `place` in errors, holds.

    Raises ClientError ("InputConfiguration") for what is no TFLite model or contradicts itself.
    """
    if not path.stat().st_size:
        raise ClientError("InputConfiguration", f"{place}: an empty file, expected a TFLite model")
    with path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if bytes(data[: len(LFS_POINTER)]) == LFS_POINTER:
        text = f"{place}: a Git LFS pointer, expected the TFLite model that it stands for"
        raise ClientError("InputConfiguration", text)
    findings = Findings(place)
    try:
        model = read_model(root(data, IDENTIFIER), data, findings)
    except FlatbufferError as error:
        text = f"{place}: no TFLite model, or one that was cut or damaged: {error}"
        raise ClientError("InputConfiguration", text) from error
    findings.stop()
    return model


def _is_tflite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] == IDENTIFIER
