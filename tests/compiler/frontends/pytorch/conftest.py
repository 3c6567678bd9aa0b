"""Models made by PyTorch itself, in its toolchain."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tinsmith.compiler import toolchains
from tinsmith.compiler.frontends.pytorch import read
from tinsmith.compiler.frontends.pytorch.session import PROGRAM
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.toolchains import Toolchain
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

BUILD = Path(__file__).parent / "zoo" / "build.py"


@dataclass(frozen=True)
class Zoo:
    """The folder of files that `zoo/build.py` made."""

    folder: Path
    answers: dict[str, dict[str, Any]]
    """What the conversion said, by name."""


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    try:
        return toolchains.find("pytorch")
    except ClientError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def zoo(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    folder = tmp_path_factory.mktemp("zoo")
    command = [str(toolchain.python), "-I", "-B", str(BUILD), str(folder), str(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return Zoo(folder, json.loads((folder / "answers.json").read_text()))


@pytest.fixture
def read_file(zoo: Zoo, tmp_path: Path) -> Callable[..., Network]:
    """Reads the file of the zoo with this name, and options of the request."""

    def reading(name: str, **request: Any) -> Network:
        folder = tmp_path / "input"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(zoo.folder / name, folder)
        return read(folder, CompileRequest("PYTORCH", "model", device="ml_c5", **request))

    return reading
