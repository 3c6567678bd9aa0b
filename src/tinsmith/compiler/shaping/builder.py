"""Builds an ONNX message node by node; the type and the shape of every value are known as soon as it is made.

What no input influences is computed at once, see `folding`. A frontend whose operators depend on shapes reads
DataInputConfig first, and hands the message to `shape`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Generic, Self, TypeVar

import numpy as np
import onnx
from numpy.typing import ArrayLike, DTypeLike, NDArray
from onnx import helper, numpy_helper, shape_inference

from tinsmith.compiler.shaping.folding import FEEDS, FOLDED, KEPT, MOVES, evaluate
from tinsmith.compiler.shaping.inputs import MAX_ELEMENTS, model_shape
from tinsmith.compiler.shaping.rename import Names, rename_uses

ML = "ai.onnx.ml"
VERSIONS = {"": 26, ML: 5}
"""Of the operators, by domain."""

_SMALL = 256
"""Elements up to which constants of the same content are one, and take part in shape inference."""

Array = NDArray[Any]
DType = np.dtype[Any]
Dims = tuple[int | None, ...] | None
"""None for sizes that are not known, and for a rank that is not."""


class ShapeError(ValueError):
    """Operands that do not fit one another, or a value that no machine holds."""


class UnknownSize(ShapeError):
    """A size, or even a rank, that only a run tells."""


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the message; arithmetic on it adds nodes."""

    __array_ufunc__ = None  # numpy leaves `array - value` to the value

    builder: Builder[Any] = field(repr=False)
    name: str
    dtype: DType
    dims: Dims
    constant: Array | None = field(default=None, repr=False)
    """Its content, where no input influences it."""

    def __str__(self) -> str:
        return f"{self.dtype} {model_shape(self.dims)}"

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes. Raises UnknownSize where only a run tells one."""
        if self.dims is None or None in self.dims:
            raise UnknownSize("it works on a tensor whose sizes only the run tells")
        return tuple(size or 0 for size in self.dims)

    @property
    def rank(self) -> int:
        """The number of dimensions. Raises UnknownSize where it is not known."""
        if self.dims is None:
            raise UnknownSize(f"the rank of {self.name!r} is not known before the run")
        return len(self.dims)

    def op(self, operator: str, *others: Operand, **attributes: Any) -> Self:
        """The output of a new node with this value as its first input; see `Builder.add`."""
        result: Self = self.builder.add(operator, self, *others, **attributes)
        return result

    def __add__(self, other: Operand) -> Self:
        return self.op("Add", other)

    def __sub__(self, other: Operand) -> Self:
        return self.op("Sub", other)

    def __mul__(self, other: Operand) -> Self:
        return self.op("Mul", other)

    def __truediv__(self, other: Operand) -> Self:
        return self.op("Div", other)

    def __pow__(self, other: Operand) -> Self:
        return self.op("Pow", other)

    def __matmul__(self, other: Operand) -> Self:
        return self.op("MatMul", other)

    def __radd__(self, other: Operand) -> Self:
        return self._behind("Add", other)

    def __rsub__(self, other: Operand) -> Self:
        return self._behind("Sub", other)

    def __rmul__(self, other: Operand) -> Self:
        return self._behind("Mul", other)

    def __rtruediv__(self, other: Operand) -> Self:
        return self._behind("Div", other)

    def __neg__(self) -> Self:
        return self.op("Neg")

    def _behind(self, operator: str, first: Operand) -> Self:
        result: Self = self.builder.add(operator, first, self)
        return result

    def reshape(self, *sizes: int) -> Self:
        """In another shape; one size may be -1: what is left."""
        allowzero = 1 if 0 in sizes else None
        return (
            self if sizes == self.dims else self.op("Reshape", np.array(sizes, np.int64), allowzero=allowzero)
        )

    def transpose(self, *order: int) -> Self:
        """With its dimensions in another order; two transposes that undo one another are none."""
        source, before = self.transposed()
        joined = tuple(before[dim] for dim in order) if before else tuple(order)
        return source if joined == tuple(range(len(joined))) else source.op("Transpose", perm=joined)

    def transposed(self) -> tuple[Self, tuple[int, ...]]:
        """The value that this one is a transpose of, and in which order; itself and () for any other."""
        node = self.builder.producers.get(self.name)
        if node is None or node.op_type != "Transpose":
            return self, ()
        return self.builder.values[node.input[0]], tuple(node.attribute[0].ints)

    def cast(self, dtype: DTypeLike) -> Self:
        """As elements of another type."""
        wanted = np.dtype(dtype)
        if self.dtype == wanted:
            return self
        if self.constant is not None:
            known: Self = self.builder.constant(self.constant.astype(wanted))
            return known
        return self.op("Cast", to=element(wanted))

    def slice(self, axis: int, start: int, end: int, step: int = 1) -> Self:
        """From `start` to before `end` along `axis`, as Python counts."""
        bounds = (np.array([number], np.int64) for number in (start, end, axis, step))
        return self.op("Slice", *bounds)

    def squeeze(self, *axes: int) -> Self:
        """Without these axes of size 1."""
        return self.op("Squeeze", np.array(axes, np.int64))

    def unsqueeze(self, *axes: int) -> Self:
        """With axes of size 1 at these places of the result."""
        return self.op("Unsqueeze", np.array(axes, np.int64))


Operand = Value | Array | float | None
"""What a node takes: a value, a constant, or nothing for an input that is left out."""
V = TypeVar("V", bound=Value)


class Graph:
    """Nodes in order; a graph inside a node sees the values of those around it."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []


