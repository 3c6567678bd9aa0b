"""Activation functions, by their names and as layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.config import Layer
from tinsmith.compiler.frontends.keras.layers.registry import Use, layer
from tinsmith.compiler.frontends.keras.tensor import Tensor
from tinsmith.compiler.shaping.builder import Operand

Function = Callable[[Use, Tensor], Tensor]


def activated(use: Use, x: Tensor, key: str = "activation") -> Tensor:
    """`x` after the activation that the layer names under `key`."""
    return apply(use, x, use.layer.config.get(key))


def apply(use: Use, x: Tensor, value: Any) -> Tensor:
    """`x` after the activation that `value` stands for: a name, a function or a layer."""
    name = activation_name(value)
    if name in FUNCTIONS:
        return FUNCTIONS[name](use, x)
    inner = Layer(name, f"{use.layer.name}/{name}", dict(value.get("config") or {}), use.layer.origin)
    result: Tensor = use.convert(inner, x)
    return result


def activation_name(value: Any) -> str:
    """The name of a function, or the class of a layer that serves as one."""
    if value is None:
        return "linear"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        config, kind = value.get("config"), value.get("class_name")
        if isinstance(config, str):
            return config
        return str(kind)
    return str(value)


def _operator(name: str, **attributes: Any) -> Function:
    return lambda use, x: use.add(name, x, **attributes)


def _hard_sigmoid(use: Use, x: Tensor) -> Tensor:
    """Its slope was 0.2 until Keras 3 made it 1/6."""
    return use.add("HardSigmoid", x, alpha=hard_slope(use), beta=0.5)


def hard_slope(use: Use) -> float:
    """The slope of hard_sigmoid in the version that saved the model."""
    return 0.2 if use.layer.origin.version[0] < 3 else 1 / 6


def _sigmoid_gated(use: Use, x: Tensor) -> Tensor:
    return use.add("Mul", x, use.add("Sigmoid", x))


def _clip(use: Use, x: Tensor, low: float | None, high: float | None) -> Tensor:
    return use.add("Clip", x, low, high)


def _shrink(use: Use, x: Tensor) -> Tensor:
    return use.add("Shrink", x, lambd=0.5, bias=0.5)


def _squareplus(use: Use, x: Tensor) -> Tensor:
    root = use.add("Sqrt", use.add("Add", use.add("Mul", x, x), 4.0))
    return use.add("Mul", use.add("Add", x, root), 0.5)


def _sparse_plus(use: Use, x: Tensor) -> Tensor:
    square = use.add("Mul", use.add("Mul", use.add("Add", x, 1.0), use.add("Add", x, 1.0)), 0.25)
    upper = use.add("Where", use.add("Less", x, 1.0), square, x)
    return use.add("Where", use.add("LessOrEqual", x, -1.0), np.zeros((), x.dtype), upper)


def _glu(use: Use, x: Tensor) -> Tensor:
    first, second = use.several("Split", 2, x, axis=-1, num_outputs=2)
    return use.add("Mul", first, use.add("Sigmoid", second))


def _sparsemax(use: Use, x: Tensor) -> Tensor:
    """As Keras computes it: by the sum of the running sums, where the definition has the last of them."""
    size = x.shape[-1]
    values = use.several("TopK", 2, x, np.array([size], np.int64), axis=-1)[0]
    order = np.arange(1, size + 1, dtype=x.dtype)
    sums = use.add("CumSum", values, np.array(x.rank - 1, np.int64))
    support = use.add("Greater", use.add("Add", use.add("Mul", values, order), 1.0), sums)
    counted = support.cast(x.dtype)
    count = use.add("ReduceSum", counted, np.array([-1], np.int64))
    total = use.add("ReduceSum", use.add("Mul", counted, sums), np.array([-1], np.int64))
    threshold = use.add("Div", use.add("Sub", total, 1.0), count)
    return use.add("Relu", use.add("Sub", x, threshold))


FUNCTIONS: dict[str, Function] = {
    "linear": lambda use, x: x,
    "relu": _operator("Relu"),
    "relu6": lambda use, x: _clip(use, x, 0.0, 6.0),
    "sigmoid": _operator("Sigmoid"),
    "hard_sigmoid": _hard_sigmoid,
    "tanh": _operator("Tanh"),
    "softmax": _operator("Softmax", axis=-1),
    "log_softmax": _operator("LogSoftmax", axis=-1),
    "softplus": _operator("Softplus"),
    "softsign": _operator("Softsign"),
    "elu": _operator("Elu"),
    "selu": _operator("Selu"),
    "celu": _operator("Celu"),
    "gelu": _operator("Gelu"),
    "exponential": _operator("Exp"),
    "swish": _sigmoid_gated,
    "silu": _sigmoid_gated,
    "hard_swish": _operator("HardSwish"),
    "hard_silu": _operator("HardSwish"),
    "mish": _operator("Mish"),
    "leaky_relu": _operator("LeakyRelu", alpha=0.2),
    "log_sigmoid": lambda use, x: use.add("Neg", use.add("Softplus", use.add("Neg", x))),
    "hard_tanh": lambda use, x: _clip(use, x, -1.0, 1.0),
    "hard_shrink": lambda use, x: use.add("Shrink", x, lambd=0.5, bias=0.0),
    "soft_shrink": _shrink,
    "tanh_shrink": lambda use, x: use.add("Sub", x, use.add("Tanh", x)),
    "squareplus": _squareplus,
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": lambda use, x: _clip(use, use.add("Add", use.add("Mul", x, 0.5), 0.5), 0.0, 1.0),
    "sparsemax": _sparsemax,
    "glu": _glu,
}
FUNCTIONS["identity"] = FUNCTIONS["linear"]


@layer("Activation", keeps_mask=True)
def _activation(use: Use, x: Tensor) -> Tensor:
    return activated(use, x)


@layer("ReLU", keeps_mask=True)
def _relu(use: Use, x: Tensor) -> Tensor:
    high, threshold = use.get("max_value"), float(use.get("threshold", 0.0))
    slope = float(use.get("negative_slope", 0.0))
    if threshold == 0 and slope == 0:
        return use.add("Relu", x) if high is None else _clip(use, x, 0.0, float(high))
    if slope == 0:
        below: Operand = np.zeros((), x.dtype)
    else:
        below = use.add("Mul", use.add("Sub", x, threshold), slope)
    result = use.add("Where", use.add("GreaterOrEqual", x, threshold), x, below)
    return result if high is None else use.add("Min", result, float(high))


@layer("LeakyReLU", keeps_mask=True)
def _leaky_relu(use: Use, x: Tensor) -> Tensor:
    slope = use.get("negative_slope", use.get("alpha", 0.3))
    return use.add("LeakyRelu", x, alpha=_number(slope))


@layer("PReLU", slots=lambda _: ("alpha",), keeps_mask=True)
def _prelu(use: Use, x: Tensor) -> Tensor:
    return use.add("PRelu", x, use.weight("alpha"))


@layer("ELU", keeps_mask=True)
def _elu(use: Use, x: Tensor) -> Tensor:
    return use.add("Elu", x, alpha=_number(use.get("alpha", 1.0)))


@layer("ThresholdedReLU", keeps_mask=True)
def _thresholded(use: Use, x: Tensor) -> Tensor:
    return use.add("ThresholdedRelu", x, alpha=_number(use.get("theta", 1.0)))


@layer("Softmax", keeps_mask=True)
def _softmax(use: Use, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Where the mask is false, a large number is taken off; axes after one another count as one."""
    if x.mask is not None and x.mask.rank == x.rank:
        penalty = use.add("Where", x.mask, np.zeros((), x.dtype), np.array(-3e38, x.dtype))
        x = use.add("Add", x, penalty)
    axis = use.get("axis", -1)
    if isinstance(axis, int):
        return use.add("Softmax", x, axis=axis)
    axes = sorted(number % x.rank for number in axes_of(axis))
    rest = [number for number in range(x.rank) if number not in axes]
    order = rest + axes
    moved = x.transpose(*order)
    flat = moved.reshape(*(x.shape[number] for number in rest), math.prod(x.shape[n] for n in axes))
    found = use.add("Softmax", flat, axis=-1).reshape(*moved.shape)
    return found.transpose(*[order.index(number) for number in range(x.rank)])


def axes_of(value: Any) -> list[int]:
    """One axis or several, as a list."""
    return [value] if isinstance(value, int) else [int(axis) for axis in value]


def _number(value: Any) -> float:
    """A number; early versions wrote it as an array of one."""
    if isinstance(value, Mapping):
        value = value.get("value")
    return float(np.asarray(value, np.float64).reshape(-1)[0])
