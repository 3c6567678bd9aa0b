"""A model becomes a C program, by the code generator for its kind."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.targets import Target


def emit(model: Model | Network, target: Target, directory: Path) -> Program:
    """Writes the C program of `model` for `target` into `directory`, which must exist."""
    kind = "networks" if isinstance(model, Network) else "trees"
    generator: Any = import_module(f"{__package__}.{kind}.emit")
    program: Program = generator.emit(model, target, directory)
    return program
