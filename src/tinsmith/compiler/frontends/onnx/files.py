"""Find the one .onnx file among the customer's files and read its protobuf message."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]

from tinsmith.compiler.formats.folder import LFS_POINTER, customer_files, first_names
from tinsmith.compiler.shaping.findings import shown
from tinsmith.compiler.shaping.graphs import VERSIONED, opset_versions
from tinsmith.errors import ClientError

MAX_BYTES = 2**31 - 1
"""The largest protobuf message; bigger models keep their weights in files of external data."""


def find_model(directory: Path) -> Path:
    """The one .onnx file under `directory`; `code/`, hidden files and links are left alone.

    Raises ClientError when there is none or more than one.
    """
    files = customer_files(directory)
    models = [path for path in files if path.suffix.lower() == ".onnx"]
    if len(models) == 1:
        return models[0]
    listed = models or files
    named = first_names(listed, directory)
    if models:
        found = f"found {len(models)}: {named}"
    else:
        found = f"found none among: {named}" if files else "found no file at all"
    raise ClientError("InputConfiguration", f"Exactly one .onnx file is allowed for ONNX models; {found}.")


def parse(path: Path, place: str) -> onnx.ModelProto:
    """The model that the file `path`, called `place` in errors, holds; its domain "ai.onnx" is spelled "".

    Raises ClientError for what is no ONNX model or has a version that is not known.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        text = f"{place}: {size} bytes, at most {MAX_BYTES} are possible; save the weights as external data"
        raise ClientError("InputConfiguration", text)
    model = onnx.ModelProto()
    if size:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content[: len(LFS_POINTER)] == LFS_POINTER:
                text = f"{place}: a Git LFS pointer, expected the ONNX model that it stands for"
                raise ClientError("InputConfiguration", text)
            _decode(model, content, place)
    if not _is_text(model):
        text = f"{place}: damaged: a name in the protobuf message is no UTF-8 text"
        raise ClientError("InputConfiguration", text)
    problems = _version_problems(model)
    if problems:
        raise ClientError("InputConfiguration", [f"{place}: {problem}" for problem in problems])
    return model


def _decode(model: onnx.ModelProto, content: mmap.mmap, place: str) -> None:
    view = memoryview(content)
    try:
        model.ParseFromString(view)
    except DecodeError as error:
        text = f"{place}: no ONNX model, or one that was cut or damaged: the protobuf message does not parse"
        raise ClientError("InputConfiguration", text) from error
    finally:
        view.release()


def _is_text(message: Message) -> bool:
    """Whether all strings in `message` are text: the protobuf library gives others as bytes."""
    for field, value in message.ListFields():
        values = [value] if isinstance(value, str | bytes | Message) else value
        if field.message_type is not None:
            if not all(map(_is_text, values)):
                return False
        elif field.type == field.TYPE_STRING and any(isinstance(each, bytes) for each in values):
            return False
    return True


def _version_problems(model: onnx.ModelProto) -> list[str]:
    if not model.HasField("graph"):
        return ["no ONNX model: the file holds no graph"]
    problems = []
    if not 3 <= model.ir_version <= onnx.IR_VERSION:
        problems.append(
            f"Incompatible ONNX model: ir_version is {model.ir_version}, expected 3 to {onnx.IR_VERSION}"
        )
    for scope, imports in _opset_imports(model):
        versions = opset_versions(imports)
        if not versions:
            problems.append(f"{scope}: opset_import is empty, expected the version of ai.onnx")
        problems += [
            f"Incompatible ONNX model: {scope}: opset_import of {VERSIONED[domain]} is {version}, "
            f"expected at most {newest}"
            for domain, version in versions.items()
            if domain in VERSIONED
            for newest in [_newest(domain)]
            if not 1 <= version <= newest
        ]
    return problems


def _opset_imports(model: onnx.ModelProto) -> list[tuple[str, Iterable[onnx.OperatorSetIdProto]]]:
    functions = [(f"function {shown(f.name)}", f.opset_import) for f in model.functions]
    return [("the model", model.opset_import), *functions]


def _newest(domain: str) -> int:
    return onnx.defs.onnx_ml_opset_version() if domain == "ai.onnx.ml" else onnx.defs.onnx_opset_version()
