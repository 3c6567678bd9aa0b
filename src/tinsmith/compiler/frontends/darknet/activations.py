"""Darknet's activations, each by the formula that Darknet computes."""

from __future__ import annotations

from collections.abc import Callable

from tinsmith.compiler.shaping.builder import Value

Activation = Callable[[Value], Value]


def _between(x: Value, low: float, below: Value, high: float, above: Value, inside: Value) -> Value:
    """`below` where x < low, `above` where x > high, `inside` elsewhere."""
    upper = x.op("Greater", high).op("Where", above, inside)
    return x.op("Less", low).op("Where", below, upper)


def _stair(x: Value) -> Value:
    """Even floors are flat, odd ones rise."""
    floor = x.op("Floor")
    odd = floor - (floor * 0.5).op("Floor") * 2.0
    return (x - floor) * odd + (x * 0.5).op("Floor")


ACTIVATIONS: dict[str, Activation] = {
    "linear": lambda x: x,
    "logistic": lambda x: x.op("Sigmoid"),
    "loggy": lambda x: x.op("Sigmoid") * 2.0 - 1.0,
    "relu": lambda x: x.op("Relu"),
    "relu6": lambda x: x.op("Clip", 0.0, 6.0),
    "elu": lambda x: x.op("Elu", alpha=1.0),
    "selu": lambda x: x.op("Selu", alpha=1.6732, gamma=1.0507),
    "relie": lambda x: x.op("LeakyRelu", alpha=0.01),
    "ramp": lambda x: x.op("Relu") + x * 0.1,
    "leaky": lambda x: x.op("LeakyRelu", alpha=0.1),
    "tanh": lambda x: x.op("Tanh"),
    "plse": lambda x: _between(x, -4.0, (x + 4.0) * 0.01, 4.0, (x - 4.0) * 0.01 + 1.0, x * 0.125 + 0.5),
    "stair": _stair,
    "hardtan": lambda x: x.op("Clip", -1.0, 1.0),
    "lhtan": lambda x: _between(x, 0.0, x * 0.001, 1.0, (x - 1.0) * 0.001 + 1.0, x),
    "swish": lambda x: x * x.op("Sigmoid"),
    "mish": lambda x: x.op("Mish"),
    "hard_mish": lambda x: _between(x, -2.0, x * 0.0, 0.0, x, x * 0.5 * (x + 2.0)),
    "gelu": lambda x: x.op("Gelu", approximate="tanh"),
}
"""By the names that a .cfg has; the last four are of AlexeyAB's Darknet."""
