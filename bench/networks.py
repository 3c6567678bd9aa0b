"""The networks of the benchmark: those built here from fixed seeds, their weights random, and the public
ones of the corpus.

Random weights say nothing about accuracy on a task; numbers are compared with numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from bench import detection, graph, sequences, vision

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests" / "corpus"
CORPUS = Path(os.environ.get("TINSMITH_CORPUS", ROOT / ".cache" / "corpus"))

BUILT: dict[str, Callable[[int], onnx.ModelProto]] = {
    "mlp": sequences.mlp,
    "lstm": lambda batch: sequences.recurrent("LSTM", batch),
    "gru": lambda batch: sequences.recurrent("GRU", batch),
    "mobilenetv2": vision.mobilenetv2,
    "mobilenetv3-large": vision.mobilenetv3_large,
    "ssd-mobilenetv2": detection.ssd_mobilenetv2,
    "vit-tiny": vision.vit_tiny,
    "yolov3-tiny": detection.yolov3_tiny,
    "yolov8n": detection.yolov8n,
    "resnet50": vision.resnet50,
    "minilm-s128": lambda batch: sequences.bert(6, 384, 12, 1536, batch=batch),
    "bert-base-s128": lambda batch: sequences.bert(12, 768, 12, 3072, batch=batch),
}
"""By batch size."""


def _corpus() -> dict[str, dict[str, Any]]:
    models = json.loads((TESTS / "manifest.json").read_text())["models"]
    return {
        model["id"].removeprefix("onnx-"): model
        for model in models
        if model["framework"] == "ONNX" and model["expect"] == "compile"
    }


PUBLIC = _corpus()
"""Entries of the corpus; their batch is that of the recorded inputs."""

BATCHED = ("mlp", "lstm", "gru", "mobilenetv2", "vit-tiny", "resnet50", "minilm-s128")
"""Those that are also measured with a batch of 8."""

OPEN_SHAPES = ("silero-vad",)
"""With fixed inputs, a branch that is never taken becomes impossible, and ONNX Runtime refuses the file."""

NETWORKS = (*BUILT, *PUBLIC)


def provide(name: str, batch: int, folder: Path) -> None:
    """`folder`/model.onnx with fixed shapes, and inputs.npz; made again when what makes them has changed."""
    mark, digest = folder / "made-from", _digest()
    if mark.exists() and mark.read_text() == digest:
        return
    folder.mkdir(parents=True, exist_ok=True)
    model, fed = _public(name) if name in PUBLIC else _built(name, batch)
    onnx.save(model, folder / "model.onnx")
    np.savez(folder / "inputs.npz", **fed)
    mark.write_text(digest)


def _digest() -> str:
    """Of what builds networks and lists the corpus."""
    paths = [Path(str(module.__file__)) for module in (detection, graph, sequences, vision)]
    content = b"".join(path.read_bytes() for path in [*paths, Path(__file__), TESTS / "manifest.json"])
    return hashlib.sha256(content).hexdigest()


def _built(name: str, batch: int) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    model = BUILT[name](batch)
    return model, inputs(model)


def inputs(model: onnx.ModelProto, seed: int = 1) -> dict[str, np.ndarray]:
    """Normal numbers, ids of words, masks of ones."""
    random = np.random.default_rng(seed)
    fed = {}
    for value in model.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            fed[value.name] = random.standard_normal(shape).astype(np.float32)
        else:
            fed[value.name] = (
                np.ones(shape, np.int64) if value.name == "mask" else random.integers(0, 30000, shape)
            )
    return fed


def _public(name: str) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Fed with the first of the recorded inputs, whose shapes every engine gets to know."""
    entry = PUBLIC[name]
    with tarfile.open(CORPUS / entry["id"] / "model.tar.gz") as archive:
        member = next(member for member in archive if member.name.endswith(".onnx"))
        content = archive.extractfile(member)
        assert content
        model = onnx.load_model_from_string(content.read())
    given = entry["reference"]["inputs"]
    with np.load(TESTS / entry["reference"]["file"]) as recorded:
        fed = {tensor["name"]: recorded[f"s0_in{number}"] for number, tensor in enumerate(given)}
    if name not in OPEN_SHAPES:
        _fix(model.graph, fed)
    _strip_maps(model.graph)
    return model, fed


def _fix(graph: onnx.GraphProto, fed: dict[str, np.ndarray]) -> None:
    """Gives the inputs the shapes of what they are fed."""
    for value in graph.input:
        if value.name in fed:
            dims = value.type.tensor_type.shape.dim
            for dim, size in zip(dims, fed[value.name].shape, strict=True):
                dim.dim_value = size


def _strip_maps(graph: onnx.GraphProto) -> None:
    """Gives out the tensor that a last ZipMap would turn into Python dictionaries."""
    for node in [node for node in graph.node if node.op_type == "ZipMap"]:
        graph.node.remove(node)
        output = next(value for value in graph.output if value.name == node.output[0])
        output.CopyFrom(onnx.helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, None))
