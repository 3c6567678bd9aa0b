"""Libraries of libraries that few jobs need are loaded when they are first used.

onnx_ir imports SymPy, for arithmetic with unknown sizes. Loading it takes longer than all else that the
compiler imports together, and models reach us with sizes that are known.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

LAZY = frozenset({"sympy", "onnx_ir._symbolic_shapes"})
"""The second one uses the first one while it is loaded, and is itself only used with unknown sizes."""


class _OnDemand(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in LAZY else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def install() -> None:
    """From now on. Has to come before onnx_ir is imported."""
    if not any(isinstance(finder, _OnDemand) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OnDemand())
