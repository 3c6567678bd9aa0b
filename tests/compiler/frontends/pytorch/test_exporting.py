"""Models that PyTorch itself made, traced, scripted and exported, against its own outputs."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir
import onnxruntime
import pytest

from tests.compiler.frontends.pytorch.conftest import Zoo
from tinsmith.compiler.frontends.pytorch.inputs import Wanted
from tinsmith.compiler.frontends.pytorch.message import tidy
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.shaping import Origin, shape

TOLERANCE = 1e-4  # of the largest element of an output
UNBUILT: set[str] = set()
"""PyTorch itself does not script these."""
NETWORKS = (
    *("resnet", "mobilenet", "densenet", "inception", "squeezenet", "shufflenet", "yolo", "bert", "stacked"),
    "returning",
)


def network(zoo: Zoo, name: str) -> Network:
    answer = zoo.answers[name]
    inputs = [Wanted(one["name"], one["dtype"], tuple(one["shape"])) for one in answer["inputs"]]
    model = onnx.load(zoo.folder / f"{name}.onnx")
    tidy(model, inputs, answer["outputs"])
    return shape(model, Origin("PYTORCH", zoo.folder, zoo.folder / f"{name}.onnx"), None)


def test_every_model_is_converted(zoo: Zoo) -> None:
    failed = {name: answer for name, answer in zoo.answers.items() if "inputs" not in answer}
    assert {name for name, answer in failed.items() if "unbuilt" in answer} == UNBUILT
    assert {name: answer for name, answer in failed.items() if "unbuilt" not in answer} == {}
    assert len(zoo.answers) > 100


def test_they_compute_what_pytorch_does(zoo: Zoo) -> None:
    wrong = {}
    for name, answer in zoo.answers.items():
        if "inputs" in answer:
            try:
                check(zoo, name)
            except Exception as error:
                wrong[name] = f"{type(error).__name__}: {error}"[:300]
    assert wrong == {}


def check(zoo: Zoo, name: str) -> None:
    read = network(zoo, name)
    message = onnx_ir.to_proto(read.graph).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # float16 stays so
    session = onnxruntime.InferenceSession(message, options, providers=["CPUExecutionProvider"])
    with np.load(zoo.folder / f"{name}.npz") as arrays:
        feed = {spec.name: arrays[f"in{number}"] for number, spec in enumerate(read.inputs)}
        wanted = [arrays[f"out{number}"] for number in range(sum(one.startswith("out") for one in arrays))]
    found = session.run([spec.name for spec in read.outputs], feed)
    assert [(x.shape, x.dtype) for x in found] == [(x.shape, x.dtype) for x in wanted]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE * float(np.abs(want).max() or 1))


@pytest.mark.parametrize("name", NETWORKS)
def test_scripted_networks_have_neither_conditions_nor_lists(zoo: Zoo, name: str) -> None:
    kinds = {node.op_type for node in network(zoo, f"{name}_scripted").graph.graph}
    assert kinds.isdisjoint({"If", "Loop", "SequenceInsert", "SequenceConstruct"})


@pytest.mark.parametrize("way", ["traced", "scripted", "exported"])
def test_nodes_have_the_names_of_layers(zoo: Zoo, way: str) -> None:
    names = [node.name or "" for node in network(zoo, f"resnet_{way}").graph.graph]
    assert any(name.startswith("/layer2/0/conv1/") for name in names)
    assert any(name.startswith("/fc/") for name in names)


def test_outputs_have_the_keys_of_dictionaries(zoo: Zoo) -> None:
    for way in ("traced", "exported"):
        assert zoo.answers[f"bert_{way}"]["outputs"] == ["last_hidden_state", "pooler_output"]
    assert zoo.answers["dictionary_scripted"]["outputs"] == ["logits", "output1"]  # an input is x
    assert zoo.answers["lstm_traced"]["outputs"] == ["output0", "output1", "output2"]


def test_inputs_have_the_names_of_arguments(zoo: Zoo) -> None:
    names = {name: [one["name"] for one in zoo.answers[name]["inputs"]] for name in zoo.answers}
    assert names["bert_exported"] == names["bert_traced"] == ["input_ids", "attention_mask"]
    assert names["dictionary_scripted"] == ["x", "state.0", "state.1"]
    assert names["lists_scripted"] == ["xs.0", "xs.1", "last"]
    assert zoo.answers["checked_scripted"]["inputs"][1] == {"name": "scale", "dtype": "int64", "shape": []}
