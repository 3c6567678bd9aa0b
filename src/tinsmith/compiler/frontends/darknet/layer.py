"""A layer while it is converted: its options, its weights, its input and the layers before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinsmith.compiler.frontends.darknet.activations import ACTIVATIONS, Maker
from tinsmith.compiler.frontends.darknet.cfg import OptionError, Section
from tinsmith.compiler.frontends.darknet.weights import Array, Weights
from tinsmith.compiler.shaping.message import Message

EPSILON = 0.000001
"""Darknet adds it to the standard deviation, not to the variance."""


@dataclass
class Layer:
    """One layer. Values are images, [batch, channels, height, width], or rows, [batch, numbers]."""

    section: Section
    message: Message
    weights: Weights
    input: str
    """The output of the layer before."""
    earlier: Sequence[str]
    """The outputs of all layers before."""
    steps: int
    """Of time: the batch is that many times the number of sequences."""
    make: Maker = field(init=False)

    def __post_init__(self) -> None:
        self.make = Maker(self.message, self.section.name)

    def error(self, text: str) -> OptionError:
        """To raise."""
        return OptionError(text)

    def size(self, key: str, default: int) -> int:
        """An option that is a number of things, at least one."""
        found = self.section.integer(key, default)
        if not 1 <= found < 2**24:
            raise self.error(f"{key} is {found}, expected at least 1")
        return found

    def shape(self, value: str) -> tuple[int, ...]:
        """Of a value."""
        return self.message.shape(value)

    def image(self) -> tuple[str, tuple[int, ...]]:
        """The input as an image, and its shape: a row is an image of one pixel."""
        shape = self.shape(self.input)
        if len(shape) == 4:
            return self.input, shape
        shape = (*shape, 1, 1)
        return self.reshaped(self.input, shape), shape

    def row(self, value: str | None = None) -> str:
        """`value`, else the input, as a row."""
        value = self.input if value is None else value
        shape = self.shape(value)
        return value if len(shape) == 2 else self.reshaped(value, (shape[0], int(np.prod(shape[1:]))))

    def reshaped(self, value: str, shape: Sequence[int]) -> str:
        """`value` in another shape."""
        return self.make("Reshape", value, self.constant(np.array(shape, np.int64)))

    def part(self, value: str, axis: int, start: int, end: int) -> str:
        """`value` between two places of an axis."""
        numbers = (self.constant(np.array([number], np.int64)) for number in (start, end, axis))
        return self.make("Slice", value, *numbers)

    def constant(self, value: Array | np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> str:
        """A constant."""
        return self.message.constant(value, f"{self.section.name}.constant")

    def activated(self, value: str, default: str) -> str:
        """`value` under the layer's activation."""
        return ACTIVATIONS[self.section.text("activation", default)](self.make, value)

    def reference(self, number: int) -> str:
        """The output of another layer, by its number or, below zero, counted back from this one."""
        index = self.section.index + number if number < 0 else number
        if not 0 <= index < len(self.earlier):
            raise self.error(
                f"refers to layer {number}, expected one of 0 to {len(self.earlier) - 1} before it"
            )
        return self.earlier[index]


def folded(scales: Array, mean: Array, variance: Array) -> tuple[Array, Array]:
    """Batch normalisation as factor and summand."""
    factor = scales.astype(np.float64) / (np.sqrt(np.maximum(variance, 0).astype(np.float64)) + EPSILON)
    return factor.astype(np.float32), (-mean * factor).astype(np.float32)


Rule = Callable[[Layer], str]
RULES: dict[str, Rule] = {}
"""The conversion of a layer by the name of its section; gives its output."""


def layer(*kinds: str) -> Callable[[Rule], Rule]:
    """Makes a function the rule of sections."""

    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return register
