"""The operators of TensorFlow, and what one node of them has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from tinsmith.compiler.frontends.tensorflow.messages import Message
from tinsmith.compiler.frontends.tensorflow.scope import Guards, Scope
from tinsmith.compiler.frontends.tensorflow.tensors import number_type, shape_of
from tinsmith.compiler.frontends.tensorflow.things import Thing, Unsupported
from tinsmith.compiler.shaping.builder import Array, Builder, Dims, DType, Graph, Value

Rule = Callable[..., Any]

MAX_MADE = 1 << 22
"""Elements of constants that the file only implies, such as the classes of a OneHot."""


class Interpreting(Protocol):
    """What operators that steer ask of the interpreter."""

    builder: Builder[Value]
    variable: Callable[[str], Value]

    def evaluate(self, scope: Scope, references: Iterable[str]) -> list[Thing]:
        """What `references` of `scope` carry."""

    def call(
        self, scope: Scope, function: str, arguments: Sequence[Thing], name: str, graph: Graph | None = None
    ) -> list[Thing]:
        """What `function` gives for `arguments`; its nodes are named after `name`."""

    def guards(self, scope: Scope, references: Iterable[str]) -> list[Guards]:
        """Per reference the predicates that it hangs on."""


RULES: dict[str, Rule] = {}
"""What tensors of numbers become: `rule(op, *inputs)` gives a value or several."""

STEERING: dict[str, Rule] = {}
"""The same for operators that also take dead values, lists, resources and functions."""


def converts(*operators: str) -> Callable[[Rule], Rule]:
    """The decorated function converts nodes of `operators`."""

    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(operators, rule))
        return rule

    return register


def steers(*operators: str) -> Callable[[Rule], Rule]:
    """The decorated function converts nodes of `operators`, whatever their inputs are."""

    def register(rule: Rule) -> Rule:
        STEERING.update(dict.fromkeys(operators, rule))
        return rule

    return register


class Op:
    """One node, being converted. Attributes that the file leaves out have the default that is given."""

    def __init__(self, interpreter: Interpreting, scope: Scope, node: Message) -> None:
        self.interpreter = interpreter
        self.scope = scope
        self.node = node
        self.builder: Builder[Value] = interpreter.builder
        self.add = interpreter.builder.add
        self.several = interpreter.builder.several
        self.constant = interpreter.builder.constant
        self.ints = interpreter.builder.ints

    @property
    def type(self) -> str:
        """The name of the operator."""
        return str(self.node.op)

    def has(self, name: str) -> bool:
        """Whether the file tells the attribute `name`."""
        return name in self.node.attr

    def integer(self, name: str, default: int = 0) -> int:
        return int(self.node.attr[name].i) if name in self.node.attr else default

    def real(self, name: str, default: float = 0.0) -> float:
        return float(self.node.attr[name].f) if name in self.node.attr else default

    def flag(self, name: str, default: bool = False) -> bool:
        return bool(self.node.attr[name].b) if name in self.node.attr else default

    def text(self, name: str, default: str = "") -> str:
        return self.node.attr[name].s.decode(errors="replace") if name in self.node.attr else default

    def integers(self, name: str, default: Sequence[int] = ()) -> list[int]:
        found = list(self.node.attr[name].list.i) if name in self.node.attr else []
        return found or list(default)

    def type_of(self, name: str, default: int) -> DType:
        """The element type that the attribute `name` tells; `default` is TensorFlow's number of one."""
        return number_type(self.node.attr[name].type if name in self.node.attr else default)

    def shape_of(self, name: str) -> Dims:
        return shape_of(self.node.attr[name].shape) if name in self.node.attr else None

    def known(self, value: Value, what: str) -> Array:
        """The content of `value`, which has to be known before the run."""
        if value.constant is None:
            raise Unsupported(f"its {what} is computed by the run, expected a constant")
        return value.constant

    def known_ints(self, value: Value, what: str) -> list[int]:
        return [int(number) for number in np.ravel(self.known(value, what))]

    def count(self, value: Value, what: str) -> int:
        """A known number of elements that are made here, one by one."""
        (number,) = self.known_ints(value, what)
        return self.checked(number, what)

    def checked(self, number: int, what: str) -> int:
        """`number`, if so many elements can be made here."""
        if not 0 <= number <= MAX_MADE:
            raise ValueError(f"its {what} is {number}, expected from 0 to {MAX_MADE}")
        return number

    def axes(self, value: Value, rank: int, what: str = "axis") -> list[int]:
        """Known axes of something of `rank`, none below zero."""
        found = self.known_ints(value, what)
        if any(not -rank <= axis < rank for axis in found):
            raise ValueError(f"its {what} is {found}, expected from {-rank} to {rank - 1}")
        return [axis % rank for axis in found]

    def like(self, number: float, value: Value) -> Value:
        """`number` in the type of `value`."""
        return self.constant(np.array(number).astype(value.dtype))

    def fixed(self, value: Value, shape: Dims) -> Value:
        """`value`, whose sizes the run tells, in the `shape` that the file says it has."""
        if shape is None or None in shape or value.dims is None or None not in value.dims:
            return value
        return value.reshape(*(size or 0 for size in shape))

    def slice(self, value: Value, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]) -> Value:
        return value.op("Slice", self.ints(*starts), self.ints(*ends), self.ints(*axes))
