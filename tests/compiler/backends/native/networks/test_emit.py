"""Small networks of the shapes that people train: right, with the kernels and fusions that make them fast."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import detection, networks, sequences, vision
from bench.graph import Graph
from tests.onnx_suite.graphs import answers, reference


def residual_network() -> Any:
    g = Graph("residual")
    x = g.input("x", (1, 3, 33, 30))
    x = g.add("Relu", g.norm(g.conv(x, (3, 16), 7, 2), 16))
    x = g.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    x = vision._bottleneck(g, x, (16, 8), 1)
    x = vision._bottleneck(g, x, (32, 16), 2)
    return g.model(g.dense(g.add("Flatten", g.add("GlobalAveragePool", x)), (64, 10)))


def mobile_network() -> Any:
    g = Graph("mobile")
    x = vision._inverted(g, g.input("x", (2, 8, 15, 13)), (8, 8), 1, 3)
    return g.model(vision._inverted(g, x, (8, 12), 2, 3))


def winograd_network() -> Any:
    g = Graph("winograd")
    x = detection._leaky(g, g.input("x", (1, 32, 30, 31)), 32, 40)
    return g.model(g.conv(x, (40, 32), 3))


def row_network() -> Any:
    g = Graph("row")
    x = g.input("x", (1, 4, 29))
    x = g.add("Conv", x, g.weight(6, 4, 5), g.numbers(6, -1, 1), pads=[2, 2], strides=[2])
    return g.model(g.add("Sigmoid", x))


NETWORKS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "residual": (
        residual_network,
        [r"Conv \w+ \+ BatchNormalization \w+ \+ Relu", r"BatchNormalization \w+ \+ Add \w+ \+ Relu"],
    ),
    "mobile": (mobile_network, [r"ts_depthwise_\w+\(", r"Conv \w+ \+ BatchNormalization \w+ \+ Clip"]),
    "winograd": (winograd_network, [r"ts_winograd_\w+\(", r"BatchNormalization \w+ \+ LeakyRelu"]),
    "row": (row_network, [r"Conv \w+ \+ Conv \w+ \+ Sigmoid"]),
    "encoder": (
        lambda: sequences.bert(1, 32, 4, 64, length=10),
        [r"MatMul \w+ \+ Div \w+ \+ Add", r"MatMul \w+ \+ Transpose", r"Add \w+ \+ Div \w+ \+ Erf"],
    ),
    "lstm": (lambda: sequences.recurrent("LSTM", 2), [r"ts_gemm_\w+\("]),
    "gru": (lambda: sequences.recurrent("GRU", 1), [r"ts_gemm_\w+\("]),
}
"""Per name: the model, and what its C must show."""


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str, tmp_path: Path) -> None:
    make, shown = NETWORKS[name]
    model = make()
    fed = networks.inputs(model)
    for found, wanted in zip(answers(tmp_path, model, fed), reference(model, fed), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
    source = (tmp_path / "network.c").read_text()
    assert [pattern for pattern in shown if not re.search(pattern, source)] == []


@pytest.mark.parametrize("name", ["residual", "mobile", "lstm"])
def test_a_stage_stays_a_function_of_its_own_but_where_threads_share_it_or_rounds_repeat_it(
    name: str, tmp_path: Path
) -> None:
    model = NETWORKS[name][0]()
    answers(tmp_path, model, networks.inputs(model))
    source = (tmp_path / "network.c").read_text()
    stages = re.findall(r"^(\[\[gnu::noinline\]\] )?static void (stage_\d+)\(", source, re.MULTILINE)
    inside = set(re.findall(r"^static void (stage_\d+)_part\(", source, re.MULTILINE))
    for rounds in re.findall(r"^static void recurrence_\d+\(.*?^}", source, re.MULTILINE | re.DOTALL):
        inside |= set(re.findall(r"stage_\d+", rounds))
    assert len(stages) > 1
    assert {stage for apart, stage in stages if not apart} == inside
    assert name != "lstm" or inside
