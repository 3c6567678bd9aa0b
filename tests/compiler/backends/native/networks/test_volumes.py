"""Convolutions over volumes: compiled, against ONNX Runtime; and what they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.onnx_suite.cases import as_network, difference
from tests.onnx_suite.graphs import answers, parsed, reference
from tinsmith.compiler.backends.native.networks.layers import Layer, find_layers
from tinsmith.compiler.backends.native.networks.volumes import flatten_volumes
from tinsmith.compiler.ir.loops import Contract
from tinsmith.compiler.operators.lower import lower

Array = np.ndarray[Any, Any]

NODES = {
    "same": "biased = Conv<pads=[1,1,1,1,1,1]>(x, w, b) same = Relu(biased)",
    "added": "inner = Conv<pads=[1,1,1,1,1,1]>(x, w) sum = Add(inner, x) added = Tanh(sum)",
    "strided": "strided = Conv<strides=[2,1,2], pads=[2,0,1,0,1,1]>(x, w)",
    "spread": "spread = Conv<strides=[2,1,1], dilations=[3,2,1], pads=[1,2,1,2,2,1]>(x, w, b)",
    "depthwise": "depthwise = Conv<group=8, pads=[0,1,1,1,1,1]>(x, single)",
    "groups": "wide = Concat<axis=1>(x, x) groups = Conv<group=2>(wide, halves)",
    "flat": "flat = Conv(x, point)",
    "larger": "larger = ConvTranspose<strides=[2,2,2], pads=[1,1,1,0,0,0]>(x, w)",
}
WEIGHTS = {
    "w": (8, 8, 3, 3, 3),
    "b": (8,),
    "single": (8, 1, 3, 3, 3),
    "halves": (16, 8, 2, 3, 3),
    "point": (5, 8, 1, 1, 1),
}


def volumes(batch: int, *names: str) -> onnx.ModelProto:
    """The nodes `names` of NODES, over `batch` volumes."""
    outputs = ", ".join(f"float[{', '.join(f'{name}{axis}' for axis in range(5))}] {name}" for name in names)
    nodes = "\n".join(NODES[name] for name in names)
    model = parsed(f"g (float[{batch},8,7,6,5] x) => ({outputs}) {{ {nodes} }}")
    random = np.random.default_rng(3)
    model.graph.initializer.extend(
        numpy_helper.from_array((random.standard_normal(shape) / 14).astype(np.float32), name)
        for name, shape in WEIGHTS.items()
    )
    return model


def given(batch: int) -> dict[str, Array]:
    return {"x": np.random.default_rng(4).standard_normal((batch, 8, 7, 6, 5)).astype(np.float32)}


@pytest.mark.parametrize("batch", [1, 2])
def test_every_way_to_go_through_a_volume(tmp_path: Path, batch: int) -> None:
    model, inputs = volumes(batch, *NODES), given(batch)
    assert not difference(answers(tmp_path, model, inputs), reference(model, inputs), 1e-4, 1e-5)


@pytest.mark.parametrize(
    ("name", "firsts"), [("same", [0, 1, 2]), ("strided", [0, 10, 1]), ("spread", [0, 11, 3]), ("flat", [0])]
)
def test_a_layer_for_every_step_through_the_depth(name: str, firsts: list[int]) -> None:
    """Two volumes; the second step of stride 2 reads the odd slices, which lie behind all even ones."""
    loops = flatten_volumes(find_layers(lower(as_network(volumes(2, name), list(given(2).values())))))
    layers = [stage for stage in loops.stages if isinstance(stage, Layer)]
    assert [layer.first for layer in layers] == firsts
    assert {layer.x.rank for layer in layers} == {4}
    assert not any(isinstance(stage, Contract) for stage in loops.stages)
