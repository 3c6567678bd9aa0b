"""Whole models: saved by TensorFlow of both generations, frozen as text, compiled and executed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinsmith_runtime
from tests.compiler.frontends.tensorflow.graphs import DATA, answers, read_folder
from tests.compiler.frontends.tensorflow.recorded import evaluated, recorded
from tinsmith.compiler.frontends.tensorflow import read
from tinsmith.compiler.pipeline import run
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest, Report, WorkDirectory


def problems(folder: Path, config: Any = None, **options: Any) -> tuple[str, tuple[str, ...]]:
    with pytest.raises(ClientError) as caught:
        read_folder(folder, config, **options)
    return caught.value.area, caught.value.problems


def test_saved_model_of_tensorflow_2() -> None:
    inputs, outputs = answers("second")
    model, _ = read_folder(DATA / "second", {"image": [2, 6, 5, 2]})  # the scale is a scalar, and says so
    assert [value.name for value in model.graph.input] == ["image", "scale"]
    results = evaluated(model, inputs)
    assert results.keys() == outputs.keys()
    for name, want in outputs.items():
        np.testing.assert_allclose(results[name], want, atol=1e-6)


def test_saved_model_of_tensorflow_1() -> None:
    inputs, outputs = answers("first")
    model, warnings = read_folder(DATA / "first", {"scope/x:0": [2, 4]})
    np.testing.assert_allclose(evaluated(model, inputs)["y"], outputs["y"], atol=1e-6)
    assert warnings == [
        "the input 'is_training' switches training on: it is off",
        "dropout is for training: it is left out",
    ]


@pytest.mark.parametrize("output", ["scope/y", "scope/y:0", "y", None])
@pytest.mark.parametrize("name", ["scope/x", "scope/x:0", "x", "import/scope/x"])
def test_names_of_a_frozen_graph(name: str, output: str | None, tmp_path: Path) -> None:
    shutil.copy(DATA / "frozen.pbtxt", tmp_path)
    options = {"output_names": [output]} if output else {}
    model, _ = read_folder(tmp_path, {name: [2, 4]}, **options)
    inputs, outputs = answers("first")
    results = evaluated(model, {"scope/x": inputs["x"]})
    np.testing.assert_allclose(results["scope/y"], outputs["y"], atol=1e-6)


def test_a_shape_without_a_name(tmp_path: Path) -> None:
    shutil.copy(DATA / "frozen.pbtxt", tmp_path)
    assert read_folder(tmp_path, [[2, 4]])[0].graph.input[0].name == "scope/x"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"x": [2, 4, 1]}, "'scope/x' has the shape [2, 4, 1], expected [?, 4]: 2 dimensions, not 3"),
        ({"x": [4, 2]}, "'scope/x' has the shape [4, 2], expected [?, 4]: dimension 1 is 2"),
        (
            {"z": [2, 4]},
            "names 'z', which is no input of the model; its inputs are 'scope/x' (float32 [?, 4])",
        ),
        ({"x": [None, 4]}, "expected a dimension (a whole number), found null"),
        (None, 'Please override by providing a DataInputConfig such as {"scope/x": [1, 4]}'),
        ([[2, 4], [1]], "has 2 shapes without names, expected 1"),
        ({"x": [2, 4], "scope/x": [2, 4]}, "names the input 'scope/x' twice"),
    ],
)
def test_wrong_input_config(config: Any, said: str, tmp_path: Path) -> None:
    shutil.copy(DATA / "frozen.pbtxt", tmp_path)
    area, found = problems(tmp_path, config)
    assert area == "InputConfiguration"
    assert len(found) == 1
    assert said in found[0]


def test_text_is_refused_with_the_way_out() -> None:
    area, found = problems(DATA / "second", {"words": [1]}, signature_def_key="words")
    assert area == "OperatorNotImplemented"
    assert "text is the input 'words' (DT_STRING [?]) of the signature 'words'" in found[0]
    assert '{"signature_def_key": "number"}' in found[0]


def test_all_unknown_operators_are_named_at_once() -> None:
    area, found = problems(DATA / "second", {"image": [1, 6, 5, 2]}, signature_def_key="number")
    assert area == "OperatorNotImplemented"
    text = " ".join(found)
    for operator in ("AsString", "StringToNumber", "ParameterizedTruncatedNormal"):
        assert f"the operator {operator} is not implemented: '" in text


def test_a_signature_that_is_not_there() -> None:
    _, found = problems(DATA / "second", None, signature_def_key="other")
    assert "it has no signature 'other'; its signatures are 'number', 'serving_default', 'words'" in found[0]


def test_an_output_that_is_not_there(tmp_path: Path) -> None:
    shutil.copy(DATA / "frozen.pbtxt", tmp_path)
    _, found = problems(tmp_path, {"x": [2, 4]}, output_names=["z"])
    assert found == (
        "frozen.pbtxt: output_names has 'z', which the graph does not have; nothing follows 'scope/y'",
    )


def test_files_that_the_artifact_need_not_carry() -> None:
    request = CompileRequest("TENSORFLOW", "m", device="ml_c5", data_input_config='{"image": [2, 6, 5, 2]}')
    network = read(DATA / "second", request)
    assert set(network.files) == {
        "saved_model.pb",
        "fingerprint.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    }
    assert [spec.name for spec in network.outputs] == ["logits", "scores"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["second", "LSTM frames", "detector functions"])
def test_compiled_and_executed(name: str, tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    if name == "second":
        shutil.copytree(DATA / name, work.input)
        inputs, outputs = answers(name)
    else:
        content, inputs, outputs = recorded(name)
        work.input.mkdir()
        (work.input / "model.pb").write_bytes(content)
    config = json.dumps({key: list(np.shape(value)) for key, value in inputs.items()})
    request = CompileRequest("TENSORFLOW", "model", device="ml_c4", data_input_config=config)
    work.request.write_text(request.to_json())
    assert run(work) == 0
    report = Report.from_json(work.report.read_text())
    assert report.failure_reason is None
    assert report.artifact is not None
    results = tinsmith_runtime.load(work.output / report.artifact).run(inputs)
    for key, want in outputs.items():
        np.testing.assert_allclose(results[key.removesuffix(":0")], want, atol=1e-5)
