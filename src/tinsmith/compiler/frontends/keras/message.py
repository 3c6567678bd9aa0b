"""An ONNX message under construction: nodes are added one by one, and every tensor knows its shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tinsmith.errors import ClientError

OPSET = 22
IR_VERSION = 10

Array = NDArray[Any]
DType = np.dtype[Any]


@dataclass(frozen=True)
class Tensor:
    """A value of the message."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    mask: Tensor | None = None
    """Which time steps count, bool [batch, time]; None: all of them."""
    constant: Array | None = None
    """Its content, where that is known and small."""

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def masked(self, mask: Tensor | None) -> Tensor:
        """The same value with another mask."""
        return self if mask is self.mask else replace(self, mask=mask)


Value = Tensor | Array | float | int | bool | None
"""What a node can take: a tensor, a constant, or nothing for an input that is left out."""

_KNOWN = 64
"""Elements up to which the content of a constant tensor is remembered: sizes, axes."""


class Message:
    """Adds nodes, initializers and inputs to an ONNX graph. Every dimension is a number."""

    def __init__(self, parent: Message | None = None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.scope: str = parent.scope if parent else ""
        """The layer that nodes are named after."""
        self._root: Message = parent._root if parent else self
        self._initializers: list[onnx.TensorProto] = []
        self._constants: dict[int, tuple[Array, Tensor]] = {}
        self._names: Counter[str] = Counter()

    @contextmanager
    def within(self, scope: str) -> Iterator[None]:
        """Nodes added in the block are named after `scope`."""
        before, self.scope = self.scope, scope
        try:
            yield
        finally:
            self.scope = before

    def add(self, operator: str, *inputs: Value, **attributes: Any) -> Tensor:
        """The one output of a new node. A constant input becomes of the type of the first tensor."""
        return self.several(operator, 1, *inputs, **attributes)[0]

    def several(self, operator: str, count: int, *inputs: Value, **attributes: Any) -> tuple[Tensor, ...]:
        """The `count` outputs of a new node; shapes and types are ONNX's own inference."""
        tensors = self._tensors(inputs)
        node = self._node(operator, tensors, count, attributes)
        given = [tensor for tensor in tensors if tensor is not None]
        try:
            found = onnx.shape_inference.infer_node_outputs(
                onnx.defs.get_schema(operator, OPSET, ""),
                node,
                {t.name: helper.make_tensor_type_proto(_element(t.dtype), t.shape) for t in given},
                {t.name: numpy_helper.from_array(t.constant) for t in given if t.constant is not None},
                opset_imports=[helper.make_opsetid("", OPSET)],
                ir_version=IR_VERSION,
            )
        except onnx.shape_inference.InferenceError as error:
            found_shapes = ", ".join(str(list(tensor.shape)) for tensor in given)
            text = (
                f"{self.scope}: {operator} of tensors of the shapes {found_shapes} is not possible: {error}"
            )
            raise ClientError("InputConfiguration", text[:600]) from error
        self.nodes.append(node)
        return tuple(self._typed(name, found.get(name)) for name in node.output)

    def declared(
        self,
        operator: str,
        inputs: Sequence[Value],
        types: Sequence[tuple[DType, Sequence[int]]],
        **attributes: Any,
    ) -> tuple[Tensor, ...]:
        """The outputs of a new node, of known types: for operators whose inference wants the whole graph."""
        node = self._node(operator, self._tensors(inputs), len(types), attributes)
        self.nodes.append(node)
        return tuple(
            Tensor(name, dtype, tuple(shape)) for name, (dtype, shape) in zip(node.output, types, strict=True)
        )

    def constant(self, value: Array | float | int | bool, dtype: DType | type | None = None) -> Tensor:
        """An initializer; the same array becomes one only once."""
        array = np.asarray(value, dtype)
        known = self._root._constants.get(id(array))
        if known is not None:
            return known[1]
        name = self.name("constant")
        self._root._initializers.append(
            numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        )
        tensor = Tensor(name, array.dtype, array.shape, constant=array if array.size <= _KNOWN else None)
        self._root._constants[id(array)] = array, tensor
        return tensor

    def input(self, name: str, dtype: DType, shape: Sequence[int]) -> Tensor:
        """A value that the message is given: by its caller, or by the operator whose body it is."""
        self._root._names[name] += 1
        return Tensor(name, dtype, tuple(shape))

    def name(self, kind: str) -> str:
        """A name that is not used yet: that of the layer, and what it stands for there."""
        base = f"{self.scope}/{kind}" if self.scope else kind
        self._root._names[base] += 1
        count = self._root._names[base]
        return base if count == 1 else self.name(f"{kind}_{count - 1}")

    def body(self) -> Message:
        """A message for the inside of an operator; it sees the values and constants of this one."""
        return Message(self)

    def graph(self, name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> onnx.GraphProto:
        """The graph that was built."""
        return helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(t.name, _element(t.dtype), t.shape) for t in inputs],
            [helper.make_tensor_value_info(t.name, _element(t.dtype), t.shape) for t in outputs],
            self._initializers,
        )

    def _tensors(self, inputs: Sequence[Value]) -> list[Tensor | None]:
        dtype = next((value.dtype for value in inputs if isinstance(value, Tensor)), None)
        return [
            value
            if value is None or isinstance(value, Tensor)
            else self.constant(value, None if isinstance(value, np.ndarray) else dtype)
            for value in inputs
        ]

    def _node(
        self, operator: str, inputs: Sequence[Tensor | None], count: int, attributes: dict[str, Any]
    ) -> onnx.NodeProto:
        name = self.name(operator)
        outputs = [f"{name}:{index}" for index in range(count)]
        names = [tensor.name if tensor else "" for tensor in inputs]
        while names and not names[-1]:
            names.pop()
        return helper.make_node(operator, names, outputs, name, **attributes)

    def _typed(self, name: str, found: onnx.TypeProto | None) -> Tensor:
        dims = found.tensor_type.shape.dim if found is not None else []
        known = found is not None and found.tensor_type.HasField("shape")
        if not known or not all(dim.HasField("dim_value") for dim in dims):
            text = f"{self.scope}: the shape of its result depends on the content of its inputs"
            raise ClientError("OperatorNotImplemented", text)
        assert found is not None
        dtype = helper.tensor_dtype_to_np_dtype(found.tensor_type.elem_type)
        return Tensor(name, np.dtype(dtype), tuple(dim.dim_value for dim in dims))


def _element(dtype: DType) -> int:
    return helper.np_dtype_to_tensor_dtype(dtype)