class Builder(Generic[V]):
    """Adds nodes to a graph. Values are of the class that is given, which may say more about them."""

    def __init__(
        self,
        value: type[V],
        reserved: Iterable[str] = (),
        number: DTypeLike = np.float32,
        least: int = 0,
    ) -> None:
        """`reserved` are names that no value is to have; `number` is the type of reals that no operand tells;
        `least` is the smallest size that a result may have.
        """
        self.main = Graph()
        self.graph = self.main
        """Where nodes are added to."""
        self.scope = ""
        """The layer that nodes are named after."""
        self.producers: dict[str, onnx.NodeProto] = {}
        """Nodes by the names of their outputs."""
        self.values: dict[str, V] = {}
        self._value = value
        self._number = np.dtype(number)
        self._least = least
        self._initializers: dict[str, Array] = {}
        self._constants: dict[object, V] = {}
        self._layers = Names()
        self._names = Names()
        self._names.take(reserved)

    def unique(self, name: str) -> str:
        """`name`, or one like it that no value has."""
        return self._names.fresh(name)

    @contextmanager
    def layer(self, name: str) -> Iterator[None]:
        """Nodes added in the block are named after the layer `name`."""
        before, self.scope = self.scope, name
        try:
            yield
        finally:
            self.scope = before

    @contextmanager
    def into(self, graph: Graph) -> Iterator[Graph]:
        """Nodes added in the block are those of `graph`."""
        before, self.graph = self.graph, graph
        try:
            yield graph
        finally:
            self.graph = before

    def input(self, name: str, dtype: DTypeLike, dims: Sequence[int | None] | None) -> V:
        """A value that a graph is given: by its caller, or by the operator whose body it is."""
        return self._made(self.unique(name), np.dtype(dtype), None if dims is None else tuple(dims))

    def constant(self, content: ArrayLike, dtype: DTypeLike | None = None, name: str = "") -> V:
        """A value that is known. Those of the same content are one, large ones where it is the same array.

        Python's whole numbers are int64; for its reals see `__init__`.
        """
        array = np.asarray(content, dtype)
        if dtype is None and array.dtype.kind == "f" and not isinstance(content, np.ndarray | np.generic):
            array = array.astype(self._number)
        element(array.dtype)
        key: object = id(array)
        if array.size <= _SMALL:
            key = array.dtype.name, array.shape, array.tobytes()
        if key not in self._constants:
            fresh = self.unique(name or (f"{self.scope}.constant" if self.scope else "constant"))
            self._constants[key] = self._made(fresh, array.dtype, array.shape, array)
        return self._constants[key]

    def ints(self, *numbers: int) -> V:
        """A known vector of int64, as axes and sizes are."""
        return self.constant(np.array(numbers, np.int64))

    def add(self, operator: str, *inputs: Operand, **attributes: Any) -> V:
        """The output of a new node, or what it would give where all inputs are known.

        Numbers among `inputs` get the type of the first value that is no condition. Attributes that are None
        are left out; `domain` is that of the operator. Raises ShapeError where ONNX finds that the inputs do
        not fit the operator or one another.
        """
        values = self._operands(inputs)
        known = self._computed(operator, values, _given(attributes))
        return self.several(operator, 1, *values, **attributes)[0] if known is None else self.constant(known)

    def several(self, operator: str, count: int, *inputs: Operand, **attributes: Any) -> tuple[V, ...]:
        """The `count` outputs of a new node; see `add`."""
        values = self._operands(inputs)
        node = self._node(operator, values, count, attributes)
        return self._added(node, self._inferred(node, values))

    def declared(
        self,
        operator: str,
        inputs: Sequence[Operand],
        types: Sequence[tuple[DType, Dims]],
        **attributes: Any,
    ) -> tuple[V, ...]:
        """The outputs of a new node, of known types: for operators that ONNX cannot infer by themselves."""
        values = self._operands(inputs)
        return self._added(self._node(operator, values, len(types), attributes), types)

    def subgraph(
        self, graph: Graph, name: str, inputs: Sequence[Value], outputs: Sequence[Value]
    ) -> onnx.GraphProto:
        """`graph` for inside a node. Its outputs are values of its own, copies of `outputs`."""
        with self.into(graph):
            own = [self._copied(value, self.unique(f"{name}.output")) for value in outputs]
        return helper.make_graph(graph.nodes, name, list(map(_info, inputs)), list(map(_info, own)))

    def model(
        self,
        name: str,
        inputs: Sequence[Value],
        outputs: Mapping[str, Value],
        producer: str,
        version: str = "",
    ) -> onnx.ModelProto:
        """The finished message; `outputs` are values by the names they get."""
        renamed: dict[str, str] = {}
        own = {output for node in self.main.nodes for output in node.output}
        for wanted, value in outputs.items():
            if value.name in own and value.name not in renamed:
                renamed[value.name] = wanted
            elif wanted != value.name:
                self._copied(value, wanted)
        rename_uses(self.main.nodes, renamed)
        infos = [_info(replace(value, name=wanted)) for wanted, value in outputs.items()]
        weights = [
            numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            for name, array in self._initializers.items()
        ]
        return helper.make_model(
            helper.make_graph(self.main.nodes, name, list(map(_info, inputs)), infos, weights),
            opset_imports=_IMPORTS,
            ir_version=onnx.IR_VERSION,
            producer_name=producer,
            producer_version=version,
        )

    def _made(self, name: str, dtype: DType, dims: Dims, constant: Array | None = None) -> V:
        self.values[name] = value = self._value(self, name, dtype, dims, constant)
        return value

    def _operands(self, inputs: Sequence[Operand]) -> list[Value | None]:
        types = [value.dtype for value in inputs if isinstance(value, Value)]
        dtype = next((found for found in types if found != np.bool_), self._number)
        return [self._operand(value, dtype) for value in inputs]

    def _operand(self, value: Operand, dtype: DType) -> Value | None:
        if value is None or isinstance(value, Value):
            return value
        return self.constant(value, None if isinstance(value, np.ndarray | bool) else dtype)

    def _node(
        self, operator: str, values: Sequence[Value | None], count: int, attributes: Mapping[str, Any]
    ) -> onnx.NodeProto:
        layer = self.scope or operator
        return helper.make_node(
            operator,
            [self._used(value) for value in values],
            [self.unique(f"{layer}.{operator}" if self.scope else layer) for _ in range(count)],
            name=self._layers.fresh(layer),
            **_given(attributes),
        )

    def _used(self, value: Value | None) -> str:
        """The name of `value`; a constant is written once it is used."""
        if value is None:
            return ""
        if value.constant is not None:
            self._initializers[value.name] = value.constant
        return value.name

    def _added(self, node: onnx.NodeProto, types: Sequence[tuple[DType, Dims]]) -> tuple[V, ...]:
        for _, dims in types:
            sizes = [self._least if size is None else size for size in dims or ()]
            if min(sizes, default=1) < self._least or math.prod(sizes) > MAX_ELEMENTS:
                expected = f"expected {self._least} to {MAX_ELEMENTS} elements"
                raise ShapeError(f"would give the shape {model_shape(dims)}, {expected}")
        self.graph.nodes.append(node)
        self.producers.update(dict.fromkeys(node.output, node))
        return tuple(
            self._made(name, dtype, dims) for name, (dtype, dims) in zip(node.output, types, strict=True)
        )

    def _copied(self, value: Value, name: str) -> Value:
        node = helper.make_node("Identity", [self._used(value)], [name], name=name)
        return self._added(node, [(value.dtype, value.dims)])[0]

    def _computed(
        self, operator: str, values: Sequence[Value | None], attributes: Mapping[str, Any]
    ) -> Array | None:
        """What an operator gives for inputs that are all known, if that is small or only moves elements."""
        arrays = [None if value is None else value.constant for value in values]
        if not values or any(value is not None and value.constant is None for value in values):
            return None
        try:
            if operator in MOVES:
                return MOVES[operator](*arrays, **attributes)
            if operator in KEPT or sum(array.size for array in arrays if array is not None) > FEEDS:
                return None
            names = ["" if array is None else f"{place}" for place, array in enumerate(arrays)]
            node = helper.make_node(operator, names, ["result"], **attributes)
            ((_, dims),) = self._inferred(node, values)
            if dims is None or None in dims or math.prod(size or 0 for size in dims) > FOLDED:
                return None
            feeds = {name: array for name, array in zip(names, arrays, strict=True) if array is not None}
            return evaluate(node, feeds, VERSIONS[""])[0]
        except _FAULTS:
            return None

    def _inferred(self, node: onnx.NodeProto, values: Sequence[Value | None]) -> list[tuple[DType, Dims]]:
        given = {name: value for name, value in zip(node.input, values, strict=True) if value is not None}
        try:
            found = shape_inference.infer_node_outputs(
                _schema(node.op_type, node.domain),
                node,
                {name: helper.make_tensor_type_proto(element(v.dtype), v.dims) for name, v in given.items()},
                {
                    name: numpy_helper.from_array(value.constant, name)
                    for name, value in given.items()
                    if value.constant is not None and value.constant.size <= _SMALL
                },
                opset_imports=_IMPORTS,
                ir_version=onnx.IR_VERSION,
            )
        except (shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError) as error:
            shapes = ", ".join(model_shape(value.dims) for value in given.values())
            text = f"{node.op_type} of tensors of the shapes {shapes} is not possible: {_reason(error)}"
            raise ShapeError(text) from error
        return [_type(node.op_type, found.get(name)) for name in node.output]


def element(dtype: DType) -> int:
    """ONNX's number of an element type."""
    return int(helper.np_dtype_to_tensor_dtype(dtype))


_IMPORTS = [helper.make_opsetid(domain, version) for domain, version in VERSIONS.items()]
_FAULTS = (ValueError, TypeError, IndexError, RuntimeError, NotImplementedError, AttributeError)


@cache
def _schema(operator: str, domain: str) -> onnx.defs.OpSchema:
    return onnx.defs.get_schema(operator, VERSIONS[domain], domain)


def _given(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _type(operator: str, found: onnx.TypeProto | None) -> tuple[DType, Dims]:
    if found is None:
        raise ShapeError(f"the type of what {operator} gives cannot be told")
    tensor = found.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return dtype, tuple(dims) if tensor.HasField("shape") else None


def _info(value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(value.name, element(value.dtype), value.dims)


def _reason(error: Exception) -> str:
    """What ONNX says, without its prefix and on one line."""
    text = " ".join(str(error).split())
    return text.rpartition("] ")[2][:200] or type(error).__name__
