"""Where a graph of TensorFlow stands while it is being interpreted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tinsmith.compiler.frontends.tensorflow.messages import Message
from tinsmith.compiler.frontends.tensorflow.things import Dead, Refused, Thing
from tinsmith.compiler.shaping.builder import Graph, Value
from tinsmith.compiler.shaping.findings import shown

Guards = frozenset[tuple[Value, bool]]
"""The predicates of Switches that a value hangs on, with the side."""


@dataclass(frozen=True)
class Library:
    """The functions of a model, by name."""

    functions: Mapping[str, Message]

    def body(self, name: str) -> Message:
        """The function `name`. Raises ValueError where there is none."""
        if name not in self.functions:
            raise ValueError(f"it calls the function {shown(name)}, which the file does not have")
        return self.functions[name]


@dataclass(eq=False)
class Scope:
    """One graph or one call of a function, being interpreted."""

    nodes: Mapping[str, Message]
    graph: Graph
    """Where the ONNX nodes go."""
    prefix: str = ""
    """Of the names of layers."""
    arguments: dict[str, Thing] = field(default_factory=dict)
    """By the name of the argument of a function."""
    presets: dict[str, Thing] = field(default_factory=dict)
    """By reference: values that are given and not computed."""
    parent: Scope | None = None
    """Around a loop of TensorFlow 1: what an Enter takes its input from."""
    frame: str = ""
    """The name of that loop."""
    done: dict[str, Sequence[Thing] | Dead | Refused] = field(default_factory=dict)
    guards: dict[str, Guards] = field(default_factory=dict)
    depth: int = 0
