"""The failure texts of the service: provoked by a folder and a request, through the compiler as jobs run it.

A row has what the service writes, the files and the request that provoke it, what of the service's words is
kept, and what ours says beside: file, node, expected and found. Texts of other parts (S3, time-outs) and of
PyTorch are tested where those are; texts that cannot come up are listed. docs/failures.md says the same for
people, with reasons, and `test_the_page_has_every_text` holds it to that.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from onnx import helper

from tests.compiler.frontends.keras.files import IMAGE_WEIGHTS, dense, image_layers, save, sequential
from tests.compiler.frontends.mxnet.conftest import Symbol, params_file
from tests.compiler.frontends.tensorflow.graphs import graph, node, placeholder
from tests.compiler.frontends.tiny import MODELS
from tinsmith.compiler.pipeline import run
from tinsmith.errors import MAX_FAILURE_REASON
from tinsmith.spec.request import CompileRequest, Report, WorkDirectory

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "failures.md"
INPUT, OPERATOR = "ClientError: InputConfiguration: ", "ClientError: OperatorNotImplemented: "
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Row:
    """One text of the service, and ours."""

    framework: str
    service: str
    """As the service writes it, a placeholder in <>."""
    provoke: Files | Callable[[Path], None]
    kept: str
    """The service's own words in ours; empty where they say less than ours, or what is not so."""
    adds: tuple[str, ...]
    """File, node, expected and found."""
    begins: str = INPUT
    config: str | None = None
    """DataInputConfig."""


def tiny(framework: str) -> Callable[[Path], None]:
    """The model of two inputs, x and y."""
    return lambda folder: MODELS[framework](folder)


def graph_file(*nodes: object) -> Files:
    return {"model.pb": graph(*nodes).SerializeToString()}


def of_any_rank() -> Files:
    """A graph of a TensorFlow that took a placeholder without dimensions for anything."""
    made = graph(placeholder("x"), node("Relu", "y", ["x"], T=1))
    made.versions.producer = 20
    return {"model.pb": made.SerializeToString()}


def keras(
    *layers: dict[str, object], weights: Mapping[str, list[object]] | None = None
) -> Callable[[Path], None]:
    return lambda folder: save(folder / "model.h5", sequential([*layers]), dict(weights or {}))


def broken_keras(folder: Path) -> None:
    save(folder / "model.h5", {"class_name": "Sequential"})


def images_of_keras(folder: Path) -> None:
    save(folder / "model.h5", sequential(image_layers()), IMAGE_WEIGHTS)


def mxnet(change: Mapping[str, bytes | None]) -> Files:
    symbol = Symbol()
    symbol("relu", "r", symbol.variable("data"))
    files = {"net-symbol.json": symbol.json(), "net-0001.params": params_file({}), **change}
    return {name: content for name, content in files.items() if content is not None}


def circle() -> Files:
    nodes = [
        {"op": "relu", "name": "a", "inputs": [[1, 0, 0]]},
        {"op": "relu", "name": "b", "inputs": [[0, 0, 0]]},
    ]
    text = json.dumps({"nodes": nodes, "arg_nodes": [], "heads": [[1, 0, 0]]})
    return mxnet({"net-symbol.json": text.encode()})


