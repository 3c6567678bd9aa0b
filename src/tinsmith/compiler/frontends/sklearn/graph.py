"""Tensors that write an ONNX graph: arithmetic on them adds nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

ML = "ai.onnx.ml"


class Tensor:
    """A value of a graph: a table of float64 [rows, columns] unless said otherwise."""

    __array_ufunc__ = None  # numpy leaves `array - tensor` to the tensor

    def __init__(self, graph: Graph, name: str, sources: tuple[int, ...] = ()) -> None:
        self.graph = graph
        self.name = name
        self.sources = sources
        """Per column, the column of the model's input that it is; nothing where something was computed."""

    def op(self, operator: str, *others: Operand, **attributes: Any) -> Tensor:
        """The first output of a new node with `self` and `others` as inputs."""
        return self.graph.add(operator, self, *others, **attributes)[0]

    def __add__(self, other: Operand) -> Tensor:
        return self.op("Add", other)

    def __sub__(self, other: Operand) -> Tensor:
        return self.op("Sub", other)

    def __mul__(self, other: Operand) -> Tensor:
        return self.op("Mul", other)

    def __truediv__(self, other: Operand) -> Tensor:
        return self.op("Div", other)

    def __pow__(self, other: Operand) -> Tensor:
        return self.op("Pow", other)

    def __matmul__(self, other: Operand) -> Tensor:
        return self.op("MatMul", other)

    def __radd__(self, other: Operand) -> Tensor:
        return self.op("Add", other)

    def __rmul__(self, other: Operand) -> Tensor:
        return self.op("Mul", other)

    def __rsub__(self, other: Operand) -> Tensor:
        return self.graph.add("Sub", other, self)[0]

    def __rtruediv__(self, other: Operand) -> Tensor:
        return self.graph.add("Div", other, self)[0]

    def __neg__(self) -> Tensor:
        return self.op("Neg")

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

    def cast(self, dtype: str) -> Tensor:
        """In another type, by its numpy name."""
        return self.op("Cast", to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

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
        values, indices = self.graph.add("TopK", self, np.array([count]), outputs=2, axis=-1, largest=0)
        return values, indices

    def columns(self, indices: ArrayLike) -> Tensor:
        """The columns of these numbers, in this order."""
        numbers = np.asarray(indices, np.int64)
        chosen = self.op("Gather", numbers, axis=1)
        chosen.sources = tuple(self.sources[number] for number in numbers) if self.sources else ()
        return chosen

    def column(self, index: int) -> Tensor:
        """One column as a vector."""
        return self.op("Gather", np.int64(index), axis=1)

    def unsqueeze(self, axis: int = -1) -> Tensor:
        """With an axis of size 1."""
        return self.op("Unsqueeze", np.array([axis]))

    def reshape(self, *sizes: int) -> Tensor:
        """0 keeps a size, -1 is what is left."""
        return self.op("Reshape", np.array(sizes))

    def of(self, table: ArrayLike) -> Tensor:
        """The rows of the constant `table` that these int64 numbers name."""
        return self.graph.constant(table).op("Gather", self, axis=0)

    def filled(self, value: float) -> Tensor:
        """As large, but `value` everywhere, whatever there was."""
        nothing = self.isnan().double() * 0.0
        return nothing + value if value else nothing

    def isnan(self) -> Tensor:
        """bool."""
        return self.op("IsNaN")


Operand = Tensor | ArrayLike


class Graph:
    """An ONNX graph that grows node by node. Nodes are named after the part of the model in `place`."""

    def __init__(self) -> None:
        self.place = "model"
        self.texts: dict[int, dict[str, int]] = {}
        """Of input columns that hold text for the customer: the number that stands for every text."""
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._count = 0

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Nodes added in the block belong to `place`."""
        outer, self.place = self.place, place
        try:
            yield
        finally:
            self.place = outer

    def constant(self, value: ArrayLike) -> Tensor:
        """Arrays of integers, bool and float32 keep their type; everything else is float64."""
        array = np.asarray(value)
        typed = isinstance(value, np.ndarray | np.generic)
        if not (typed and (array.dtype.kind in "iub" or array.dtype == np.float32)):
            array = array.astype(np.float64)
        elif array.dtype.kind in "iu":
            array = array.astype(np.int64)
        self._count += 1
        tensor = Tensor(self, f"constant_{self._count}")
        self.weights.append(numpy_helper.from_array(np.array(array, order="C"), tensor.name))
        return tensor

    def add(
        self, operator: str, *inputs: Operand, outputs: int = 1, domain: str = "", **attributes: Any
    ) -> tuple[Tensor, ...]:
        """The outputs of a new node."""
        given = [value if isinstance(value, Tensor) else self.constant(value) for value in inputs]
        self._count += 1
        name = f"{self.place}/{operator}_{self._count}"
        made = tuple(Tensor(self, f"{name}:{number}" if number else name) for number in range(outputs))
        self.nodes.append(
            helper.make_node(
                operator,
                [tensor.name for tensor in given],
                [tensor.name for tensor in made],
                name,
                domain=domain,
                **attributes,
            )
        )
        return made

    def loop(
        self,
        rounds: int,
        states: Sequence[Tensor],
        step: Callable[..., tuple[Tensor, Sequence[Tensor]]],
        given: Sequence[Tensor] = (),
    ) -> tuple[Tensor, ...]:
        """At most `rounds` rounds; `step(*states, *given)` gives whether to go on (bool, a scalar) and the
        new states. What of this graph it reads has to be among `given`."""
        body = Graph()
        body.place, body._count = self.place, self._count + 1
        names = [f"{self.place}/state_{body._count}_{i}" for i in range(len(states))]
        counter, before = f"{names[0]}_round", f"{names[0]}_go"
        go, results = step(*(Tensor(body, name) for name in [*names, *(tensor.name for tensor in given)]))
        results = [result.op("Identity") for result in results]
        inputs = [
            helper.make_tensor_value_info(counter, onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info(before, onnx.TensorProto.BOOL, []),
            *(helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None) for name in names),
        ]
        outputs = [
            helper.make_tensor_value_info(go.name, onnx.TensorProto.BOOL, []),
            *(helper.make_tensor_value_info(r.name, onnx.TensorProto.DOUBLE, None) for r in results),
        ]
        graph = helper.make_graph(body.nodes, f"{self.place}/round", inputs, outputs, body.weights)
        self._count = body._count
        start = self.constant(np.int64(rounds)), self.constant(np.bool_(True))
        return self.add("Loop", *start, *states, outputs=len(states), body=graph)


def concat(tensors: Sequence[Tensor], axis: int = 1) -> Tensor:
    """Side by side."""
    return tensors[0] if len(tensors) == 1 else tensors[0].op("Concat", *tensors[1:], axis=axis)


def where(condition: Tensor, yes: Operand, no: Operand) -> Tensor:
    """Element by element."""
    return condition.op("Where", yes, no)


def lookup(x: Tensor, table: NDArray[Any]) -> Tensor:
    """table[x] for whole numbers `x` in float64; what lies outside of the table is moved to its ends."""
    return x.clip(0.0, float(len(table) - 1)).cast("int64").of(table)
