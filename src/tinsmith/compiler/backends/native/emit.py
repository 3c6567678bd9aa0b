"""A model becomes a C program, by the code generator for its kind."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.targets import Target


def emit(model: Model | Network, target: Target, directory: Path, book: Any = None) -> Program:
    """Writes the C program of `model` for `target` into `directory`, which must exist.

    `book`: the schedules of a network's layers, where they are not the shipped ones; see `networks.choices`.
    """
    if isinstance(model, Network):
        network: Program = _generator("networks").emit(model, target, directory, book)
        return network
    trees: Program = _generator("trees").emit(model, target, directory)
    return trees


def _generator(kind: str) -> Any:
    """Imported when it is needed: a job has to do with one of them."""
    return import_module(f"{__package__}.{kind}.emit")