def checkpoint() -> Files:
    """What torch.save writes of a dictionary without tensors."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"epoch": 3}, 2))
    return {"model.pth": content.getvalue()}


def onnx_file(op: str, domain: str = "", ir_version: int = 8, opset: int = 20) -> Files:
    x = helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, [20])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, None)
    made = helper.make_graph([helper.make_node(op, ["x"], ["y"], "the_node", domain=domain)], "g", [x], [y])
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(made, opset_imports=opsets)
    model.ir_version = ir_version
    return {"model.onnx": model.SerializeToString()}


AGAIN = "Please make sure the framework you select is correct"
ROWS = [
    Row(
        "TENSORFLOW",
        "InputConfiguration: Exactly one .pb or .pbtxt file is allowed for TensorFlow models.",
        {"a.pb": b"", "b/c.pbtxt": b""},
        "Exactly one .pb or .pbtxt file is allowed for TensorFlow models",
        ("found 2: a.pb, b/c.pbtxt",),
    ),
    Row(
        "TENSORFLOW",
        f"No valid TensorFlow model found in input files. {AGAIN}.",
        {"model.pb": b"\xff\xff no graph"},
        f"No valid TensorFlow model found in input files. {AGAIN}",
        ("model.pb: ", "the protobuf message does not parse"),
    ),
    Row(
        "TENSORFLOW",
        "TVM cannot convert <model zoo> model. Please make sure the framework you selected is correct. The "
        "following operators are not implemented: {<operator name>}",
        graph_file(placeholder("x", 1, 4), node("Odd", "a", ["x"]), node("Strange", "b", ["a"])),
        "The following operators are not implemented: {'Odd', 'Strange'}",
        ("model.pb: ", "Odd is not implemented: 'a'", "Strange is not implemented: 'b'"),
        OPERATOR,
    ),
    Row(
        "TENSORFLOW",
        "TVM cannot convert Tensorflow model. Please make sure the framework you selected is correct.",
        tiny("TENSORFLOW"),
        "",
        ("DataInputConfig names 'input', which is no input of the model", "'x' (float32 [?, ?, ?, 3])"),
        config='{"input": [1, 8, 8, 3]}',
    ),
    Row(
        "TENSORFLOW",
        "Framework cannot load Tensorflow model: as_list() is not defined on an unknown TensorShape.",
        of_any_rank(),
        "",
        ("model.pb: ", "the input 'x' (float32 of any rank) has no fixed size", 'such as {"x": [...]}'),
    ),
    Row(
        "KERAS",
        "InputConfiguration: No h5 file provided in <model path>",
        {"readme.txt": b"hello"},
        "No h5 file provided in",
        ("found readme.txt, expected one .h5 or .keras file",),
    ),
    Row(
        "KERAS",
        "InputConfiguration: Multiple h5 files provided, <model path>, when only one is allowed",
        {"a.h5": b"\x89HDF\r\n\x1a\n", "b.h5": b"\x89HDF\r\n\x1a\n"},
        "Multiple h5 files provided, a.h5, b.h5, when only one is allowed",
        ("a.h5, b.h5",),
    ),
    Row(
        "KERAS",
        "Unable to load provided Keras model. Error: 'sample_weight_mode'",
        broken_keras,
        "Unable to load provided Keras model. Error: ",
        ("model.h5: ", "Sequential has no config"),
    ),
    Row(
        "KERAS",
        "Input input has wrong shape in Input Shape dictionary. Input shapes should be provided in NCHW "
        "format. ",
        images_of_keras,
        "has wrong shape in Input Shape dictionary. Input shapes should be provided in NCHW format. ",
        ("Input conv_input", "Found [1, 8, 3, 8], expected [?, 3, 8, 8]", "it takes float32"),
        config='{"conv_input": [1, 8, 3, 8]}',
    ),
    Row(
        "KERAS",
        "OperatorNotImplemented:('Operator Model is not supported for frontend Keras.",
        keras(
            {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 4]}},
            {"class_name": "Lambda", "config": {"name": "mine"}},
            dense(2, "fine"),
        ),
        "Operator Lambda is not supported for frontend Keras",
        ("model.h5: ", "'mine'"),
        OPERATOR,
    ),
    Row(
        "MXNET",
        f"Only one parameter file is allowed for MXNet model. {AGAIN}.",
        mxnet({"other.params": b""}),
        f"Only one parameter file is allowed for MXNet model. {AGAIN}",
        ("found net-0001.params, other.params",),
    ),
    Row(
        "MXNET",
        "No valid Mxnet model file -symbol.json found",
        mxnet({"net-symbol.json": None}),
        "No valid Mxnet model file -symbol.json found",
        ("found net-0001.params",),
    ),
    Row(
        "MXNET",
        "Check 1. Input names and shapes matches with trained model. 2. If you are compiling MXNet model, "
        "make sure .params file only contains model weights.",
        tiny("MXNET"),
        "",
        ("DataInputConfig names 'data', which is no input of the model", "'x' (float32 [?, 3, ?, ?])"),
        config='{"data": [1, 3, 8, 8]}',
    ),
    Row(
        "MXNET",
        "CompilationError: Failed to compile MXNet model. Possible cycles in the graph.",
        circle(),
        "Possible cycles in the graph",
        (
            "net-symbol.json: ",
            "node 0 ('a'): reads [1, 0, 0], expected an output of one of the nodes before it",
        ),
    ),
    Row(
        "MXNET",
        "OperatorNotImplemented: The following operators are not implemented: {'_sample_multinomial', "
        "'RNN' }",
        mxnet(
            {
                "net-symbol.json": json.dumps(
                    {
                        "nodes": [
                            {"op": "null", "name": "data", "inputs": []},
                            {"op": "_sample_multinomial", "name": "draw", "inputs": [[0, 0, 0]]},
                        ],
                        "heads": [[1, 0, 0]],
                    }
                ).encode()
            }
        ),
        "The following operators are not",
        ("net-symbol.json: ", "_sample_multinomial (node 'draw')"),
        OPERATOR,
    ),
    Row(
        "PYTORCH",
        f"No pth file found for PyTorch model. {AGAIN}.",
        {"weights.npz": b"PK"},
        f"No pth file found for PyTorch model. {AGAIN}",
        ("expected one .pt, .pth or .pt2 file, found none among: weights.npz",),
    ),
    Row(
        "PYTORCH",
        "Invalid PyTorch model or input-shape mismatch. Make sure that inputs are lexically ordered and of "
        "the correct dimensionality. Upgrade to PyTorch 1.0 and use torch.jit.trace() and torch.jit.save()",
        checkpoint(),
        "Invalid PyTorch model",
        (
            "model.pth: ",
            "a checkpoint of training with the keys 'epoch'",
            "torch.jit.trace(model.eval(), example)",
        ),
    ),
    Row(
        "ONNX",
        "Incompatible ONNX model",
        onnx_file("Identity", ir_version=99),
        "Incompatible ONNX model",
        ("model.onnx: ", "ir_version is 99, expected 3 to"),
    ),
    Row(
        "ONNX",
        "OperatorNotImplemented:('The following operators are not supported for frontend ONNX: Range, "
        'ScatterND")',
        onnx_file("ImageDecoder"),
        "The following operators are not supported for frontend ONNX: ImageDecoder",
        ("(node the_node)",),
        OPERATOR,
    ),
    Row(
        "ONNX",
        "OperatorNotImplemented: <xxx> is not supported.",
        onnx_file("Impossible", "elsewhere"),
        "The following operators are not supported for frontend ONNX: elsewhere.Impossible",
        ("model.onnx: ", "node 'the_node' (elsewhere.Impossible)"),
        OPERATOR,
    ),
    Row(
        "ONNX",
        "OperatorAttributeRequired: Required attribute <xxx> not found in <yyy>.",
        onnx_file("Concat"),
        "Required attribute",
        ("model.onnx: ", "node 'the_node' (Concat)", "'axis'"),
    ),
    Row(
        "ONNX",
        "Exactly one {.xxx} file is allowed for {yyy} model.",
        {"a.onnx": b"", "b.onnx": b""},
        "Exactly one .onnx file is allowed for ONNX model",
        ("found 2: a.onnx, b.onnx",),
    ),
    Row(
        "TFLITE",
        "Exactly one {.xxx} file is allowed for {yyy} model.",
        {"a.txt": b""},
        "Exactly one .tflite file is allowed for TFLite model",
        ("found none among: a.txt",),
    ),
    Row(
        "DARKNET",
        "Exactly one {.xxx} file is allowed for {yyy} model.",
        {"net.cfg": b"[net]"},
        "Exactly one .weights file is allowed for Darknet model",
        ("found none among: net.cfg",),
    ),
    Row(
        "SKLEARN",
        "Exactly one {.xxx} file is allowed for {yyy} model.",
        {"a.pkl": b"", "b.joblib": b""},
        "Exactly one .pkl or .joblib file is allowed for SKLEARN model",
        ("found 2: a.pkl, b.joblib",),
    ),
    Row(
        "XGBOOST",
        f"Invalid XGBoost model. {AGAIN}. local variable 'model_objects' refere…",
        {"model.pkl": pickle.dumps({"a": 1})},
        f"Invalid XGBoost model. {AGAIN}",
        ("model.pkl", "found"),
    ),
    Row(
        "XGBOOST",
        "Exactly one {.xxx} file is allowed for {yyy} model.",
        dict.fromkeys(("a.json", "b.json"), b'{"learner": {}}'),
        "Exactly one model file is allowed for XGBoost model",
        ("found 2: a.json, b.json",),
    ),
]

ELSEWHERE = {
    "Unable to untar input model.Please confirm the model is a tar.gz file')": (
        "tests/worker/test_controller.py::test_an_input_that_is_no_tarball_fails_with_the_recorded_text"
    ),
    "S3 object does not exist. Bucket: <bucket>, Key: <bucket key>": (
        "tests/worker/test_controller.py::test_a_missing_input_fails"
    ),
    "Bucket <bucket name> is in region <region name> which is different from AWS Sagemaker service region": (
        "tests/storage/test_s3.py::test_a_bucket_of_another_region"
    ),
    "AccessDenied": "tests/storage/test_s3.py::test_wrong_keys_are_denied",
    "TimeOut": "tests/worker/test_controller.py::test_a_job_that_runs_too_long_fails",
    "There was an internal server error during the compilation job": (
        "tests/compiler/test_pipeline.py::test_an_unforeseen_fault_is_ours"
    ),
    "There was an unexpected error during compilation": (
        "tests/worker/test_controller.py::test_a_crash_of_the_compiler_fails_the_job"
    ),
    "TVM cannot convert the PyTorch model. Invalid model or input-shape mismatch.": (
        "tests/compiler/frontends/pytorch/test_pytorch.py::test_inputs_that_the_model_does_not_take"
    ),
    "We are unable to extract DataInputConfig from the model due to input_config_derivation_error.": (
        "tests/compiler/frontends/pytorch/test_pytorch.py::test_a_script_does_not"
    ),
    "CompilationError: Failed to compile PyTorch model: {xxx}": (
        "tests/compiler/frontends/pytorch/test_pytorch.py::test_what_is_not_compiled"
    ),
}
"""Texts that other tests provoke, by the real S3, the real controller, PyTorch itself."""

NEVER = (
    "Incompatible Tensorflow model",
    "Please implement aten::alias in native_ops/aten.py",
    "No operations were successfully partitioned and compiled to neuron for this model - aborting trace!",
    "ModelSizeTooBig: number of nodes in a tree can't exceed 2^31",
    "CapacityError",
)
"""Texts that cannot come up; the page says why."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.framework} {row.service[:50]}")
def test_the_text(row: Row, tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    work.input.mkdir()
    if callable(row.provoke):
        row.provoke(work.input)
    else:
        for name, content in row.provoke.items():
            (work.input / name).parent.mkdir(exist_ok=True)
            (work.input / name).write_bytes(content)
    request = CompileRequest(row.framework, "model", device="rasp4b", data_input_config=row.config)
    work.request.write_text(request.to_json())
    assert run(work) == 3
    reason = Report.from_json(work.report.read_text()).failure_reason or ""
    assert reason.startswith(row.begins)
    assert row.kept in reason
    for words in row.adds:
        assert words in reason
    assert len(reason) <= MAX_FAILURE_REASON
    assert not re.search(r"Traceback|local variable|\.py\b", reason), "no inside of ours shows"


def test_the_tests_of_other_parts_exist() -> None:
    for place in ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert f"\ndef {name}(" in (ROOT / path).read_text(), place


def test_the_page_has_every_text() -> None:
    page = PAGE.read_text()
    for text in (*(row.service for row in ROWS), *ELSEWHERE, *NEVER):
        assert text.strip() in page, text
    for place in ELSEWHERE.values():
        assert place.partition("::")[2] in page, place
