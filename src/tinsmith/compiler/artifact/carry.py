"""The customer's own files: which go into the artifact, and where."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

SET_ASIDE = "input"
"""Folder of the files that could not keep their place."""

_LOADER_SUFFIXES = (
    ".so",
    ".dll",
    ".dylib",
    ".json",
    ".params",
    ".meta",
    ".ro",
    ".pb",
    ".pbtxt",
    ".tflite",
    ".tensorrt",
)
_LOADER_IGNORES = ("model-shapes.json", "hyperparams.json")
"""DLR guesses the backend from the suffixes on the top level, but not from these names."""


@dataclass(frozen=True)
class Carried:
    """Where the customer's files go in the artifact."""

    files: dict[str, Path]
    """Name in the artifact -> file."""
    warnings: tuple[str, ...]


def carry(folder: Path, model_files: Collection[str], taken: Collection[str]) -> Carried:
    """Every file under `folder` but `model_files` (relative to it) keeps its path in the artifact.

    A file that would change what DLR loads, or whose path is one of `taken` (our own files; letter case and
    folders count as taken too), goes to `input/` instead, with a warning. Links and special files stay out.
    """
    reserved = {part.lower() for name in (*taken, SET_ASIDE) for part in (name, name.split("/")[0])}
    files: dict[str, Path] = {}
    warnings = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        name = relative.as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            warnings.append(f"{name}: not carried over: neither a file nor a folder")
        elif path.is_dir() or name in model_files:
            continue
        elif relative.parts[0].lower() in reserved:
            files[f"{SET_ASIDE}/{name}"] = path
            warnings.append(f"{name}: carried over as {SET_ASIDE}/{name}: the name belongs to the artifact")
        elif len(relative.parts) == 1 and _moves_loader(name):
            files[f"{SET_ASIDE}/{name}"] = path
            warnings.append(f"{name}: carried over as {SET_ASIDE}/{name}: DLR would take it for the model")
        else:
            files[name] = path
    return Carried(files, tuple(warnings))


def _moves_loader(name: str) -> bool:
    return name.lower().endswith(_LOADER_SUFFIXES) and name not in _LOADER_IGNORES
