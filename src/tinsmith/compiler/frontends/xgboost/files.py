"""Find the one model among the customer's files, by content."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinsmith.compiler.formats import pickle
from tinsmith.compiler.formats.compression import kind as compression
from tinsmith.compiler.formats.pickle import Record
from tinsmith.compiler.frontends.xgboost import binary
from tinsmith.compiler.frontends.xgboost.document import read_json, read_ubjson
from tinsmith.compiler.frontends.xgboost.saved import Saved
from tinsmith.errors import ClientError

INVALID = "Invalid XGBoost model. Please make sure the framework you select is correct: "
_SNIFFED = 4096  # bytes; every format shows itself in fewer
_USER_FILES = frozenset({"hyperparams.json", "model-shapes.json"})
_USER_SUFFIXES = frozenset({".py", ".pyc", ".md", ".txt", ".csv", ".html", ".sh", ".toml", ".yaml", ".yml"})
_CONFIG_MARK = b"CONFIG-offset:"  # of boosters pickled by 1.0 to 1.x: the model, then its configuration
_BASE64 = b"bs64"
_PARSERS = {"json": read_json, "ubjson": read_ubjson, "binary": binary.read_binary}


def find(directory: Path) -> Path:
    """The one file under `directory` that holds an XGBoost model. Scripts and documents are passed over.

    Raises ClientError ("InputConfiguration"), naming all files, when there is none or more than one.
    """
    files = list(_candidates(directory))
    models = [path for path in files if _holds_model(path)]
    if len(models) == 1:
        return models[0]
    named = ", ".join(str(path.relative_to(directory)) for path in (models or files)[:20]) or "no files"
    if models:
        text = (
            "Exactly one model file is allowed for XGBoost model: expected one XGBoost model, found "
            f"{len(models)}: {named}."
        )
    else:
        formats = "JSON, UBJSON, binary or pickle"
        text = f"{INVALID}no XGBoost model ({formats}) among the input files; found {named}."
    raise ClientError("InputConfiguration", text)


def parse(data: bytes, place: str) -> Saved:
    """The model in `data`, of any format. Raises ClientError."""
    if data.startswith(_BASE64):
        text = f"{place}: the base64 model format of XGBoost before 0.7 is not read; save it again."
        raise ClientError("InputConfiguration", text)
    if sniff(data) is None and not data.startswith(_CONFIG_MARK):
        data = _raw_booster(pickle.load(data, place), place)
    if data.startswith(_CONFIG_MARK):
        data = _without_configuration(data, place)
    found = sniff(data)
    if found is None:
        text = f"{place}: {INVALID}the Booster holds {len(data)} bytes that are no model of a known format."
        raise ClientError("InputConfiguration", text)
    return _PARSERS[found](data, place)


def sniff(data: bytes) -> str | None:
    """A key of `_PARSERS`, or None for anything else."""
    head = data[:_SNIFFED].lstrip()
    if head.startswith(b"{"):
        after = head[1:].lstrip()[:1]
        if after == b'"':
            return "json"
        return "ubjson" if after and after in b"iUIlL#$" else None
    return "binary" if binary.looks_like(data[:_SNIFFED]) else None


def _candidates(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory).parts
        hidden = any(part.startswith(".") for part in parts) or "__MACOSX" in parts
        ignored = path.name in _USER_FILES or path.suffix.lower() in _USER_SUFFIXES
        if path.is_file() and not path.is_symlink() and parts[0] != "code" and not hidden and not ignored:
            yield path


def _holds_model(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(_SNIFFED)
        found = sniff(head)
        if found == "binary" or head.startswith((_CONFIG_MARK, _BASE64)) or compression(head):
            return True
        if found:
            return _contains(head, stream, b"learner")
        return (pickle.looks_like(head) or head[:1] in b"c(") and b"xgboost" in head


def _contains(head: bytes, stream: Any, word: bytes) -> bool:
    """Whether the file has `word`: the configuration of a serialised Booster may come before its model."""
    while head:
        if word in head:
            return True
        more = stream.read(1 << 20)
        head = head[-len(word) :] + more if more else b""
    return False


def _without_configuration(data: bytes, place: str) -> bytes:
    start = len(_CONFIG_MARK) + 8
    size = struct.unpack("<q", data[len(_CONFIG_MARK) : start])[0] if len(data) >= start else -1
    if not 0 < size <= len(data) - start:
        text = f"{place}: a pickled Booster of {len(data)} bytes announces a model of {size} bytes."
        raise ClientError("InputConfiguration", text)
    return data[start : start + size]


def _raw_booster(value: Any, place: str) -> bytes:
    """The serialised model inside a pickled Booster or a pickled XGBClassifier, XGBRegressor, XGBRanker."""
    booster = value
    if isinstance(value, Record) and value.name.startswith("xgboost.") and "_Booster" in value.fields:
        booster = value.fields["_Booster"]
    if isinstance(booster, Record) and booster.name == "xgboost.core.Booster":
        raw = booster.fields.get("handle")
        if isinstance(raw, bytes | bytearray) and raw:
            return bytes(raw)
        raise ClientError("InputConfiguration", f"{place}: the pickled Booster holds no trained model.")
    found = value.name if isinstance(value, Record) else type(value).__name__
    expected = "a pickled xgboost Booster, XGBClassifier or XGBRegressor"
    text = f"{place}: {INVALID}expected {expected}, found {found:.100}."
    raise ClientError("InputConfiguration", text)
