"""A TFLite model while it becomes an ONNX message: each subgraph that runs, and what they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite.model import Model, Subgraph, Tensor
from tinsmith.compiler.shaping.builder import Builder, Graph, Value
from tinsmith.compiler.shaping.findings import Findings

Operand = Value | NDArray[Any]
"""A value of the message, or a constant."""

TYPES = frozenset({"float32", "float16", "bfloat16", "float64", "bool"}) | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
"""Types of tensors that ONNX values have. A complex number is a pair of floats, see `operators/spectral`."""

LARGEST = 2**24
"""Elements of a constant that is not in the file."""


class Refusal(Exception):
    """Something about one operator that is not compiled."""


@dataclass
class State:
    """What a call leaves behind for the next."""

    given: Value | None
    """What the call is given; None for what no call changes."""
    value: Operand
    """As the operators converted so far leave it."""
    changed: bool = False


@dataclass
class Conversion:
    """What all subgraphs of a model share."""

    model: Model
    findings: Findings
    builder: Builder[Value] = field(default_factory=lambda: Builder(Value))
    states: dict[str, State] = field(default_factory=dict)
    """By the name of a resource variable, or `tensor <index>` of a variable tensor."""
    warnings: list[str] = field(default_factory=list)
    entered: int = 0
    """Subgraphs that operators ran."""


class Scope:
    """One subgraph as it becomes ONNX nodes."""

    def __init__(
        self, shared: Conversion, subgraph: Subgraph, graph: Graph, outer: Scope | None = None
    ) -> None:
        self.shared = shared
        self.subgraph = subgraph
        self.graph = graph
        """Where the nodes go."""
        self.depth: int = 0 if outer is None else outer.depth + 1
        self.values: dict[int, Operand] = {}
        """By tensor, as stored: integers where it is quantised."""
        self.reals: dict[int, Value] = {}

    def named(self, value: Operand) -> Value:
        """The value, also where it is a constant."""
        return value if isinstance(value, Value) else self.shared.builder.constant(value)

    def stored(self, tensor: Tensor) -> Operand:
        """What the tensor holds. Raises Refusal for one that nothing computes."""
        if tensor.index in self.values:
            return self.values[tensor.index]
        if tensor.value is not None:
            return tensor.value
        if 0 in tensor.default and not tensor.is_variable:
            return np.empty(tensor.default, tensor.dtype if tensor.dtype in TYPES else None)
        raise Refusal(f"its input {tensor.name!r} is computed by no operator before it")
