"""The numeric headers compiled into loops over arrays."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.backends.native import networks, toolchain
from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.compiler.verify.cpu import lacking
from tinsmith.spec.targets import Target, platforms

HEADERS = Path(networks.__file__).parent / "c"
SOURCES = Path(__file__).parent / "c"

C_TYPES = {"float": np.float32, "double": np.float64, "int": np.intc}
PROCESSORS = {"sse2": "x86-64", "avx2": "haswell", "avx2-fused": "haswell", "avx512": "skylake-avx512"}
"""Name: processor. In a fused build products and sums become one operation wherever the compiler can."""


@dataclass(frozen=True)
class Function:
    """One line of arithmetic.c."""

    name: str
    arguments: int
    source: np.dtype[Any]
    result: np.dtype[Any]


def functions() -> dict[str, Function]:
    """Every function that arithmetic.c has a loop for."""
    text = (SOURCES / "arithmetic.c").read_text()
    lines = re.findall(r"^MAP(2?)\(ts_(\w+), (\w+), (\w+)\)$", text, re.MULTILINE)
    return {
        name: Function(name, 2 if two else 1, _dtype(source), _dtype(result))
        for two, name, source, result in lines
    }


def _dtype(c_type: str) -> np.dtype[Any]:
    return np.dtype(C_TYPES.get(c_type) or c_type.removesuffix("_t"))


class Arithmetic:
    """The functions of one build, by name without `ts_`."""

    functions = functions()

    def __init__(self, library: Path) -> None:
        self._path = library

    @cached_property
    def _library(self) -> ctypes.CDLL:
        return ctypes.CDLL(str(self._path))

    def __call__(self, name: str, *arrays: NDArray[Any]) -> NDArray[Any]:
        """`name` of every element (pair of elements)."""
        function = self.functions[name]
        assert len(arrays) == function.arguments
        assert all(array.dtype == function.source and array.ndim == 1 for array in arrays)
        inputs = [np.ascontiguousarray(array) for array in arrays]
        out = np.zeros(len(inputs[0]), function.result)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (inputs[0], inputs[-1], out)]
        getattr(self._library, f"ts_{name}_loop")(*pointers, ctypes.c_size_t(len(out)))
        return out


@pytest.fixture(scope="session")
def compile_loops() -> Callable[..., Arithmetic]:
    """Compiles all of arithmetic.c for a target."""
    return _compile_loops


@pytest.fixture(scope="session", params=PROCESSORS)
def arithmetic(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Arithmetic:
    """Compiled for one kind of processor; skips where this machine is none."""
    linux = platforms()["LINUX_X86_64"]
    target = replace(linux, cpu=PROCESSORS[request.param], variants=())
    if missing := lacking(target):
        pytest.skip(f"this processor has no {', '.join(missing)}")
    library = tmp_path_factory.mktemp("arithmetic") / "arithmetic.so"
    fused = request.param.endswith("fused")
    return _compile_loops(library, target, contraction="fast" if fused else "off")


def _compile_loops(library: Path, target: Target, contraction: str = "off") -> Arithmetic:
    for header in HEADERS.glob("*.h"):
        (library.parent / header.name).write_text(header.read_text())
    for name in ("arithmetic.c", "arithmetic.h"):
        (library.parent / name).write_text((SOURCES / name).read_text())
    flags = tuple(flag for flag in toolchain.LANGUAGE if not flag.startswith("-ffp-contract"))
    exports = [f"ts_{name}_loop" for name in Arithmetic.functions]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toolchain, "LANGUAGE", (*flags, f"-ffp-contract={contraction}"))
        compile_and_link([library.parent / "arithmetic.c"], target, library, exports=exports)
    return Arithmetic(library)
