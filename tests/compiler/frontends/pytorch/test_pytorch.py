"""Whole files through `read`: what is compiled, and the one sentence of what is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontends.pytorch.conftest import Zoo
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.pipeline import run
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest, Report, WorkDirectory

Read = Callable[..., Network]
IMAGE = '{"picture": [1, 3, 32, 32]}'


def refusal(read_file: Read, name: str, config: str | None, options: str | None = None) -> ClientError:
    with pytest.raises(ClientError) as caught:
        read_file(name, data_input_config=config, compiler_options=options)
    assert all(problem.startswith((name, "DataInputConfig", "dtype")) for problem in caught.value.problems)
    return caught.value


def test_pytorch_answers_for_its_model(read_file: Read) -> None:
    network = read_file("bert.pt", data_input_config='{"b": [3, 5], "a": [3, 5]}')
    assert [(one.name, one.dtype, one.shape) for one in network.inputs] == [
        ("b", "int64", (3, 5)),
        ("a", "int64", (3, 5)),
    ]
    assert "in the order of DataInputConfig, b, a" in network.warnings[0]
    assert network.original is not None
    assert network.original.name.startswith("torch 2.")
    ids = np.arange(15).reshape(3, 5)
    runs = [(ids, np.ones_like(ids)), (ids + 1, np.ones_like(ids))]
    first, second = network.original.answer(runs)
    assert [array.shape for array in first] == [(3, 5, 16), (3, 16)]
    assert not np.allclose(first[0], second[0])


def test_a_trace_tells_its_inputs(read_file: Read) -> None:
    network = read_file("traced.pt")
    assert [(one.name, one.dtype, one.shape) for one in network.inputs] == [("x", "float32", (1, 3, 32, 32))]


def test_a_script_does_not(read_file: Read) -> None:
    text = str(refusal(read_file, "scripted.pt", None))
    assert "We are unable to extract DataInputConfig from the model" in text
    assert "a shape for each of forward(x: Tensor)" in text


def test_an_exported_program_has_bounds(read_file: Read) -> None:
    shapes = "[[4, 7], [4, 7]]"
    network = read_file("dynamic.pt2", data_input_config=shapes)
    assert [(one.name, one.shape) for one in network.inputs] == [
        ("input_ids", (4, 7)),
        ("attention_mask", (4, 7)),
    ]
    assert network.outputs[0].shape == (4, 7, 16)
    assert "has no fixed size" in str(refusal(read_file, "dynamic.pt2", None))
    assert "has the shape [4, 8], expected" in str(refusal(read_file, "dynamic.pt2", "[[4, 8], [4, 7]]"))
    assert "dtype float32 of the input input_ids, expected int64" in str(
        refusal(read_file, "dynamic.pt2", shapes, '{"dtype": "float"}')
    )
    assert "mismatch" in str(refusal(read_file, "dynamic.pt2", "[[9, 7], [9, 7]]"))


def test_inputs_that_the_model_does_not_take(read_file: Read) -> None:
    channels = str(refusal(read_file, "traced.pt", '{"x": [1, 4, 32, 32]}'))
    assert "Invalid PyTorch model or input-shape mismatch" in channels
    assert "the layer conv1.0: " in channels
    assert "expected input[1, 4, 32, 32] to have 3 channels, but got 4 channels instead" in channels
    assert "forward(x: Tensor)" in str(refusal(read_file, "traced.pt", '{"x": [1, 3, 32, 32], "y": [1]}'))
    rank = str(refusal(read_file, "scripted.pt", '{"x": [32]}'))
    assert "x float32 [32]" in rank
    assert "the layer conv1" in rank
    words = str(refusal(read_file, "bert.pt", "[[1, 5], [1, 5]]", '{"dtype": "float32"}'))
    assert "the layer word_embeddings" in words
    assert 'CompilerOptions such as {"dtype": "int64"}' in words


TRACED = "; the model was traced with float32 [1, 3, 32, 32]"


@pytest.mark.parametrize(
    ("name", "config", "found", "wanted"),
    [
        ("traced.pt", '{"x": [1, 32, 32, 3]}', "with the inputs x float32 [1, 32, 32, 3], the layer", TRACED),
        ("bert.pt", '{"a": [2, 7]}', "DataInputConfig has 1 inputs, expected 2", "traced with int64 ["),
        ("traced.pt", '{"x": [1, 3, 32, 32], "y": [1]}', "has 2 inputs, expected 1 in the order of", TRACED),
        ("traced.pt", '{"x": [3, 32]}', "with the inputs x float32 [3, 32], the layer", TRACED),
        ("traced.pt", '{"x": [null, 3, 32, 32]}', "found null", "model are float32 [1, 3, 32, 32]"),
        ("traced.pt", '{"x": [-1, 3, 32, 32]}', "the input 'x' has a size that is open", TRACED),
    ],
    ids=["layout", "missing", "too many", "rank", "batch of None", "batch of -1"],
)
def test_faults_of_an_input_config(read_file: Read, name: str, config: str, found: str, wanted: str) -> None:
    """The rows of `../test_input_faults.py`. A wrong name there is not: names are free, see above."""
    (problem,) = refusal(read_file, name, config).problems
    assert found in problem
    assert wanted in problem


def test_results_of_a_library_that_is_not_here(read_file: Read) -> None:
    outputs = [spec.name for spec in read_file("structured.pt2").outputs]
    assert outputs == ["logits", "states.0", "states.1"]


def test_a_type_that_is_unknown(read_file: Read) -> None:
    with pytest.raises(
        ClientError, match=r'dtype takes one of float32, float, int64.*found "string"'
    ) as caught:
        read_file("traced.pt", data_input_config=IMAGE, compiler_options='{"dtype": "string"}')
    assert caught.value.area == "CompilerOptions"


def test_what_is_not_compiled(read_file: Read) -> None:
    state = refusal(read_file, "state.pt", "[[2], []]")
    assert state.area == "OperatorNotImplemented"
    assert "attributes count, seen" in str(state)
    assert "step (int)" in str(state)
    searching = refusal(read_file, "searching.pt", "[[3, 2]]")
    assert searching.area == "OperatorNotImplemented"
    assert "returns from within a loop (prim::Loop in forward)" in str(searching)
    exotic = refusal(read_file, "exotic.pt", "[[4, 4]]")
    assert exotic.area == "OperatorNotImplemented"
    assert [problem.partition("operator ")[2] for problem in exotic.problems] == [
        "aten::linalg_eigvals is not implemented: first.1",
        "aten::real is not implemented: first.1",
        "aten::special_bessel_j0 is not implemented: second",
    ]
    training = refusal(read_file, "training.pt", IMAGE)
    assert "traced in training mode (" in str(training)
    assert "aten::dropout in classifier.0" in str(training)
    quantized = refusal(read_file, "quantized.pt", "[[1, 3, 8, 8]]")
    assert quantized.area == "OperatorNotImplemented"
    assert "quantized::conv2d" in str(quantized)


def test_a_model_of_a_gpu(read_file: Read) -> None:
    assert read_file("gpu.pt").outputs[0].shape == (1, 960, 7)


def test_files_that_pytorch_does_not_load(read_file: Read) -> None:
    newer = str(refusal(read_file, "newer.pt", None))
    assert "it was saved by a newer PyTorch (format 99; PyTorch 2." in newer
    foreign = refusal(read_file, "foreign.pt", None)
    assert foreign.area == "OperatorNotImplemented"
    assert "the operator torchvision::nms is not implemented" in str(foreign)


def test_a_model_is_compiled_verified_and_packed(zoo: Zoo, tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    work.input.mkdir()
    work.scratch.mkdir()
    shutil.copy(zoo.folder / "densenet_scripted.pt", work.input)
    request = CompileRequest("PYTORCH", "densenet", device="ml_c4", data_input_config=IMAGE)
    work.request.write_text(request.to_json())
    assert run(work) == 0
    report = Report.from_json(work.report.read_text())
    assert report.verification is not None
    assert report.verification["original"]["name"].startswith("torch 2.")
    assert report.verification["original"]["max_relative_difference"] < 1e-4
