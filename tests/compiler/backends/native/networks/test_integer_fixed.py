from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.compiler.backends.native.networks.test_integer_layers import Array, Graph, layers
from tests.onnx_suite.cases import as_network
from tests.onnx_suite.native import execute, host
from tinsmith.compiler.backends.native.build import build
from tinsmith.compiler.backends.native.networks.emit import emit
from tinsmith.compiler.backends.native.networks.integer_layers import IntegerLayer

ZERO_X, ZERO_Y = -7, 11
LOW, HIGH = ZERO_Y, 90
AWAY = 1 + 2.0**-40
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "image": ((1, 5, 9, 11), (21, 5, 3, 3), {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    "winograd": ((1, 32, 8, 9), (32, 32, 3, 3), {"pads": [1, 1, 1, 1]}),
    "pointwise": ((1, 16, 7, 7), (40, 16, 1, 1), {}),
    "depthwise": ((1, 19, 10, 10), (19, 1, 3, 3), {"pads": [1, 1, 1, 1], "group": 19}),
    "groups": ((1, 8, 6, 6), (8, 4, 3, 3), {"group": 2}),
}


def sums(g: Graph, shape: tuple[int, ...], kernel: tuple[int, ...], **attributes: Any) -> str:
    """Of a convolution of bytes, as floats that are whole numbers."""
    one, zero = g.constant(1), g.constant(ZERO_X, "int8")
    x = g.add("DequantizeLinear", g.input(*shape, dtype="int8"), one, zero)
    w = g.add("DequantizeLinear", g.codes(*kernel, low=-127), one, g.constant(0, "int8"))
    return g.add("Conv", x, w, **attributes)


def numbers(g: Graph, channels: int) -> tuple[Array, Array, Array]:
    """Starts, mantissas and shifts to the right."""
    mantissa = g.random.integers(2**30, 2**31, channels)
    mantissa[:2] = 2**30, 2**31 - 1
    right = g.random.integers(6, 9, channels)
    return g.random.integers(-500, 500, channels), mantissa, right


def rescale(g: Graph, total: str, start: Array, mantissa: Array, right: Array, away: float = AWAY) -> str:
    def along(values: Array) -> str:
        return g.constant(values.reshape(-1, 1, 1), "float64")

    value = g.add("Cast", total, to=11)
    value = g.add("Add", value, along(start))
    value = g.add("Mul", value, along(mantissa / 2.0**31))
    value = g.add("Floor", g.add("Add", value, g.constant(0.5, "float64")))
    value = g.add("Round", g.add("Mul", value, along(2.0**-right * away)))
    value = g.add("Add", value, g.constant(ZERO_Y, "float64"))
    value = g.add("Clip", value, g.constant(LOW, "float64"), g.constant(HIGH, "float64"))
    return g.add("Cast", value, to=3)


def by_hand(total: Array, start: Array, mantissa: Array, right: Array) -> Array:
    """The same in Python's whole numbers: halves up, then halves away from zero."""

    def one(value: int, channel: int) -> int:
        high = ((value + int(start[channel])) * int(mantissa[channel]) + 2**30) >> 31
        shift = int(right[channel])
        half = (1 << shift) >> 1
        low = (abs(high) + half >> shift) * (1 if high > 0 else -1)
        return min(max(low + ZERO_Y, LOW), HIGH)

    found = np.empty(total.shape, np.int8)
    for place in np.ndindex(total.shape):
        found[place] = one(int(total[place]), place[1])
    return found


def run(g: Graph, folder: Path) -> list[Array]:
    network, target = as_network(g.model(), list(g.inputs.values())), host()
    build(emit(network, target, folder), target, folder / target.library)
    shapes = [np.zeros(value, np.int8) for value in (spec.shape for spec in network.outputs)]
    return execute(folder / target.library, network, list(g.inputs.values()), shapes)


def convolution(g: Graph) -> Array:
    """The sums of the first nodes, as ONNX Runtime finds them."""
    alone = Graph(np.random.default_rng(8))
    alone.inputs, alone.constants, alone.nodes = g.inputs, g.constants, g.nodes[:3]
    alone.outputs = [g.nodes[2].output[0]]
    session = onnxruntime.InferenceSession(alone.model().SerializeToString())
    return np.asarray(session.run(None, alone.inputs)[0]).astype(np.int64)


@pytest.mark.parametrize("name", SHAPES)
def test_sums_are_multiplied_as_litert_does(name: str, tmp_path: Path) -> None:
    g = Graph()
    shape, kernel, attributes = SHAPES[name]
    total = sums(g, shape, kernel, **attributes)
    factors = numbers(g, kernel[0])
    g.output(rescale(g, total, *factors))
    stages = [stage for stage in layers(g) if isinstance(stage, IntegerLayer)]
    assert [stage.fixed is not None for stage in stages] == [True]
    (found,) = run(g, tmp_path)
    wanted = by_hand(convolution(g), *factors)
    assert len(np.unique(wanted)) > 15
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("away", [1.0, 1 + 2.0**-20])
def test_other_roundings_are_left_as_they_are(away: float) -> None:
    g = Graph()
    shape, kernel, attributes = SHAPES["pointwise"]
    g.output(rescale(g, sums(g, shape, kernel, **attributes), *numbers(g, kernel[0]), away=away))
    assert all(stage.fixed is None for stage in layers(g) if isinstance(stage, IntegerLayer))
