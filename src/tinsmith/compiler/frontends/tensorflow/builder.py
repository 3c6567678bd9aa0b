"""The ONNX message in the making: values with their types, shapes and, where known, contents."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

OPSET = onnx.defs.onnx_opset_version()
FOLDED = 1 << 14
"""Elements up to which a value is computed here when all that it depends on is known."""
FEEDS = 1 << 20
"""Elements of what such a value is computed from."""

Array = NDArray[Any]
Shape = tuple[int | None, ...] | None


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the message."""

    name: str
    dtype: int
    """An element type of ONNX."""
    shape: Shape
    """None for sizes that are not known, and for a rank that is not."""
    constant: Array | None = None

    @property
    def rank(self) -> int:
        """The number of dimensions; ValueError where it is not known."""
        if self.shape is None:
            raise ValueError(f"the rank of {self.name!r} is not known before the run")
        return len(self.shape)

    @property
    def numpy(self) -> np.dtype[Any]:
        """The element type as numpy has it."""
        return helper.tensor_dtype_to_np_dtype(self.dtype)


class Graph:
    """Nodes in order; a graph inside a node sees the values of those around it."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []


class Builder:
    """Adds nodes to a graph, infers what they give and computes what is known."""

    def __init__(self) -> None:
        self.main = Graph()
        self.graph = self.main
        """Where nodes are added to."""
        self.scope = ""
        """The layer whose nodes are added."""
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.producers: dict[str, onnx.NodeProto] = {}
        self._names: dict[str, int] = {}
        self._made: dict[str, Value] = {}

    def unique(self, name: str) -> str:
        """`name`, or one like it that is not taken."""
        count = self._names.get(name, 0)
        self._names[name] = count + 1
        return self.unique(f"{name}__{count}") if count else name

    @contextmanager
    def into(self, graph: Graph) -> Iterator[Graph]:
        """Within the block, nodes are added to `graph`."""
        before, self.graph = self.graph, graph
        try:
            yield graph
        finally:
            self.graph = before

    @contextmanager
    def layer(self, name: str) -> Iterator[None]:
        """Within the block, nodes are those of the layer `name`."""
        before, self.scope = self.scope, name
        try:
            yield
        finally:
            self.scope = before

    def constant(self, content: ArrayLike, dtype: Any = None) -> Value:
        """A value that is known."""
        array = np.asarray(content, dtype)
        array = array if array.flags.c_contiguous else array.copy()
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        return Value("", kind, array.shape, array)

    def ints(self, *numbers: int) -> Value:
        """A known vector of int64, as axes and sizes are."""
        return self.constant(np.array(numbers, np.int64))

    def input_type(self, dtype: int) -> Any:
        """The numpy type of an element type."""
        return helper.tensor_dtype_to_np_dtype(dtype)

    def input(self, name: str, dtype: int, shape: Sequence[int]) -> Value:
        """A value that is given from outside."""
        return Value(self.unique(name), dtype, tuple(shape))

    def add(self, op: str, *inputs: Value | None, **attributes: Any) -> Value:
        """The output of a node of the operator `op`. Raises ValueError where the inputs do not fit it."""
        known = self._known(
            op, inputs, {key: value for key, value in attributes.items() if value is not None}
        )
        return known or self.several(op, 1, *inputs, **attributes)[0]

    def several(self, op: str, outputs: int, *inputs: Value | None, **attributes: Any) -> tuple[Value, ...]:
        """The outputs of a node that has several."""
        attributes = {name: value for name, value in attributes.items() if value is not None}
        node = helper.make_node(
            op,
            [self._used(value) for value in inputs],
            [self.unique(self.scope or op) for _ in range(outputs)],
            name=self.unique(f"{self.scope}" or op),
            **attributes,
        )
        results = self._inferred(node, inputs)
        self.append(node)
        self._made.update((result.name, result) for result in results)
        return results

    def part(self, value: Value, place: int) -> Value | None:
        """The element at `place` of a small vector or matrix, flattened, if it is known by itself."""
        if value.constant is not None:
            return self.constant(value.constant.ravel()[place])
        node = self.producers.get(value.name)
        if node is None:
            return None
        sources = [self._made.get(name) for name in node.input]
        if node.op_type in ("Unsqueeze", "Reshape", "Squeeze", "Cast", "Identity") and sources[0]:
            return self.part(sources[0], place)
        if node.op_type != "Concat" or node.attribute[0].i:
            return None
        for source in sources:
            if source is None or source.shape is None or None in source.shape:
                return None
            size = math.prod(size or 0 for size in source.shape)
            if place < size:
                return self.part(source, place)
            place -= size
        return None

    def append(self, node: onnx.NodeProto) -> None:
        """Adds a finished node."""
        self.graph.nodes.append(node)
        for name in node.output:
            self.producers[name] = node

    def used(self, value: Value) -> Value:
        """`value` with a name that nodes may take."""
        return value if value.name else replace(value, name=self._used(value))

    def _used(self, value: Value | None) -> str:
        if value is None:
            return ""
        if value.name:
            return value.name
        assert value.constant is not None
        name = self.unique(f"{self.scope}/const" if self.scope else "const")
        self.initializers[name] = numpy_helper.from_array(value.constant, name)
        object.__setattr__(value, "name", name)  # the same constant is written once
        self._made[name] = value
        return name

    def _known(self, op: str, inputs: Sequence[Value | None], attributes: dict[str, Any]) -> Value | None:
        arrays = [None if value is None else value.constant for value in inputs]
        if any(value is not None and value.constant is None for value in inputs):
            return None
        moved = _MOVES.get(op)
        try:
            if moved is not None:
                return self.constant(moved(*arrays, **attributes))
            if op in _LARGE or not inputs or sum(a.size for a in arrays if a is not None) > FEEDS:
                return None
            node = helper.make_node(
                op, [f"i{n}" if v else "" for n, v in enumerate(inputs)], ["o"], **attributes
            )
            size = self._inferred(node, inputs, ("o",))[0].shape
            if size is None or None in size or math.prod(s or 0 for s in size) > FOLDED:
                return None
            return self.constant(_computed(node, arrays))
        except (ValueError, TypeError, IndexError, RuntimeError, NotImplementedError, AttributeError):
            return None

    def _inferred(
        self, node: onnx.NodeProto, inputs: Sequence[Value | None], names: Sequence[str] | None = None
    ) -> tuple[Value, ...]:
        schema = _schema(node.op_type)
        types: dict[str, onnx.TypeProto] = {}
        data: dict[str, onnx.TensorProto] = {}
        for name, value in zip(node.input, inputs, strict=True):
            if value is not None:
                types[name] = helper.make_tensor_type_proto(value.dtype, value.shape)
                if value.constant is not None and value.constant.size <= 256:
                    data[name] = numpy_helper.from_array(value.constant, name)
        try:
            found = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=[helper.make_opsetid("", OPSET)]
            )
        except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
            text = " ".join(str(error).split()).removeprefix("[ShapeInferenceError] ")
            raise ValueError(text[:300]) from error
        return tuple(_value(name, found.get(name)) for name in names or node.output)


def _value(name: str, kind: onnx.TypeProto | None) -> Value:
    if kind is None:
        raise ValueError("the type of its result cannot be told")
    tensor = kind.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
    return Value(name, tensor.elem_type, shape)


@cache
def _schema(op: str) -> onnx.defs.OpSchema:
    return onnx.defs.get_schema(op, OPSET)


def _computed(node: onnx.NodeProto, arrays: Sequence[Array | None]) -> Array:
    """What `node` gives, by the definition of ONNX."""
    simple = _SIMPLE.get(node.op_type)
    if simple is not None and not node.attribute and len({a.dtype for a in arrays if a is not None}) == 1:
        with np.errstate(all="ignore"):
            return np.asarray(simple(*arrays))
    from onnx.reference import ReferenceEvaluator

    model = helper.make_model(
        helper.make_graph(
            [node],
            "constant",
            [onnx.ValueInfoProto(name=name) for name in node.input if name],
            [onnx.ValueInfoProto(name=name) for name in node.output],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    feeds = {name: array for name, array in zip(node.input, arrays, strict=True) if name}
    with np.errstate(all="ignore"):
        results: Any = ReferenceEvaluator(model).run(None, feeds)
    return np.asarray(results[0])


def _reshape(data: Array, shape: Array, allowzero: int = 0) -> Array:
    sizes = [data.shape[i] if s == 0 and not allowzero else int(s) for i, s in enumerate(shape)]
    return data.reshape(sizes)


def _unsqueeze(data: Array, axes: Array) -> Array:
    return np.expand_dims(data, tuple(int(axis) for axis in np.ravel(axes)))


def _squeeze(data: Array, axes: Array | None = None) -> Array:
    return np.squeeze(data, None if axes is None else tuple(int(axis) for axis in np.ravel(axes)))


_MOVES: dict[str, Callable[..., Array]] = {
    "Identity": lambda data: data,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Transpose": lambda data, perm=None: np.transpose(data, perm),
    "Unsqueeze": _unsqueeze,
}
"""What only moves elements is computed at any size: weights are turned once, here."""

_SIMPLE: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "And": np.logical_and,
    "Equal": np.equal,
    "Greater": np.greater,
    "Less": np.less,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
}

_LARGE = frozenset({"Loop", "If", "Scan", "NonMaxSuppression"})
