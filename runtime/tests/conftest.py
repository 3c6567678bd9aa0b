"""A compiled model in a few lines of C, and artifacts that hold it."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tinsmith_runtime import Manifest, Target, Tensor

MakeArtifact = Callable[..., Path]

FEATURES = 3
SOURCE = r"""
typedef __INT32_TYPE__ int32_t; typedef __INT64_TYPE__ int64_t; typedef __UINT32_TYPE__ uint32_t;
#define COLUMNS 2
int32_t tinsmith_abi_version(void) { return 1; }
int64_t tinsmith_num_features(void) { return 3; }
int64_t tinsmith_num_outputs(void) { return COLUMNS; }
int64_t tinsmith_num_margins(void) { return 1; }
int32_t tinsmith_output_type(void) { return 11; }
int32_t tinsmith_set_threads(int32_t threads)
{
    static int32_t limit;
    return threads != (limit = limit ? limit : threads) ? 2 : 0;
}
/* Prediction: sum and product of the row; margin: its sum. A first value of -13 is out of memory. */
int32_t tinsmith_predict(const float *rows, int64_t count, int64_t stride, double *out, uint32_t flags)
{
    for (int64_t i = 0; i < count; i++, rows += stride) {
        if (rows[0] == -13)
            return 1;
        *out++ = (double)rows[0] + rows[1] + rows[2];
        if (!(flags & 1))
            *out++ = (double)rows[0] * rows[1] * rows[2];
    }
    return 0;
}
"""
MANIFEST = Manifest(
    name="model",
    framework="SKLEARN",
    producer="scikit-learn 1.9.1",
    kind="RandomForestRegressor",
    inputs=(Tensor("data", "float32", (-1, FEATURES)),),
    outputs=(Tensor("answer", "float64", (-1, 2)),),
    margin=Tensor("margin", "float64", (-1,)),
    target=Target("LINUX_X86_64", "x86_64-unknown-linux-gnu", "x86-64"),
    library="compiled.so",
    compiler="tinsmith 0.1.0",
    toolchain="ziglang 0.17.1",
    model_digest="00",
)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The compiled library."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "model.c").write_text(SOURCE)
    command = [sys.executable, "-m", "ziglang", "clang", "--target=x86_64-linux-gnu", "-O1", "-ffreestanding"]
    subprocess.run([*command, "-fPIC", "-c", "model.c", "-o", "model.o"], cwd=folder, check=True)
    command = [sys.executable, "-m", "ziglang", "ld.lld", "-shared", "model.o", "-o", "compiled.so"]
    subprocess.run(command, cwd=folder, check=True)
    return (folder / "compiled.so").read_bytes()


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """Of the library."""
    return MANIFEST


@pytest.fixture
def make_artifact(tmp_path: Path, library: bytes) -> MakeArtifact:
    """Packs files, by default the library and its manifest, into a tarball."""

    def make(prefix: str = "", files: dict[str, bytes] | None = None, **changes: object) -> Path:
        text = replace(MANIFEST, **changes).to_json()  # type: ignore[arg-type]
        content = {"compiled.so": library, "manifest": text.encode()} if files is None else files
        path = tmp_path / "model.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, data in content.items():
                member = tarfile.TarInfo(prefix + name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return path

    return make


@pytest.fixture
def folder(tmp_path: Path, make_artifact: MakeArtifact) -> Path:
    """An unpacked artifact."""
    path = tmp_path / "unpacked"
    with tarfile.open(make_artifact()) as archive:
        archive.extractall(path, filter="data")
    return path
