"""One operator while it becomes ONNX nodes: its options, its inputs, and the nodes that it adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.tflite import schema
from tinsmith.compiler.frontends.tflite.model import Operator, Tensor
from tinsmith.compiler.frontends.tflite.scope import LARGEST, TYPES, Operand, Refusal, Scope
from tinsmith.compiler.frontends.tflite.sinking import sunk
from tinsmith.compiler.shaping.builder import Value, element

TO_PLANES = (0, 3, 1, 2)
"""Channels before rows and columns, as ONNX has images, from TFLite's order: behind them."""
FROM_PLANES = (0, 2, 3, 1)


@dataclass(frozen=True)
class Arranged:
    """A result whose dimensions are still to be transposed: behind the activation, and behind rounding."""

    value: Value
    order: tuple[int, ...] = FROM_PLANES


@dataclass(frozen=True)
class Codes:
    """The integers of a quantised result, behind activation and rounding."""

    value: Value
    order: tuple[int, ...] | None = None
    """In which its dimensions are still to be transposed."""


Result = Operand | Arranged | Codes
Arrange = Callable[[NDArray[Any]], NDArray[Any]]


class Layer:
    """What a rule gets."""

    def __init__(self, scope: Scope, operator: Operator, moves: bool = False) -> None:
        self.scope = scope
        self.builder = scope.shared.builder
        self.operator = operator
        self._moves = moves
        tensors = scope.subgraph.tensors
        self.outputs = tuple(tensors[index] for index in operator.outputs)
        self.name = next((tensor.name for tensor in self.outputs if tensor.name), "") or (
            f"{operator.kind}_{operator.index}"
        )

    def refuse(self, text: str) -> Refusal:
        """An error that names this operator."""
        return Refusal(text)

    def integer(self, option: str) -> int:
        """A whole number among the options."""
        return int(self.operator.options[option])

    def flag(self, option: str) -> bool:
        """A truth value among the options."""
        return bool(self.operator.options[option])

    def number(self, option: str) -> float:
        """A real number among the options."""
        return float(self.operator.options[option])

    @property
    def activation(self) -> str:
        """What is fused behind the operator, by the name of `schema.ACTIVATIONS`."""
        number = int(self.operator.options.get("activation", 0))
        known = 0 <= number < len(schema.ACTIVATIONS)
        return schema.ACTIVATIONS[number] if known else f"number {number}"

    @property
    def gives_codes(self) -> bool:
        """Whether the rule works on tensors as stored, and so do its results."""
        return self._moves

    @property
    def count(self) -> int:
        """The number of inputs."""
        return len(self.operator.inputs)

    def has(self, index: int) -> bool:
        """Whether input `index` is given."""
        return index < self.count and self.operator.inputs[index] >= 0

    def tensor(self, index: int) -> Tensor:
        """Input `index`. Raises Refusal where it is left out."""
        if not self.has(index):
            raise self.refuse(f"its input {index} is left out")
        return self.scope.subgraph.tensors[self.operator.inputs[index]]

    def output(self, index: int = 0) -> Tensor:
        """Output `index`."""
        if index >= len(self.outputs):
            raise self.refuse(f"it has {len(self.outputs)} outputs, expected more than {index}")
        return self.outputs[index]

    def rank(self, index: int) -> int:
        """The number of dimensions of input `index`."""
        return len(self.shape(index))

    def shape(self, index: int) -> tuple[int, ...]:
        """The sizes of input `index`, -1 for those that the file leaves open."""
        known = self.known(index)
        if known is not None:
            return known.shape
        return self.tensor(index).shape or ()

    def static_shape(self, index: int) -> tuple[int, ...]:
        """The sizes of input `index`. Raises Refusal where the file leaves one open."""
        shape = self.shape(index)
        if min(shape, default=0) < 0:
            raise self.refuse(
                f"its input {self.tensor(index).name!r} has the shape {list(shape)}, expected known sizes"
            )
        return shape

    def axis(self, value: int, rank: int) -> int:
        """A dimension, counted from the front. Raises Refusal where there is none of that number."""
        if not -rank <= value < rank:
            raise self.refuse(f"its axis is {value}, expected one of {rank} dimensions")
        return value % rank

    def bounded(self, count: int) -> int:
        """`count`, the elements of a constant to be made. Raises Refusal where that is out of reason."""
        if not 0 <= count <= LARGEST:
            raise self.refuse(f"it needs a constant of {count} elements, expected at most {LARGEST}")
        return count

    def known(self, index: int) -> NDArray[Any] | None:
        """The elements of a constant input, as stored; None where only the run can tell."""
        value = self.scope.stored(self.tensor(index))
        return None if isinstance(value, Value) else value

    def constant(self, index: int) -> NDArray[Any]:
        """The same. Raises Refusal where only the run can tell."""
        value = self.known(index)
        if value is None:
            raise self.refuse(f"its input {index} ({self.tensor(index).name!r}) is not a constant")
        return value

    def integers(self, index: int) -> list[int]:
        """The elements of a constant input as whole numbers."""
        return [int(value) for value in self.constant(index).reshape(-1)]

    def value(self, index: int) -> Value:
        """Input `index` as the rule works on it: as stored if it only moves, as real numbers else."""
        return self.stored(index) if self._moves else self.real(index)

    def stored(self, index: int) -> Value:
        """Input `index` as stored."""
        tensor = self.tensor(index)
        value = self.scope.values[tensor.index] = self.scope.named(self.scope.stored(tensor))
        if tensor.dtype not in (*TYPES, "complex64", "int4", "int2", "uint4"):
            raise self.refuse(f"its input {tensor.name!r} is of type {tensor.dtype}")
        return value

    def real(self, index: int) -> Value:
        """Input `index` as real numbers where it is quantised, else as it is."""
        tensor = self.tensor(index)
        if tensor.index not in self.scope.reals:
            self.scope.reals[tensor.index] = self._real(index, tensor)
        return self.scope.reals[tensor.index]

    def arranged(self, index: int, order: tuple[int, ...] = TO_PLANES) -> Value:
        """`value` with its dimensions in `order`. Integers are transposed before they become real numbers: a
        contraction of what was dequantised is one of integers."""
        if self._moves or not self.is_quantised(index) or self.known(index) is not None:
            return self.value(index).transpose(*order)
        return self.dequantised(self.stored(index).transpose(*order), self.tensor(index), stays=True)

    def _real(self, index: int, tensor: Tensor) -> Value:
        if not self.is_quantised(index):
            return self.stored(index)
        codes = self.known(index)
        if codes is None:
            return self.dequantised(self.stored(index), tensor)
        return self.put(real_values(codes, tensor))

    def is_quantised(self, index: int) -> bool:
        """Whether input `index` stores real numbers as integers; among int32 only constants do."""
        tensor = self.tensor(index)
        return tensor.is_quantised and (tensor.dtype != "int32" or self.known(index) is not None)

    def dequantised(self, codes: Operand, tensor: Tensor, axis: int = 0, stays: bool = False) -> Value:
        """The real numbers that `codes` of `tensor` stand for; scales of each channel are along `axis`.

        What `stays` is what the next node reads, and no transpose between.
        """
        form = tensor.quantization
        assert form is not None
        scale, zero = (
            form.scale,
            form.zero.astype("int8" if tensor.dtype.startswith("int4") else tensor.dtype),
        )
        if not form.per_axis:
            scale, zero = scale.reshape(()), zero.reshape(-1)[0]
        inputs = codes, scale, np.asarray(zero)
        if stays:
            return self.builder.add("DequantizeLinear", *inputs)
        return self.emit("DequantizeLinear", *inputs, axis=axis if form.per_axis else None)

    def weights(self, index: int, arrange: Arrange, axis: int, image: int = 0) -> Value:
        """Constant weights in another arrangement, with the scales of their channels along `axis` of that.

        Where input `image` is quantised, integers as stored that the graph dequantises: a kernel of integers.
        """
        tensor = self.tensor(index)
        codes = self.known(index)
        if codes is None:
            raise self.refuse(f"its weights {tensor.name!r} are not a constant")
        if (
            self.is_quantised(index)
            and self.is_quantised(image)
            and tensor.dtype in ("int8", "uint8", "int4")
        ):
            return self.dequantised(arrange(codes), tensor, axis)
        return self.put(arrange(real_values(codes, tensor) if self.is_quantised(index) else codes))

    def bias(self, index: int, weights: int = 1, image: int = 0) -> NDArray[Any] | None:
        """A constant bias as float32; None where there is none. Stored as integers, its scale is that of the
        products."""
        if not self.has(index):
            return None
        values, tensor = self.constant(index), self.tensor(index)
        if values.dtype.kind == "f":
            return values.reshape(-1)
        scales = [self.tensor(i).quantization for i in (image, weights)]
        if None in scales:
            return real_values(values, tensor).reshape(-1)
        product: NDArray[np.float64] = np.ones(1)
        for form in scales:
            assert form is not None
            product = product * form.scale.astype(np.float64)
        return (values.reshape(-1) * product).astype(np.float32)

    def sizes(self, index: int) -> Operand:
        """Input `index`, whole numbers, as int64."""
        known = self.known(index)
        if known is not None:
            return known.astype(np.int64)
        return self.stored(index).cast(np.int64)

    def emit(self, kind: str, *inputs: Operand | None, **attributes: Any) -> Value:
        """Adds a node; gives its output. What does not mind the order of dimensions comes before transposes
        of its inputs."""
        found = sunk(kind, inputs)
        if found is None:
            return self.builder.add(kind, *inputs, **attributes)
        order, inner = found
        if kind == "Concat":
            attributes["axis"] = order[attributes["axis"]]
        return self.builder.add(kind, *inner, **attributes).transpose(*order)

    def emit_all(self, kind: str, *inputs: Operand | None, outputs: int, **attributes: Any) -> list[Value]:
        """The same for a node of several outputs."""
        return list(self.builder.several(kind, outputs, *inputs, **attributes))

    def put(self, array: NDArray[Any]) -> Value:
        """A constant of the graph."""
        return self.builder.constant(np.asarray(array))

    def cast(self, value: Operand, dtype: str) -> Value:
        """`value` as another type."""
        if dtype not in TYPES:
            raise self.refuse(f"it gives numbers of type {dtype}")
        named, wanted = self.scope.named(value), np.dtype(dtype)
        if named.dtype == wanted or named.constant is not None:
            return named.cast(wanted)
        return self.emit("Cast", named, to=element(wanted))


def scalar(value: float) -> NDArray[np.float32]:
    """A real number as a constant."""
    return np.array(value, np.float32)


def real_values(codes: NDArray[Any], tensor: Tensor) -> NDArray[np.float32]:
    """The real numbers of a constant, as float32."""
    form = tensor.quantization
    if form is None:
        return codes.astype(np.float32)
    lead = [-1 if dim == form.axis else 1 for dim in range(codes.ndim)] if form.per_axis else []
    zero, scale = form.zero.reshape(lead), form.scale.reshape(lead)
    return ((codes.astype(np.int64) - zero).astype(np.float32) * scale).astype(np.float32)
