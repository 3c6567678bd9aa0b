"""The compiler as the sandbox runs it: a work directory in, a tarball and a report out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import xgboost

import tinsmith_runtime
from bench.graph import Graph
from tinsmith.compiler import frontends, pipeline
from tinsmith.compiler.verify.verify import Verification
from tinsmith.errors import InternalError, KilledError
from tinsmith.spec.request import CompileRequest, Report, TargetPlatform, WorkDirectory

ANY_X86_64 = TargetPlatform("LINUX", "X86_64")


@pytest.fixture
def booster() -> xgboost.Booster:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(300, 4)).astype(np.float32)
    labels = (rows[:, 0] > rows[:, 1]).astype(int)
    return xgboost.train({"objective": "binary:logistic", "max_depth": 3}, xgboost.DMatrix(rows, labels), 5)


def work_directory(path: Path, request: CompileRequest) -> WorkDirectory:
    work = WorkDirectory(path)
    work.input.mkdir(parents=True)
    work.request.write_text(request.to_json())
    return work


def test_a_model_becomes_an_artifact_that_predicts_as_the_library(
    tmp_path: Path, booster: xgboost.Booster, capfd: pytest.CaptureFixture[str]
) -> None:
    work = work_directory(tmp_path, CompileRequest("XGBOOST", "churn", platform=ANY_X86_64))
    booster.save_model(work.input / "model.ubj")

    assert pipeline.run(work) == 0

    report = Report.from_json(work.report.read_text())
    assert (report.status, report.artifact) == ("COMPLETED", "churn-LINUX_X86_64.tar.gz")
    tarball = work.output / "churn-LINUX_X86_64.tar.gz"
    assert [path.name for path in work.output.iterdir()] == [tarball.name]
    assert report.digest == hashlib.blake2b(tarball.read_bytes()).hexdigest()
    assert report.verification is not None
    assert report.verification["executed"]
    assert report.derived_data_input_config == json.dumps({"data": [1, 4]})
    assert set(report.timings or ()) == {"read", "tune", "reference", "emit", "build", "package", "verify"}
    rows = np.array([[0.5, np.nan, -1, 0], [0, 0, 0, 0]], np.float32)
    margin = tinsmith_runtime.load(tarball).run({"data": rows}, margin=True)
    np.testing.assert_array_equal(
        next(iter(margin.values())), booster.inplace_predict(rows, predict_type="margin")
    )
    log = capfd.readouterr().err
    assert "verification: {" in log
    assert report.digest in log


def test_a_fault_of_the_customer_is_told_with_exit_code_3(tmp_path: Path) -> None:
    work = work_directory(tmp_path, CompileRequest("XGBOOST", "m", device="rasp4b"))
    assert pipeline.run(work) == 3
    report = Report.from_json(work.report.read_text())
    assert report.status == "FAILED"
    assert (report.failure_reason or "").startswith("ClientError: InputConfiguration: ")


def test_what_is_not_compiled_is_listed_before_anything_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not_run(*_: object) -> None:
        raise AssertionError("too early")

    monkeypatch.setattr(pipeline, "collect", must_not_run)
    graph = Graph("refused")
    pixels = graph.add("ImageDecoder", graph.input("x", (20,), onnx.TensorProto.UINT8))
    model = graph.model(graph.add("Cast", pixels, to=onnx.TensorProto.FLOAT))
    model.opset_import[0].version = 20
    work = work_directory(tmp_path / "work", CompileRequest("ONNX", "m", platform=ANY_X86_64))
    onnx.save(model, work.input / "model.onnx")
    assert pipeline.run(work) == 3
    reason = Report.from_json(work.report.read_text()).failure_reason or ""
    assert "OperatorNotImplemented: The following operators are not supported for frontend ONNX: " in reason
    assert "ImageDecoder (node ImageDecoder_0)" in reason


def test_an_unforeseen_fault_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(pipeline, "emit", broken)
    work = work_directory(tmp_path, CompileRequest("XGBOOST", "m", device="ml_c4"))
    (work.input / "model.json").write_text('{"learner": {}, "version": [3, 2, 0]}')
    monkeypatch.setattr(frontends, "load", lambda _: lambda *_: None)
    assert pipeline.run(work) == 1
    report = Report.from_json(work.report.read_text())
    assert (
        report.failure_reason == "InternalError: unexpected fault while compiling: ZeroDivisionError: by zero"
    )


def test_nothing_is_completed_that_did_not_verify(
    tmp_path: Path, booster: xgboost.Booster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def differs(*_: object) -> Verification:
        raise InternalError("verification: row 3 differs")

    monkeypatch.setattr(pipeline, "verify", differs)
    work = work_directory(tmp_path, CompileRequest("XGBOOST", "m", device="ml_c4"))
    booster.save_model(work.input / "model.json")
    assert pipeline.run(work) == 1
    report = Report.from_json(work.report.read_text())
    assert (report.status, report.artifact) == ("FAILED", None)
    assert report.failure_reason == "InternalError: verification: row 3 differs"


def test_a_killed_tool_looks_like_a_killed_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KilledError("zig clang was killed")

    monkeypatch.setattr(frontends, "load", killed)
    work = work_directory(tmp_path, CompileRequest("XGBOOST", "m", device="ml_c4"))
    assert pipeline.run(work) == 128 + 9
