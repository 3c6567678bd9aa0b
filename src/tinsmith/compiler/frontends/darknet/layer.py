"""A layer while it is converted: its options, its weights, its input and the layers before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinsmith.compiler.frontends.darknet.activations import ACTIVATIONS
from tinsmith.compiler.frontends.darknet.cfg import OptionError, Section
from tinsmith.compiler.frontends.darknet.weights import Array, Weights
from tinsmith.compiler.shaping.builder import Builder, Value

EPSILON = 0.000001
"""Darknet adds it to the standard deviation, not to the variance."""


@dataclass
class Layer:
    """One layer. Values are images, [batch, channels, height, width], or rows, [batch, numbers]."""

    section: Section
    message: Builder[Value]
    weights: Weights
    input: Value
    """The output of the layer before."""
    earlier: Sequence[Value]
    """The outputs of all layers before."""
    steps: int
    """Of time: the batch is that many times the number of sequences."""

    def __post_init__(self) -> None:
        self.add = self.message.add
        self.several = self.message.several
        self.constant = self.message.constant

    def error(self, text: str) -> OptionError:
        """To raise."""
        return OptionError(text)

    def size(self, key: str, default: int) -> int:
        """An option that is a number of things, at least one."""
        found = self.section.integer(key, default)
        if not 1 <= found < 2**24:
            raise self.error(f"{key} is {found}, expected at least 1")
        return found

    def image(self) -> tuple[Value, tuple[int, ...]]:
        """The input as an image, and its shape: a row is an image of one pixel."""
        shape = self.input.shape
        if len(shape) == 4:
            return self.input, shape
        return self.input.reshape(*shape, 1, 1), (*shape, 1, 1)

    def row(self, value: Value | None = None) -> Value:
        """`value`, else the input, as a row."""
        value = value or self.input
        return value.reshape(value.shape[0], int(np.prod(value.shape[1:])))

    def activated(self, value: Value, default: str) -> Value:
        """`value` under the layer's activation."""
        return ACTIVATIONS[self.section.text("activation", default)](value)

    def reference(self, number: int) -> Value:
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


Rule = Callable[[Layer], Value]
RULES: dict[str, Rule] = {}
"""The conversion of a layer by the name of its section; gives its output."""


def layer(*kinds: str) -> Callable[[Rule], Rule]:
    """Makes a function the rule of sections."""

    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, rule))
        return rule

    return register
