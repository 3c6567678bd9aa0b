"""DLR's own native library, of release 1.6.0, runs networks by the files of TVM's graph runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinsmith.compiler.artifact import tvm
from tinsmith.compiler.artifact.package import package
from tinsmith.compiler.backends.native import networks
from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.evidence import collect
from tinsmith.spec.request import CompileRequest
from tinsmith.spec.targets import Target
from tinsmith_runtime.manifest import Tensor

ABI = Path(networks.__file__).parent / "c" / "tvm_abi.c"
INPUTS = (Tensor("a", "float32", (2, 3)), Tensor("b", "int64", (3,)))
OUTPUTS = (Tensor("sum", "float64", (2, 3)), Tensor("copy", "int64", (3,)))
SOURCE = """
#include "tinsmith.h"
int32_t tinsmith_run(const void *const *inputs, void *const *outputs, int64_t *const *shapes, uint32_t flags)
{
    const float *a = inputs[0];
    const int64_t *b = inputs[1];
    (void)flags;
    if (shapes || b[0] < 0)
        return TINSMITH_BAD_ARGUMENT;
    for (int i = 0; i < 6; i++)
        ((double *)outputs[0])[i] = (double)a[i] + b[i % 3];
    for (int i = 0; i < 3; i++)
        ((int64_t *)outputs[1])[i] = b[i];
    return TINSMITH_OK;
}
"""
CUSTOMER = """
import sys, numpy as np, dlr
folder, result = sys.argv[1:]
model = dlr.DLRModel(folder, "cpu", 0, None, True)
a = np.arange(6, dtype=np.float32).reshape(2, 3) / 4
b = np.array([10, 20, 30])
first = model.run({"b": b, "a": a})
second = model.run({"a": -a})
names = model.get_input_names() + model.get_output_names()
failure = ""
try:
    model.run({"b": -b})
except Exception as error:
    failure = type(error).__name__
np.savez(result, names=names, version=model.get_version(), backend=model._impl.backend, failure=failure,
         sum=first[0], copy=first[1], again=second[0])
"""
TYPES_AND_META = {
    "Requirements": {"TargetDeviceType": "cpu"},
    "Model": {
        "Inputs": [{"name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape} for tensor in INPUTS],
        "Outputs": [
            {"name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape} for tensor in OUTPUTS
        ],
    },
}


@pytest.fixture
def artifact(x86_64: Target, tmp_path: Path) -> Path:
    """What DLR's own library reads of an artifact."""
    folder, sources = tmp_path / "artifact", tmp_path / "sources"
    folder.mkdir()
    sources.mkdir()
    (sources / "model.h").write_text("#define TS_INPUTS 2\n#define TS_OUTPUTS 2\n")
    (sources / "run.c").write_text(SOURCE)
    (sources / ABI.name).write_bytes(ABI.read_bytes())
    compile_and_link(
        [sources / "run.c", sources / ABI.name],
        replace(x86_64, variants=()),
        folder / "compiled.so",
        exports=(tvm.FUNCTION,),
    )
    for name, content in tvm.to_files(INPUTS, OUTPUTS).items():
        (folder / name).write_bytes(content)
    (folder / "compiled.meta").write_text(json.dumps(TYPES_AND_META))
    return folder


def test_the_last_complete_dlr_runs_a_network_by_itself(
    artifact: Path, dlr_old: Path, tmp_path: Path
) -> None:
    (tmp_path / "customer.py").write_text(CUSTOMER)
    result = tmp_path / "result.npz"
    environment = {"PYTHONPATH": str(dlr_old), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-W", "ignore", str(tmp_path / "customer.py"), str(artifact), str(result)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    a, b = np.arange(6).reshape(2, 3) / 4, np.array([10, 20, 30])
    with np.load(result) as answers:
        assert (answers["version"], answers["backend"]) == ("1.6.0", "tvm")
        assert answers["names"].tolist() == ["a", "b", "sum", "copy"]
        np.testing.assert_array_equal(answers["sum"], a + b, strict=True)
        np.testing.assert_array_equal(answers["copy"], b, strict=True)
        np.testing.assert_array_equal(answers["again"], b - a, strict=True)
        assert answers["failure"] == "DLRError"


@pytest.mark.parametrize(
    ("tensor", "expressible"),
    [
        (Tensor("y", "float32", (1, 2)), True),
        (Tensor("y", "bool", ()), True),
        (Tensor("y", "float32", (-1,), (4,)), False),
        (Tensor("y", "bfloat16", (1,)), False),
        (Tensor("y", "int4", (1,)), False),
        (Tensor("y", "complex64", (1,)), False),
    ],
)
def test_what_tvm_can_express(tensor: Tensor, expressible: bool) -> None:
    assert tvm.expressible(INPUTS, (tensor,)) is expressible
    assert tvm.expressible((tensor,), OUTPUTS) is expressible


def test_files_are_the_same_every_time() -> None:
    files = tvm.to_files(INPUTS, OUTPUTS)
    assert files == tvm.to_files(INPUTS, OUTPUTS)
    assert list(files) == ["compiled_model.json", "compiled.params"]


@pytest.mark.parametrize(
    ("exports", "sizes", "there"), [((tvm.FUNCTION,), 2, True), ((), 2, False), ((tvm.FUNCTION,), -1, False)]
)
def test_artifacts_have_them_where_the_library_and_the_network_allow(
    network: Network, x86_64: Target, tmp_path: Path, exports: Any, sizes: int, there: bool
) -> None:
    outputs = (
        Tensor("scores", "float32", (2, 2)),
        Tensor("rows", "float16", (4, 2)),
        Tensor("kept", "bool", (4,)),
        Tensor("found", "int64", (2, sizes), (2, 6) if sizes < 0 else None),
    )
    (tmp_path / "compiled.so").write_bytes(b"library")
    program = Program(tmp_path, (), exports, {}, outputs)
    request = CompileRequest("ONNX", "model", device="ml_c5")
    library = tmp_path / "compiled.so"
    packed = package(request, network, x86_64, library, collect(network), tmp_path, None, program)
    from tinsmith.compiler.artifact.inspect import read_files

    names = set(read_files(packed.path))
    assert ({tvm.GRAPH, tvm.PARAMETERS} <= names) is there
