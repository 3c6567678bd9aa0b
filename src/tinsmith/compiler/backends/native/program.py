"""A C program between `emit` and `build`: files in a folder, and how to compile each."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinsmith.compiler.backends.native.toolchain import Optimization
from tinsmith_runtime.manifest import Tensor

VARIANT_NAMES = ("sse2", "avx2", "avx512", "vbmi")
"""Of Target.variants, in order: the values of `enum ts_isa`."""


@dataclass(frozen=True)
class Unit:
    """One translation unit."""

    source: str
    """File name under Program.directory."""
    object: str
    """Object file name; one source may be compiled several times, for several CPUs."""
    defines: tuple[str, ...] = ()
    """Preprocessor definitions, `NAME=value`."""
    cpu: str | None = None
    """The `-mcpu` of a variant that is chosen at run time by cpuid; None: the target's own CPU."""
    optimization: Optimization = "-O2"


@dataclass(frozen=True)
class Program:
    """What `emit` writes and `build` compiles. Every file it needs lies in `directory`."""

    directory: Path
    units: tuple[Unit, ...]
    exports: tuple[str, ...]
    """The symbols that the library shows, and no others."""
    facts: dict[str, Any]
    """For the report: kernels chosen per variant, table bytes, trees, nodes, conditions ..."""
    outputs: tuple[Tensor, ...] = ()
    """Of a network: what tinsmith_describe() tells of its outputs, in its order. Trees leave it empty."""
    timed: Mapping[Any, Set[str]] = field(default_factory=dict)
    """Of a network that counts cycles: the geometries of the layers whose counts `tinsmith_cycles` holds, in
    order, and the kernels of each."""
