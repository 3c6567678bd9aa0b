"""Darknet's activations, each by the formula that Darknet computes."""

from __future__ import annotations

from collections.abc import Callable

from tinsmith.compiler.shaping.message import Message

Activation = Callable[["Maker", str], str]


class Maker:
    """Adds the nodes of one layer."""

    def __init__(self, message: Message, layer: str) -> None:
        self.message = message
        self.layer = layer

    def __call__(self, operator: str, *inputs: str | float, **attributes: object) -> str:
        """The output of a new node; numbers among `inputs` become float32 constants."""
        names = [value if isinstance(value, str) else self.message.constant(float(value)) for value in inputs]
        return self.message.add(self.layer, operator, *names, **attributes)


def _between(make: Maker, x: str, low: float, below: str, high: float, above: str, inside: str) -> str:
    """`below` where x < low, `above` where x > high, `inside` elsewhere."""
    upper = make("Where", make("Greater", x, high), above, inside)
    return make("Where", make("Less", x, low), below, upper)


def _loggy(make: Maker, x: str) -> str:
    return make("Sub", make("Mul", make("Sigmoid", x), 2.0), 1.0)


def _ramp(make: Maker, x: str) -> str:
    return make("Add", make("Relu", x), make("Mul", x, 0.1))


def _plse(make: Maker, x: str) -> str:
    below = make("Mul", make("Add", x, 4.0), 0.01)
    above = make("Add", make("Mul", make("Sub", x, 4.0), 0.01), 1.0)
    return _between(make, x, -4.0, below, 4.0, above, make("Add", make("Mul", x, 0.125), 0.5))


def _stair(make: Maker, x: str) -> str:
    """Even floors are flat, odd ones rise."""
    floor = make("Floor", x)
    half = make("Floor", make("Mul", x, 0.5))
    odd = make("Sub", floor, make("Mul", make("Floor", make("Mul", floor, 0.5)), 2.0))
    return make("Add", make("Mul", make("Sub", x, floor), odd), half)


def _hardtan(make: Maker, x: str) -> str:
    return make("Clip", x, -1.0, 1.0)


def _lhtan(make: Maker, x: str) -> str:
    above = make("Add", make("Mul", make("Sub", x, 1.0), 0.001), 1.0)
    return _between(make, x, 0.0, make("Mul", x, 0.001), 1.0, above, x)


def _hard_mish(make: Maker, x: str) -> str:
    rising = make("Mul", make("Mul", x, 0.5), make("Add", x, 2.0))
    return _between(make, x, -2.0, make("Mul", x, 0.0), 0.0, x, rising)


ACTIVATIONS: dict[str, Activation] = {
    "linear": lambda make, x: x,
    "logistic": lambda make, x: make("Sigmoid", x),
    "loggy": _loggy,
    "relu": lambda make, x: make("Relu", x),
    "relu6": lambda make, x: make("Clip", x, 0.0, 6.0),
    "elu": lambda make, x: make("Elu", x, alpha=1.0),
    "selu": lambda make, x: make("Selu", x, alpha=1.6732, gamma=1.0507),
    "relie": lambda make, x: make("LeakyRelu", x, alpha=0.01),
    "ramp": _ramp,
    "leaky": lambda make, x: make("LeakyRelu", x, alpha=0.1),
    "tanh": lambda make, x: make("Tanh", x),
    "plse": _plse,
    "stair": _stair,
    "hardtan": _hardtan,
    "lhtan": _lhtan,
    "swish": lambda make, x: make("Mul", x, make("Sigmoid", x)),
    "mish": lambda make, x: make("Mish", x),
    "hard_mish": _hard_mish,
    "gelu": lambda make, x: make("Gelu", x, approximate="tanh"),
}
"""By the names that a .cfg has; the last four are of AlexeyAB's Darknet."""
