"""The whole way of a few models: a file, the compiler, the artifact, its results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tinsmith_runtime
from tests.compiler.frontends.keras.test_layers import recorded, shapes, stored
from tinsmith.compiler.pipeline import run
from tinsmith.spec.request import CompileRequest, Report, WorkDirectory


@pytest.mark.parametrize(
    "name", ["nested models", "masked lstm sequences", "conv lstm2d", "embedding of floats"]
)
def test_compiled_model(name: str, tmp_path: Path) -> None:
    inputs, outputs = recorded(name)
    work = WorkDirectory(tmp_path)
    work.input.mkdir()
    (work.input / "model.keras").write_bytes(stored(name, ".keras"))
    config = json.dumps(shapes(inputs, first=False))
    request = CompileRequest("KERAS", "model", device="ml_c4", data_input_config=config)
    work.request.write_text(request.to_json())
    assert run(work) == 0, work.report.read_text()
    report = Report.from_json(work.report.read_text())
    assert report.artifact is not None
    model = tinsmith_runtime.load(work.output / report.artifact)
    names = [tensor.name for tensor in model.manifest.inputs]
    found = list(model.run(dict(zip(names, inputs, strict=True))).values())
    for value, want in zip(found, outputs, strict=True):
        np.testing.assert_allclose(value, want, rtol=2e-4, atol=2e-5)
