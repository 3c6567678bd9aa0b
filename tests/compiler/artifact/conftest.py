"""Artifacts of real models, and the runtimes that customers have."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.compiler.artifact.zoo import ZOO
from tests.conftest import NO_TELEMETRY
from tinsmith.compiler.artifact.package import package
from tinsmith.compiler.artifact.samples import Samples
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.emit import emit
from tinsmith.compiler.frontends import load
from tinsmith.compiler.ir.model import Model, Transform
from tinsmith.compiler.verify.evidence import collect
from tinsmith.spec.request import CompileRequest, TargetPlatform
from tinsmith.spec.targets import Target

REQUEST = CompileRequest("XGBOOST", "model", platform=TargetPlatform("LINUX", "X86_64"))


def unpacked(model: Model, target: Target, folder: Path) -> Path:
    """The artifact of `model`, compiled by the real backend, as the customer unpacks it."""
    program = folder / "program"
    program.mkdir()
    library = folder / target.library
    build(emit(model, target, program), target, library)
    packed = package(REQUEST, model, target, library, collect(model), folder)
    artifact = folder / "artifact"
    with tarfile.open(packed.path) as archive:
        archive.extractall(artifact, filter="data")
    return artifact


@pytest.fixture(scope="session", params=["sigmoid", "softmax", "float64"])
def artifact(
    request: pytest.FixtureRequest,
    make_model: Callable[..., Model],
    x86_64: Target,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """An unpacked artifact for any x86-64 machine."""
    model = {
        "sigmoid": make_model(transform=Transform.SIGMOID, trees=20),
        "softmax": make_model(transform=Transform.SOFTMAX, trees=21, outputs=3),
        "float64": make_model(dtype=np.float64, trees=20, outputs=2),
    }[request.param]
    return unpacked(model, replace(x86_64, variants=()), tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def zoo_artifacts(x86_64: Target, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The unpacked artifacts of the networks in zoo.py, for any x86-64 machine, without evidence."""
    target = replace(x86_64, variants=())
    found = {}
    for name, make in ZOO.items():
        folder = tmp_path_factory.mktemp(name)
        request = CompileRequest("ONNX", name, platform=REQUEST.platform)
        onnx.save(make(), folder / "model.onnx")
        network = load("ONNX")(folder, request)
        (folder / "program").mkdir()
        program = emit(network, target, folder / "program")
        library = folder / target.library
        build(program, target, library)
        packed = package(request, network, target, library, Samples((), {}), folder, None, program)
        found[name] = folder / "artifact"
        with tarfile.open(packed.path) as archive:
            archive.extractall(found[name], filter="data")
    return found


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the unzipped wheel of an old release that pip would not install beside the others."""
    cache = Path(os.environ.get("TINSMITH_TEST_CACHE", Path.home() / ".cache" / "tinsmith-tests"))

    def unzip(requirement: str) -> Path:
        place = cache / requirement
        if not list(place.glob("*.whl")):
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            done = subprocess.run([*command, "--dest", place, requirement], capture_output=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"pip cannot download {requirement}: {done.stderr.decode()[-300:]}")
        (file,) = place.glob("*.whl")
        folder = tmp_path_factory.mktemp(requirement)
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
        return folder

    return unzip


@pytest.fixture(scope="session")
def dlr_old(wheel: Callable[[str], Path]) -> Path:
    """dlr 1.6.0, the last release that brings its own native library."""
    folder = wheel("dlr==1.6.0")
    (library,) = folder.glob("*.data/data/dlr/libdlr.so")
    library.rename(folder / "dlr" / "libdlr.so")
    (folder / "dlr" / "counter" / "ccm_config.json").write_text(NO_TELEMETRY)
    return folder
