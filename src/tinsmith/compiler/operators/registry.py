"""The operators there are, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

Rule = Callable[..., Any]
"""rule(node, *inputs) -> Tensor or tuple of Tensors; an input that is left out is None."""

MODULES = (
    "elementwise",
    "activations",
    "casts",
    "generators",
    "logic",
    "ml",
    "quantize",
    "rotary",
    "training",
    "shapes",
    "movement",
    "reductions",
    "contractions",
    "control",
    "recurrent",
    "selection",
    "sorting",
    "encoders",
    "linear_models",
    "tree_ensembles",
    "text",
    "normalisation",
    "pooling",
    "pad",
    "gather",
    "scatter",
    "resize",
    "sampling",
    "einsum",
    "convolution",
    "quantized",
    "attention",
    "spectral",
    "losses",
)

_RULES: dict[tuple[str, str], Rule] = {}


def operator(*names: str, domain: str = "") -> Callable[[Rule], Rule]:
    """Registers a rule for the operators of these names, of every version."""

    def register(rule: Rule) -> Rule:
        for name in names:
            assert (domain, name) not in _RULES, name
            _RULES[domain, name] = rule
        return rule

    return register


def find(domain: str, name: str) -> Rule | None:
    """The rule of an operator."""
    _import()
    return _RULES.get(("" if domain == "ai.onnx" else domain, name))


@cache
def _import() -> None:
    """Threads may import at the same time: none goes on before all modules are there."""
    for module in MODULES:
        import_module(f"{__package__}.{module}")


def known() -> list[tuple[str, str]]:
    """All (domain, name)."""
    _import()
    return sorted(_RULES)
