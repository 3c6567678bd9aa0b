"""What every kind of layer is in ONNX: one function each, found by the name of its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.config import Layer
from tinsmith.compiler.frontends.keras.tensor import Tensor
from tinsmith.compiler.shaping.builder import Array, Builder, DType, Operand


class Unsupported(Exception):
    """A layer or a function that is compiled, with an option that is not; the text names the option."""


Result = Any
"""A Tensor, or a list or a dict of them, as the layer gives them."""


@dataclass(frozen=True)
class Use:
    """One call of one layer while it is converted."""

    layer: Layer
    message: Builder[Tensor]
    convert: Callable[..., Result]
    """Converts a call of a layer inside this one: convert(layer, *arguments, **keywords)."""

    def add(self, operator: str, *inputs: Operand, **attributes: Any) -> Tensor:
        """The output of a new node."""
        return self.message.add(operator, *inputs, **attributes)

    def several(self, operator: str, count: int, *inputs: Operand, **attributes: Any) -> tuple[Tensor, ...]:
        """The outputs of a new node."""
        return self.message.several(operator, count, *inputs, **attributes)

    def constant(self, content: Array) -> Tensor:
        """A tensor that is known."""
        return self.message.constant(content)

    def get(self, key: str, default: Any = None) -> Any:
        """A field of the config; None counts as left out."""
        return self.layer.get(key, default)

    @property
    def dtype(self) -> DType:
        """What the layer computes in."""
        return compute_dtype(self.layer)

    def weight(self, slot: str) -> Array:
        """The weight `slot`, in the type that the layer computes in."""
        found = self.layer.weights[slot]
        return found if found.dtype == self.dtype else found.astype(self.dtype)

    def has(self, slot: str) -> bool:
        """Whether the layer has the weight `slot`."""
        return slot in self.layer.weights

    def child(self, attribute: str, *arguments: Any, **keywords: Any) -> Result:
        """The result of the layer `attribute` inside this one."""
        return self.convert(self.layer.children[attribute], *arguments, **keywords)


def compute_dtype(layer: Layer) -> DType:
    """float64 where the layer says so, else float32: mixed and half precision are computed in float32."""
    policy = layer.get("dtype", "float32")
    if isinstance(policy, Mapping):
        policy = (policy.get("config") or {}).get("name", "float32")
    return np.dtype(np.float64 if policy == "float64" else np.float32)


Convert = Callable[..., Result]


@dataclass(frozen=True)
class Rule:
    """How a kind of layer is converted."""

    convert: Convert
    """convert(use, *arguments, **keywords) of the call."""
    slots: Callable[[Layer], Sequence[str]]
    """The names of its weights, in their order."""
    keeps_mask: bool = False
    """Whether the result has the mask of the first argument."""
    takes_masks: bool = False
    """Whether the keyword `mask` is an argument of its own rather than the mask of the first."""
    casts: bool = True
    """Whether its arguments are cast to what it computes in."""


RULES: dict[str, Rule] = {}


def no_weights(layer: Layer) -> Sequence[str]:
    """For layers that have none."""
    return ()


def layer(
    *kinds: str,
    slots: Callable[[Layer], Sequence[str]] = no_weights,
    keeps_mask: bool = False,
    takes_masks: bool = False,
    casts: bool = True,
) -> Callable[[Convert], Convert]:
    """Registers a function for the classes `kinds`."""

    def register(convert: Convert) -> Convert:
        for kind in kinds:
            RULES[kind] = Rule(convert, slots, keeps_mask, takes_masks, casts)
        return convert

    return register


def kernel_and_bias(layer: Layer) -> Sequence[str]:
    """The weights of most layers."""
    return ("kernel", "bias") if layer.get("use_bias", True) else ("kernel",)


def axis_of(axis: int, rank: int) -> int:
    """`axis` counted from the front."""
    if not -rank <= axis < rank:
        raise ValueError(f"the axis {axis} of a tensor of {rank} dimensions")
    return axis % rank


def sizes(value: Any, count: int) -> list[int]:
    """A size for each of `count` dimensions, of which the file may have one for all."""
    found = [value] * count if isinstance(value, int) else list(value)
    if len(found) != count or not all(isinstance(size, int) for size in found):
        raise ValueError(f"{value} where {count} whole numbers are expected")
    return found
