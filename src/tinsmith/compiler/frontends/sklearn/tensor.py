"""Tables of a scikit-learn model as they are computed: arithmetic on tensors adds ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinsmith.compiler.shaping.builder import Graph, Operand, Value


@dataclass(frozen=True, eq=False)
class Tensor(Value):
    """A value of the message: a table of float64 [rows, columns] unless said otherwise."""

    sources: tuple[dict[str, int], ...] = field(default=(), repr=False)
    """Per column that is one of the model's input: the number that stands for every text in it. Nothing where
    something was computed."""

    def less(self, other: Operand) -> Tensor:
        """bool."""
        return self.op("Less", other)

    def at_most(self, other: Operand) -> Tensor:
        """bool."""
        return self.op("LessOrEqual", other)

    def greater(self, other: Operand) -> Tensor:
        """bool."""
        return self.op("Greater", other)

    def equals(self, other: Operand) -> Tensor:
        """bool."""
        return self.op("Equal", other)

    def double(self) -> Tensor:
        """In float64: of bool, 0 and 1."""
        return self.cast("float64")

    def exp(self) -> Tensor:
        """Of every element."""
        return self.op("Exp")

    def log(self) -> Tensor:
        """Of every element."""
        return self.op("Log")

    def sqrt(self) -> Tensor:
        """Of every element."""
        return self.op("Sqrt")

    def abs(self) -> Tensor:
        """Of every element."""
        return self.op("Abs")

    def square(self) -> Tensor:
        """Of every element."""
        return self * self

    def sigmoid(self) -> Tensor:
        """1 / (1 + exp(-x)) of every element."""
        return self.op("Sigmoid")

    def softmax(self) -> Tensor:
        """Over the last axis."""
        return self.op("Softmax", axis=-1)

    def clip(self, low: Operand, high: Operand) -> Tensor:
        """Of every element; the bounds may be rows. NaN stays NaN."""
        return self.op("Max", low).op("Min", high)

    def sum(self, axis: int = -1, keep: bool = False) -> Tensor:
        """Over one axis."""
        return self.op("ReduceSum", np.array([axis]), keepdims=int(keep))

    def mean(self, axis: int = -1, keep: bool = False) -> Tensor:
        """Over one axis."""
        return self.op("ReduceMean", np.array([axis]), keepdims=int(keep))

    def max(self, axis: int = -1, keep: bool = False) -> Tensor:
        """Over one axis."""
        return self.op("ReduceMax", np.array([axis]), keepdims=int(keep))

    def min(self, axis: int = -1, keep: bool = False) -> Tensor:
        """Over one axis."""
        return self.op("ReduceMin", np.array([axis]), keepdims=int(keep))

    def argmax(self, axis: int = -1) -> Tensor:
        """int64: the first of the largest."""
        return self.op("ArgMax", axis=axis, keepdims=0)

    def argmin(self, axis: int = -1) -> Tensor:
        """int64: the first of the smallest."""
        return self.op("ArgMin", axis=axis, keepdims=0)

    def smallest(self, count: int) -> tuple[Tensor, Tensor]:
        """The `count` smallest of every row, ascending, and their int64 columns."""
        values, indices = self.builder.several("TopK", 2, self, np.array([count]), axis=-1, largest=0)
        return values, indices

    def columns(self, indices: ArrayLike) -> Tensor:
        """The columns of these numbers, in this order."""
        numbers = np.asarray(indices, np.int64)
        chosen = self.op("Gather", numbers, axis=1)
        return replace(
            chosen, sources=tuple(self.sources[number] for number in numbers) if self.sources else ()
        )

    def column(self, index: int) -> Tensor:
        """One column as a vector."""
        return self.op("Gather", np.array(index), axis=1)

    def as_table(self) -> Tensor:
        """[rows, numbers of each]."""
        return self.reshape(self.shape[0], -1)

    def of(self, table: ArrayLike) -> Tensor:
        """The rows of the constant `table` that these int64 numbers name."""
        found: Tensor = self.builder.constant(table).op("Gather", self, axis=0)
        return found

    def filled(self, value: float) -> Tensor:
        """As large, but `value` everywhere, whatever there was."""
        nothing = self.isnan().double() * 0.0
        return nothing + value if value else nothing

    def isnan(self) -> Tensor:
        """bool."""
        return self.op("IsNaN")


def loop(
    rounds: int, states: Sequence[Tensor], step: Callable[..., tuple[Tensor, Sequence[Tensor]]]
) -> tuple[Tensor, ...]:
    """At most `rounds` rounds; `step(*states)` gives whether to go on (bool, a scalar) and the new states."""
    builder = states[0].builder
    counter, before = builder.input("round", np.int64, ()), builder.input("go", np.bool_, ())
    inside = [builder.input("state", state.dtype, state.dims) for state in states]
    with builder.into(Graph()) as body:
        go, results = step(*inside)
    graph = builder.subgraph(body, "round", [counter, before, *inside], [go, *results])
    start = np.array(rounds, np.int64), np.array(True)
    return builder.declared("Loop", [*start, *states], [(s.dtype, s.dims) for s in states], body=graph)


def concat(tensors: Sequence[Tensor], axis: int = 1) -> Tensor:
    """Side by side."""
    return tensors[0] if len(tensors) == 1 else tensors[0].op("Concat", *tensors[1:], axis=axis)


def where(condition: Tensor, yes: Operand, no: Operand) -> Tensor:
    """Element by element."""
    return condition.op("Where", yes, no)


def lookup(x: Tensor, table: NDArray[Any]) -> Tensor:
    """table[x] for whole numbers `x` in float64; what lies outside of the table is moved to its ends."""
    return x.clip(0.0, float(len(table) - 1)).cast("int64").of(table)
