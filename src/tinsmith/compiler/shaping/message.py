"""Builds an ONNX message node by node; the type and the shape of every value are known as soon as it is made.

A frontend whose operators depend on shapes reads DataInputConfig first, and hands the message to `shape`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.shaping.inputs import MAX_ELEMENTS
from tinsmith.compiler.shaping.rename import Names, rename_uses

OPSET = 25
"""Version of ai.onnx that nodes are of."""
IR_VERSION = 11

_KEPT = 64
"""Elements up to which a constant takes part in shape inference: shapes, axes, scales."""


class ShapeError(Exception):
    """Operands that do not fit one another, or a value that no machine holds."""


class Message:
    """An ONNX model in the making. Values are referred to by their names."""

    def __init__(self, name: str, inputs: Sequence[TensorSpec], outputs: Sequence[str] = ()) -> None:
        """`outputs` are names that no value inside the model is to have."""
        self._name = name
        self._inputs = [
            helper.make_tensor_value_info(spec.name, _elem_type(spec.dtype), spec.shape) for spec in inputs
        ]
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[TensorProto] = []
        self._small: dict[str, TensorProto] = {}
        self._types = {value.name: value.type for value in self._inputs}
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._imports = [helper.make_opsetid("", OPSET)]
        self._layers = Names()
        self._names = Names()
        self._names.take(self._types)
        self._names.take(outputs)

    def constant(self, value: Any, name: str = "constant") -> str:
        """A constant; small ones of the same content are one. Python numbers are int64 and float32."""
        array = np.asarray(value)
        if not isinstance(value, np.ndarray | np.generic):
            array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= _KEPT else None
        if key in self._known:
            return self._known[key]
        fresh = self._names.fresh(name)
        tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), fresh)
        self._initializers.append(tensor)
        self._types[fresh] = helper.make_tensor_type_proto(tensor.data_type, array.shape)
        if key is not None:
            self._small[fresh] = tensor
            self._known[key] = fresh
        return fresh

    def add(self, layer: str, operator: str, *inputs: str, **attributes: Any) -> str:
        """The output of a new node named `layer`, with a number behind from the second on; see `add_many`."""
        return self.add_many(layer, operator, inputs, 1, **attributes)[0]

    def add_many(
        self, layer: str, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> tuple[str, ...]:
        """The outputs of a new node. Attributes that are None are left out.

        Raises ShapeError where ONNX finds that the inputs do not fit the operator or one another.
        """
        names = tuple(self._names.fresh(f"{layer}.{operator}") for _ in range(outputs))
        given = {name: value for name, value in attributes.items() if value is not None}
        node = helper.make_node(operator, inputs, names, name=self._layers.fresh(layer), **given)
        try:
            self._types |= self._infer(node)
        except (shape_inference.InferenceError, ValueError, RuntimeError) as error:
            raise ShapeError(_reason(error)) from error
        for name in names:
            shape = self._shape(name)
            if shape is not None and (min(shape, default=1) < 1 or math.prod(shape) > MAX_ELEMENTS):
                raise ShapeError(f"would give the shape {list(shape)}, expected 1 to {MAX_ELEMENTS} elements")
        self._nodes.append(node)
        return names

    def _infer(self, node: onnx.NodeProto) -> dict[str, onnx.TypeProto]:
        types = shape_inference.infer_node_outputs(
            onnx.defs.get_schema(node.op_type, OPSET),
            node,
            {name: self._types[name] for name in node.input if name in self._types},
            {name: self._small[name] for name in node.input if name in self._small},
            opset_imports=self._imports,
            ir_version=IR_VERSION,
        )
        return dict(types)

    def note(self, value: str, dtype: str, shape: Sequence[int]) -> None:
        """Tells the type of `value` where ONNX does not infer it."""
        self._types[value] = helper.make_tensor_type_proto(_elem_type(dtype), shape)

    def shape(self, value: str) -> tuple[int, ...]:
        """The shape of `value`. Raises ShapeError where only a run tells it."""
        shape = self._shape(value)
        if shape is None:
            raise ShapeError("depends on a size that only a run tells")
        return shape

    def rank(self, value: str) -> int:
        """The number of dimensions of `value`."""
        return len(self._types[value].tensor_type.shape.dim)

    def dtype(self, value: str) -> np.dtype[Any]:
        """The element type of `value`."""
        return np.dtype(helper.tensor_dtype_to_np_dtype(self._types[value].tensor_type.elem_type))

    def model(self, outputs: Mapping[str, str], producer: str) -> onnx.ModelProto:
        """The finished message; `outputs` are values by the names they get."""
        renamed: dict[str, str] = {}
        own = {name for node in self._nodes for name in node.output}
        for name, value in outputs.items():
            if value in own and value not in renamed:
                renamed[value] = name
            elif name != value:
                self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        rename_uses(self._nodes, renamed)
        graph = helper.make_graph(
            self._nodes,
            self._name,
            self._inputs,
            [onnx.ValueInfoProto(name=name, type=self._types[value]) for name, value in outputs.items()],
            self._initializers,
        )
        model = helper.make_model(graph, opset_imports=self._imports, ir_version=IR_VERSION)
        model.producer_name = producer
        return model

    def value(self, name: str) -> NDArray[Any] | None:
        """The content of a small constant; None for every other value."""
        tensor = self._small.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def _shape(self, value: str) -> tuple[int, ...] | None:
        tensor = self._types[value].tensor_type if value in self._types else None
        if tensor is None or not tensor.HasField("shape"):
            return None
        dims = tensor.shape.dim
        return tuple(dim.dim_value for dim in dims) if all(d.HasField("dim_value") for d in dims) else None


def _elem_type(dtype: str) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _reason(error: Exception) -> str:
    """What ONNX says, without its prefix and on one line."""
    text = " ".join(str(error).split())
    return text.rpartition("] ")[2][:200] or type(error).__name__
