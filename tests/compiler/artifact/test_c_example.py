"""The C example, compiled as a customer compiles it, on a network of each kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.compiler.artifact.zoo import ZOO, assert_close, feed, wanted

EXAMPLE = Path(__file__).parents[3] / "runtime" / "examples" / "predict.c"
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic")


def compile_example(artifact: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "ziglang", "cc", *STRICT, str(EXAMPLE), f"-I{artifact}", *arguments]
    done = subprocess.run(command, cwd=artifact, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module")
def programs(zoo_artifacts: dict[str, Path]) -> dict[str, Path]:
    for artifact in zoo_artifacts.values():
        compile_example(artifact, "compiled.so", "-Wl,-rpath,$ORIGIN", "-o", "predict")
    return {name: artifact / "predict" for name, artifact in zoo_artifacts.items()}


def printed(output: str, like: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays in what the example prints."""
    found = {}
    for line in output.splitlines():
        name, _, rest = line.partition(" (")
        shape, _, numbers = rest.partition("):")
        sizes = [int(size) for size in shape.split(",") if size]
        found[name] = np.array(numbers.split()).astype(like[name].dtype).reshape(sizes)
    return found


@pytest.mark.parametrize("name", ZOO)
def test_the_example_predicts(name: str, programs: dict[str, Path], tmp_path: Path) -> None:
    given = feed(name)
    files = [tmp_path / f"{key}.bin" for key in given]
    for file, array in zip(files, given.values(), strict=True):
        array.tofile(file)
    done = subprocess.run([programs[name], *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = wanted(name, given)
    assert_close(printed(done.stdout, expected), expected)


def test_the_example_says_what_it_wants(programs: dict[str, Path], tmp_path: Path) -> None:
    done = subprocess.run([programs["transformer"]], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("predict ids (192 bytes) mask (192 bytes)\n")
    (tmp_path / "short.bin").write_bytes(bytes(191))
    command = [programs["transformer"], tmp_path / "short.bin", tmp_path / "short.bin"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "short.bin: not a file of exactly the elements of its input" in done.stderr


@pytest.mark.parametrize("triple", ["aarch64-linux-musl", "arm-linux-musleabihf", "x86_64-windows-gnu"])
def test_the_example_compiles_for_other_machines(
    triple: str, zoo_artifacts: dict[str, Path], tmp_path: Path
) -> None:
    compile_example(zoo_artifacts["recurrent"], f"--target={triple}", "-c", "-o", str(tmp_path / "predict.o"))
