"""TFLite models compiled for any x86-64 machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tinsmith_runtime
from tests.compiler.frontends.tflite.build import read_bytes
from tests.compiler.frontends.tflite.cases import RNG
from tinsmith.compiler.artifact.package import package
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.emit import emit
from tinsmith.compiler.verify.evidence import collect
from tinsmith.spec.request import CompileRequest, TargetPlatform
from tinsmith.spec.targets import Target

Compiled = Callable[[bytes], tinsmith_runtime.Model]


@pytest.fixture
def compiled(tmp_path: Path, x86_64: Target) -> Compiled:
    """`compiled(content)`: the artifact of a file, loaded."""

    def compile_it(content: bytes) -> tinsmith_runtime.Model:
        network = read_bytes(tmp_path / "input", content)
        target, folder = replace(x86_64, variants=()), tmp_path / "program"
        folder.mkdir()
        library = tmp_path / target.library
        build(emit(network, target, folder), target, library)
        request = CompileRequest("TFLITE", "m", platform=TargetPlatform("LINUX", "X86_64"))
        return tinsmith_runtime.load(
            package(request, network, target, library, collect(network), tmp_path).path
        )

    return compile_it


@pytest.fixture(autouse=True)
def same_weights() -> None:
    """Weights that a test draws do not depend on the tests before."""
    RNG.bit_generator.state = np.random.default_rng(7).bit_generator.state
