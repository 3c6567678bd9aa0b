"""What TensorFlow says of a model that the frontend changed in reading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compiler.frontends.tensorflow.graphs import DATA, answers, const, graph, node, placeholder
from tinsmith.compiler import toolchains
from tinsmith.compiler.frontends.tensorflow import read
from tinsmith.compiler.frontends.tensorflow.messages import SavedModel
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError
from tinsmith.spec.request import CompileRequest

X = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def toolchain() -> None:
    try:
        toolchains.find("tensorflow")
    except ClientError as error:
        pytest.skip(str(error))


def network(folder: Path, config: Any) -> Network:
    return read(
        folder,
        CompileRequest("TENSORFLOW", "model", device="ml_c5", data_input_config=json.dumps(config)),
    )


def dropout(keep: Any) -> Any:
    """A graph of TensorFlow 1: y = 2 x, with dropout before it."""
    return graph(
        placeholder("x", 20, 3),
        keep,
        const("shape", [20, 3], np.int32),
        node("RandomUniform", "dropout/random", ["shape"], T=3, dtype=1, seed=0, seed2=0),
        node("Add", "dropout/add", ["keep", "dropout/random"], T=1),
        node("Floor", "dropout/Floor", ["dropout/add"], T=1),
        node("RealDiv", "dropout/div", ["x", "keep"], T=1),
        node("Mul", "dropout/mul", ["dropout/div", "dropout/Floor", "^dropout/add"], T=1),
        const("two", 2),
        node("Mul", "y", ["dropout/mul", "two"], T=1),
    )


@pytest.mark.parametrize("keep", [placeholder("keep"), const("keep", 0.5)], ids=["fed", "constant"])
def test_a_frozen_graph_without_its_dropout(keep: Any, tmp_path: Path) -> None:
    (tmp_path / "model.pb").write_bytes(dropout(keep).SerializeToString())
    config = {"x": [20, 3], "keep": []} if keep.op == "Placeholder" else {"x": [20, 3]}
    made = network(tmp_path, config)
    assert made.original is not None
    values = [X, np.array(0.5, np.float32)][: len(config)]
    (found,) = made.original.answer([tuple(values)])
    assert np.array_equal(found[0], 2 * X)


def test_a_saved_model_without_its_dropout(tmp_path: Path) -> None:
    saved = SavedModel()
    meta = saved.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    meta.graph_def.CopyFrom(dropout(const("keep", 0.5)))
    signature = meta.signature_def["serving_default"]
    for role, name in ((signature.inputs["x"], "x:0"), (signature.outputs["y"], "y:0")):
        role.name, role.dtype = name, 1
        for size in X.shape:
            role.tensor_shape.dim.add(size=size)
    signature.method_name = "tensorflow/serving/predict"
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    made = network(tmp_path, {"x": [20, 3]})
    assert made.original is not None
    (found,) = made.original.answer([(X,)])
    assert np.array_equal(found[0], 2 * X)


def test_a_saved_model_that_is_not_training() -> None:
    inputs, outputs = answers("first")
    made = network(DATA / "first", {"scope/x:0": [2, 4]})
    assert made.original is not None
    (found,) = made.original.answer([(inputs["x"],)])
    np.testing.assert_allclose(found[0], outputs["y"], atol=1e-6)
