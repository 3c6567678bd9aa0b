from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.onnx_suite.nodes import Nodes
from tinsmith.errors import ClientError

Array = np.ndarray[Any, Any]

EDGES = np.array(
    [0.0, 1.0, -1.0, 0.5, -0.5, 3.0, -3.0, 1e-30, -1e-30, 90.0, -90.0, 1e4, -1e4, np.inf, -np.inf, np.nan]
)
GELU = math.sqrt(2 / math.pi)
erf = np.vectorize(math.erf, otypes=[float])


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


FUNCTIONS: list[tuple[str, dict[str, Any], Callable[[Array], Array]]] = [
    ("Relu", {}, lambda x: np.maximum(x, 0)),
    ("Sigmoid", {}, logistic),
    ("Softplus", {}, softplus),
    ("Softsign", {}, lambda x: np.where(np.isinf(x), np.nan, x / (1 + abs(x)))),
    ("Mish", {}, lambda x: x * np.tanh(softplus(x))),
    ("HardSigmoid", {}, lambda x: np.clip(np.float32(0.2) * x + 0.5, 0, 1)),
    ("HardSigmoid", {"alpha": 0.5, "beta": 0.25}, lambda x: np.clip(0.5 * x + 0.25, 0, 1)),
    ("HardSwish", {}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    ("Swish", {"alpha": 1.5}, lambda x: x * logistic(1.5 * x)),
    ("Gelu", {}, lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2)))),
    ("Gelu", {"approximate": "tanh"}, lambda x: 0.5 * x * (1 + np.tanh(GELU * (x + 0.044715 * x**3)))),
    ("Elu", {"alpha": 2.0}, lambda x: np.where(x < 0, 2 * np.expm1(x), x)),
    ("Celu", {"alpha": 2.0}, lambda x: np.where(x < 0, 2 * np.expm1(x / 2), x)),
    ("Selu", {"alpha": 2.0, "gamma": 3.0}, lambda x: 3 * np.where(x > 0, x, 2 * np.expm1(x))),
    ("LeakyRelu", {}, lambda x: np.where(x < 0, np.float32(0.01) * x, x)),
    ("LeakyRelu", {"alpha": 0.125}, lambda x: np.where(x < 0, 0.125 * x, x)),
    ("ThresholdedRelu", {"alpha": 0.75}, lambda x: np.where(x > 0.75, x, 0)),
    (
        "Shrink",
        {"lambd": 0.75, "bias": 0.25},
        lambda x: np.sign(x) * np.where(abs(x) > 0.75, abs(x) - 0.25, 0),
    ),
]


def test_activations_of_every_float_type(nodes: Nodes) -> None:
    for dtype, tolerance in (("float32", 2e-6), ("float64", 1e-13), ("float16", 2**-10), ("bfloat16", 2**-7)):
        kind = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
        x = EDGES.astype(kind)
        wide = x.astype(np.float64)
        for op, attributes, function in FUNCTIONS:
            with np.errstate(all="ignore"):
                wanted = function(wide)
                if op in ("Shrink", "ThresholdedRelu"):
                    wanted = np.where(np.isnan(wide), 0, wanted)
                nodes.add(op, x, expected=wanted.astype(kind), tolerance=tolerance, **attributes)
    nodes.run()


def test_shapes_without_and_with_few_elements(nodes: Nodes) -> None:
    for shape in ((), (0,), (1,), (3, 0, 2), (5, 7)):
        x = np.linspace(-2, 2, math.prod(shape), dtype=np.float32).reshape(shape)
        nodes.add("Relu", x, expected=np.maximum(x, 0))
        nodes.add("Elu", x, expected=np.where(x < 0, np.expm1(x), x))
    nodes.run()


def test_integers(nodes: Nodes) -> None:
    x = np.array([-100, -2, -1, 0, 1, 2, 100], np.int8)
    nodes.add("Relu", x, expected=np.maximum(x, 0))
    nodes.add("Shrink", x, expected=np.array([-99, -1, 0, 0, 0, 1, 99], np.int8), lambd=1.5, bias=1.0)
    wide, slope = x.astype(np.int32), np.array([3], np.int32)
    nodes.add("PRelu", wide, slope, expected=np.where(wide < 0, wide * 3, wide))
    unsigned = np.array([0, 1, 2**32 - 1], np.uint32)
    nodes.add("PRelu", unsigned, np.array([3], np.uint32), expected=unsigned)
    nodes.run()


def test_slopes_are_broadcast_one_way(nodes: Nodes) -> None:
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    for shape in ((), (1,), (4,), (3, 1), (2, 3, 4)):
        slope = np.linspace(0.1, 0.9, math.prod(shape), dtype=np.float32).reshape(shape)
        nodes.add("PRelu", x, slope, expected=np.where(x < 0, x * slope, x))
    nodes.run()


def test_a_slope_larger_than_the_input_is_refused(nodes: Nodes) -> None:
    nodes.add(
        "PRelu", np.zeros(3, np.float32), np.zeros((2, 3), np.float32), expected=np.zeros(3, np.float32)
    )
    with pytest.raises(ClientError, match=r"a slope of shape \(2, 3\) for an input of shape \(3,\)"):
        nodes.run()


def test_gated_activation(nodes: Nodes) -> None:
    nodes.opset = 28
    a, b = np.linspace(-5, 5, 11, dtype=np.float32), np.linspace(2, -3, 11, dtype=np.float32)
    nodes.add("SwiGLU", a, b, expected=a * logistic(a) * b)
    nodes.add("SwiGLU", a, b, expected=a * logistic(a * np.float32(0.5)) * b, alpha=0.5)
    nodes.run()


def test_activations_of_optimised_files(nodes: Nodes) -> None:
    x, bias = EDGES[:7].astype(np.float32), np.array(0.5, np.float32)
    total = (x + bias).astype(np.float64)
    exact, near = (function for op, _, function in FUNCTIONS if op == "Gelu")
    domain = "com.microsoft"
    nodes.add("Gelu", x, expected=exact(x.astype(np.float64)).astype(np.float32), domain=domain)
    nodes.add("BiasGelu", x, bias, expected=exact(total).astype(np.float32), domain=domain)
    nodes.add("FastGelu", x, expected=near(x.astype(np.float64)).astype(np.float32), domain=domain)
    nodes.add("FastGelu", x, bias, expected=near(total).astype(np.float32), domain=domain)
    quick = x * logistic(np.float32(1.702) * x)
    nodes.add("QuickGelu", x, expected=quick, domain=domain)
    nodes.run()


def test_dropout_keeps_everything(nodes: Nodes) -> None:
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    ratio, off, on = np.array(0.5, np.float32), np.array(False), np.array(True)
    nodes.add("Dropout", x, expected=x)
    nodes.add("Dropout", x, ratio, expected=[x, np.ones((2, 3), bool)])
    nodes.add("Dropout", x, ratio, off, expected=[x, np.ones((2, 3), bool)], constant=[2])
    nodes.add("Dropout", x, np.array(0, np.float32), on, expected=x, constant=[1, 2])
    nodes.run()


def test_dropout_in_training_is_refused(nodes: Nodes) -> None:
    x = np.zeros(3, np.float32)
    nodes.add("Dropout", x, np.array(0.5, np.float32), np.array(True), expected=x, constant=[1, 2])
    nodes.add("Dropout", x, np.array(0.5, np.float32), np.array(True), expected=x)
    with pytest.raises(ClientError) as error:
        nodes.run()
    assert "training_mode with a ratio other than 0 draws random numbers" in str(error.value)
    assert "training_mode is not a constant" in str(error.value)
