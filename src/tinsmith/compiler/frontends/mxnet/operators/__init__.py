"""MXNet's operators as ONNX nodes, one function each."""

from __future__ import annotations

from importlib import import_module

_MODULES = [
    "arithmetic",
    "attention",
    "detection",
    "elementwise",
    "heads",
    "indexing",
    "layers",
    "matrices",
    "movement",
    "normalisation",
    "pooling",
    "recurrent",
    "reductions",
    "resizing",
    "sequences",
    "shapes",
    "sorting",
    "sources",
]


def load() -> None:
    """Registers every rule."""
    for name in _MODULES:
        import_module(f"{__name__}.{name}")
