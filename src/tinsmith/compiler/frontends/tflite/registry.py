"""The operators that are compiled, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

MODULES = (
    "elementwise",
    "activations",
    "contractions",
    "control",
    "convolution",
    "detection",
    "indexing",
    "movement",
    "pooling",
    "quantization",
    "recurrent",
    "reductions",
    "resize",
    "shapes",
    "slices",
    "spaces",
    "spectral",
)


@dataclass(frozen=True)
class Rule:
    """How an operator becomes ONNX nodes."""

    convert: Callable[..., Any]
    """convert(layer) -> what its outputs hold, see `layer.Result`; one alone, or a tuple of them."""
    moves: bool
    """It moves elements and computes none: quantised tensors of one scale need not become real numbers."""
    activates: bool
    """The activation among its options is for its output, and left to the caller."""


_RULES: dict[tuple[str, bool], Rule] = {}


def operator(
    *names: str, moves: bool = False, activates: bool = True, custom: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a rule for the operators of these names."""

    def register(convert: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            assert (name, custom) not in _RULES, name
            _RULES[name, custom] = Rule(convert, moves, activates)
        return convert

    return register


def find(name: str, custom: bool) -> Rule | None:
    """The rule of an operator."""
    _import()
    return _RULES.get((name, custom))


def known() -> list[tuple[str, bool]]:
    """All (name, whether custom)."""
    _import()
    return sorted(_RULES)


@cache
def _import() -> None:
    for module in MODULES:
        import_module(f"{__package__}.operators.{module}")
