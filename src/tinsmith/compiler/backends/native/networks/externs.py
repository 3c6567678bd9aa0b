"""Stages that are C functions of ours: sorting, and what has sizes that only a run can tell.

A function `ts_<name>` takes the pointers and sizes of its inputs, its outputs and the run, by the conventions in externs.h.
"""

from __future__ import annotations

from tinsmith.compiler.backends.native.networks.nests import Names
from tinsmith.compiler.ir.loops import Extern


def headers() -> tuple[str, ...]:
    """Header files that hold the functions."""
    return ()


def call_extern(stage: Extern, names: Names) -> list[str]:
    """The statements that call the function of `stage`."""
    raise NotImplementedError(stage.function)
