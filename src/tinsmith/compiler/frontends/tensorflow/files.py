"""Which of the customer's files is the model, and what kind it is."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tinsmith.compiler.formats.folder import customer_files, first_names
from tinsmith.compiler.frontends.tensorflow.messages import GraphDef, Message, SavedModel
from tinsmith.errors import ClientError

MAX_BYTES = 2**31 - 1
"""The largest protobuf message."""
MAX_TEXT = 256 << 20
_ASSETS = "assets"
_SAVED = ("saved_model.pb", "saved_model.pbtxt")


@dataclass(frozen=True)
class Files:
    """The model among the customer's files."""

    path: Path
    is_saved_model: bool
    index: Path | None = None
    """Of the variables of a SavedModel."""


def find_model(directory: Path) -> Files:
    """The frozen graph or the SavedModel under `directory`; `code/`, hidden files and links are left alone.

    Raises ClientError when there is none or more than one.
    """
    files = [path for path in customer_files(directory) if path.relative_to(directory).parts[0] != _ASSETS]
    saved = [path for path in files if path.name in _SAVED]
    graphs = [
        path
        for path in files
        if path.suffix.lower() in (".pb", ".pbtxt")
        and path.name not in (*_SAVED, "fingerprint.pb", "keras_metadata.pb")
    ]
    if len(saved) == 1 and not graphs:
        index = saved[0].parent / "variables" / "variables.index"
        return Files(saved[0], True, index if index in files else None)
    if len(graphs) == 1 and not saved:
        return Files(graphs[0], False)
    listed = first_names([*saved, *graphs] or files, directory)
    found = (
        f"found {len(saved) + len(graphs)}: {listed}" if saved or graphs else f"found none among: {listed}"
    )
    raise ClientError(
        "InputConfiguration",
        "Exactly one .pb or .pbtxt file is allowed for TensorFlow models (a frozen graph, or the "
        f"saved_model.pb of a SavedModel with its variables); {found if files else 'found no file at all'}.",
    )


def parse(files: Files, place: str) -> Message:
    """The GraphDef or SavedModel of `files`, called `place` in errors; anything else raises ClientError."""
    size = files.path.stat().st_size
    if size > MAX_BYTES:
        raise ClientError("InputConfiguration", f"{place}: {size} bytes, at most {MAX_BYTES} are possible")
    message = SavedModel() if files.is_saved_model else GraphDef()
    if files.path.suffix.lower() == ".pbtxt":
        _read_text(message, files.path, place)
    elif size:
        _read_binary(message, files.path, place)
    _check(message, files, place)
    return message


def _read_binary(message: Message, path: Path, place: str) -> None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        view = memoryview(content)
        try:
            message.ParseFromString(view)
        except DecodeError as error:
            reason = f"the protobuf message does not parse: it was cut or damaged{_hint(path)}"
            raise _invalid(place, reason) from error
        finally:
            view.release()


def _read_text(message: Message, path: Path, place: str) -> None:
    if path.stat().st_size > MAX_TEXT:
        raise _invalid(place, f"more than {MAX_TEXT} bytes of text; save it as .pb")
    try:
        text_format.Parse(path.read_text("utf-8"), message, allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _invalid(place, f"the text does not parse: {str(error)[:200]}") from error


def _check(message: Message, files: Files, place: str) -> None:
    if files.is_saved_model and not message.meta_graphs:
        raise _invalid(place, "it holds no graph")
    if not files.is_saved_model and not message.node:
        raise _invalid(place, f"it holds no node{_hint(files.path)}")


def _hint(path: Path) -> str:
    """What to do with a SavedModel that has another name."""
    if path.name in _SAVED or path.suffix.lower() != ".pb":
        return ""
    saved = SavedModel()
    try:
        saved.ParseFromString(path.read_bytes())
    except DecodeError:
        return ""
    if not any(graph.graph_def.node for graph in saved.meta_graphs):
        return ""
    return "; it is a SavedModel: name it saved_model.pb and add its variables folder"


def _invalid(place: str, reason: str) -> ClientError:
    return ClientError(
        "InputConfiguration",
        f"{place}: No valid TensorFlow model found in input files. Please make sure the framework you select "
        f"is correct: {reason}",
    )
