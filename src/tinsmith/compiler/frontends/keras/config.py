"""What a model file says of one layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinsmith.compiler.shaping.builder import Array

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Origin:
    """The program that saved a model: it decides what some words mean."""

    version: tuple[int, int]
    """Of Keras, major and minor."""
    backend: str
    """"tensorflow", "theano", "jax" ..."""


@dataclass
class Layer:
    """One layer, or one function that a model calls like a layer."""

    kind: str
    """The name of its class as Keras 2 and 3 spell it, e.g. "Conv2D"."""
    name: str
    """Where it is: the names of the models around it and its own, e.g. "backbone/conv1"."""
    config: Fields
    origin: Origin
    children: dict[str, Layer] = field(default_factory=dict)
    """Layers inside: a wrapped one, the cell of a recurrent layer, the projections of attention."""
    model: Model | None = None
    """The layers of a model that is used as a layer."""
    weights: dict[str, Array] = field(default_factory=dict)
    """By the names of its slots."""
    registered: str | None = None
    """The name that a custom class was registered under."""

    def __str__(self) -> str:
        return f"the layer {self.name!r} ({self.kind})"

    def get(self, key: str, default: Any = None) -> Any:
        """A field of the config; None counts as left out."""
        value = self.config.get(key)
        return default if value is None else value


@dataclass(frozen=True)
class Reference:
    """An output of a call of a layer, as an argument of another call."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Call:
    """One use of a layer; arguments are constants, references, and lists and dicts of them."""

    arguments: tuple[Any, ...]
    keywords: Fields


@dataclass(frozen=True)
class Input:
    """What a model takes."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    """None: any size."""


@dataclass
class Model:
    """Layers and who calls whom."""

    name: str
    layers: dict[str, Layer]
    """By their names within this model, in the order of the file. Inputs are no layers."""
    calls: dict[str, tuple[Call, ...]]
    """Of each layer, in the order in which it was called."""
    inputs: tuple[Input, ...]
    outputs: tuple[Reference, ...]
    order: tuple[str, ...] = ()
    """The names of all layers, inputs among them, as weights are stored."""
    classes: Mapping[str, str] = field(default_factory=dict)
    """Of all layers in `order`, the name of the class in the file."""
    form: Any = None
    """How the model takes and gives values: lists and dicts of the numbers of inputs, and of outputs."""
