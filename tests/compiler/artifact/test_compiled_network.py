"""A network through the whole compiler, and through everything that customers run it with."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir
import pytest
from onnx import TensorProto, helper, numpy_helper

import tinsmith_runtime
from tinsmith.compiler import pipeline
from tinsmith.compiler.ir.network import Network
from tinsmith.spec.request import CompileRequest, Report, TargetPlatform, WorkDirectory

ANY_X86_64 = TargetPlatform("LINUX", "X86_64")


def compiled(model: onnx.ModelProto, folder: Path) -> tuple[Report, Path]:
    work = WorkDirectory(folder / "work")
    work.input.mkdir(parents=True)
    onnx.save(model, work.input / "model.onnx")
    work.request.write_text(CompileRequest("ONNX", "net", platform=ANY_X86_64).to_json())
    code = pipeline.run(work)
    report = Report.from_json(work.report.read_text())
    assert code == 0, report.failure_reason
    return report, work.output / (report.artifact or "")


def perceptron() -> onnx.ModelProto:
    """From x, float32 (1, 8), to scores, float32 (1, 3)."""
    random = np.random.RandomState(0)
    constants = {"w": random.randn(8, 16), "b": random.randn(16), "v": random.randn(16, 3)}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["product"]),
            helper.make_node("Add", ["product", "b"], ["sum"]),
            helper.make_node("Relu", ["sum"], ["hidden"]),
            helper.make_node("MatMul", ["hidden", "v"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"]),
        ],
        "perceptron",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_a_network_of_many_types_becomes_an_artifact(network: Network, tmp_path: Path) -> None:
    report, tarball = compiled(onnx_ir.serde.serialize_model(network.graph), tmp_path)
    verification: Any = report.verification
    assert verification["executed"]
    assert [output["name"] for output in verification["outputs"]] == ["scores", "rows", "kept", "found"]
    assert json.loads(report.derived_data_input_config or "") == {"x": [2, 3], "ids": [4], "mask": [4]}
    x = np.array([[0, 1, 0], [2, 0, 0]], np.float32)
    answer = tinsmith_runtime.load(tarball).run(
        {"x": x, "ids": np.array([1, 0, 4, 2]), "mask": np.array([True, False, True, True])}
    )
    assert answer["found"].tolist() == [[0, 1], [1, 0]]
    assert answer["kept"].tolist() == [False, True, False, False]


CUSTOMER = """
import sys, numpy as np, dlr
folder, result, default = sys.argv[1:]
x = np.load(folder + "/evidence/0/input-0.npy")
model = dlr.DLRModel(folder, "cpu", 0, None, default == "default")
np.savez(result, scores=model.run(x)[0], version=model.get_version(), names=model.get_output_names())
"""


@pytest.mark.parametrize(
    ("package_name", "default", "version"),
    [("dlr_now", "", "1.10.0"), ("dlr_old", "", "1.10.0"), ("dlr_old", "default", "1.6.0")],
)
def test_dlr_runs_what_was_compiled(
    static_artifact: Path,
    package_name: str,
    default: str,
    version: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    (tmp_path / "customer.py").write_text(CUSTOMER)
    result = tmp_path / "result.npz"
    dlr = request.getfixturevalue(package_name)
    environment = {"PYTHONPATH": str(dlr), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-W", "ignore", str(tmp_path / "customer.py"), str(static_artifact)]
    done = subprocess.run(
        [*command, str(result), default], env=environment, cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    with np.load(result) as answers:
        assert answers["version"] == version
        assert answers["names"].tolist() == ["scores"]
        wanted = np.load(static_artifact / "evidence" / "0" / "output-0.npy")
        np.testing.assert_allclose(answers["scores"], wanted, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def static_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked artifact of a perceptron."""
    folder = tmp_path_factory.mktemp("perceptron")
    _, tarball = compiled(perceptron(), folder)
    with tarfile.open(tarball) as archive:
        archive.extractall(folder / "artifact", filter="data")
    return folder / "artifact"


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = {compiled(perceptron(), tmp_path / name)[0].digest for name in ("one", "other")}
    assert len(digests) == 1
