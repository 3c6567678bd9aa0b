"""A node while it is lowered: its attributes, and the stages that its rule makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import onnx_ir

from tinsmith.compiler.ir import dtypes, scalars
from tinsmith.compiler.ir.loops import ArgReduce, Extern, Map, Measure, Reduce, Scatter, Stage, View
from tinsmith.compiler.ir.scalars import BOOL, INDEX, Dim, Expr, Literal, Load, Size, Tensor, Var

Result = TypeVar("Result")


class Unsupported(Exception):
    """What of a node is not compiled."""


@dataclass
class Node:
    """One node. `version` is that of its operator set."""

    name: str
    op_type: str
    version: int
    attributes: Mapping[str, Any]
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[str, ...]
    """Names; "" where nobody wants the output."""
    declared: tuple[tuple[int, ...] | None, ...] = ()
    """Per output: its shape, where the file tells all of it."""
    declared_types: tuple[str | None, ...] = ()
    stages: list[Stage] = field(default_factory=list)
    makers: Mapping[Tensor, Stage] = field(default_factory=dict)
    """The stages before this node that are a Map or a View, by the tensor they fill."""
    lower_graph: Callable[[Any, Sequence[Tensor]], tuple[list[Tensor], list[Stage]]] | None = None
    """Lowers a subgraph given its inputs: its outputs and stages."""
    _made: int = 0

    def refuse(self, problem: str) -> Unsupported:
        """To raise."""
        return Unsupported(problem)

    def integer(self, name: str, default: int | None = None) -> int:
        """An attribute; without default it is required."""
        return int(self._attribute(name, default))

    def number(self, name: str, default: float | None = None) -> float:
        """As `integer`; a float32."""
        return float(np.float32(self._attribute(name, default)))

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """As `integer`."""
        return tuple(int(value) for value in self._attribute(name, default))

    def text(self, name: str, default: str | None = None) -> str:
        """As `integer`."""
        return str(self._attribute(name, default))

    def dtype(self, name: str, default: str | None = None) -> str:
        """An attribute that is ONNX's number of an element type: the name of that type."""
        if default is not None and not self.attributes.get(name):
            return default
        number = self.integer(name)
        try:
            found = str(onnx_ir.DataType(number).numpy().name)
        except (ValueError, TypeError):
            found = ""
        if not dtypes.is_known(found):
            raise self.refuse(f"attribute {name} is {number}, which is no type of numbers that is compiled")
        return found

    def has(self, name: str) -> bool:
        """The attribute is given."""
        return name in self.attributes

    def _attribute(self, name: str, default: Any) -> Any:
        value = self.attributes.get(name, default)
        if value is None:
            raise self.refuse(f"attribute {name} is missing")
        return value

    def axis(self, rank: int, name: str = "axis", default: int | None = None) -> int:
        """An attribute that names one of `rank` axes, counted from the end where negative."""
        return self.normal_axis(self.integer(name, default), rank)

    def normal_axis(self, axis: int, rank: int) -> int:
        """0 <= axis < rank."""
        if not -rank <= axis < max(rank, 1):
            raise self.refuse(f"axis {axis} of {rank} dimensions")
        return axis % rank if rank else 0

    def input(self, position: int) -> Tensor | None:
        """None where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def known(self, position: int) -> np.ndarray[Any, Any] | None:
        """The value of an input that is a constant."""
        tensor = self.input(position)
        return None if tensor is None else tensor.value

    def known_ints(self, position: int, what: str) -> tuple[int, ...]:
        """The elements of an input that has to be a constant."""
        value = self.known(position)
        if value is None:
            raise self.refuse(f"input {position} ({what}) is not a constant")
        return tuple(int(number) for number in np.atleast_1d(value).ravel())

    def wants(self, output: int) -> bool:
        """Somebody uses that output."""
        return output < len(self.outputs) and bool(self.outputs[output])

    def tensor(self, shape: Sequence[Dim], dtype: str) -> Tensor:
        """A new tensor, to be filled."""
        self._made += 1
        name = next(filter(None, self.outputs), self.name)
        return Tensor(f"{name}#{self._made}", dtype, tuple(shape))

    def size(self, most: int) -> Size:
        """A dimension that the run finds out."""
        self._made += 1
        return Size(f"{self.name}#{self._made}", most)

    def constant(self, value: Any, dtype: str | None = None) -> Tensor:
        """A tensor of known content."""
        array = np.asarray(value)
        name = dtype or array.dtype.name
        self._made += 1
        return Tensor(f"{self.name}#{self._made}", name, array.shape, array.astype(dtypes.numpy_dtype(name)))

    def add(self, stage: Stage) -> Tensor:
        """Appends a stage; its tensor."""
        self.stages.append(stage)
        return stage.out

    def collected(self, make: Callable[[], Result]) -> tuple[Result, tuple[Stage, ...]]:
        """What `make` gives, and the stages that it adds, which are not added here."""
        outer, self.stages = self.stages, []
        try:
            return make(), tuple(self.stages)
        finally:
            self.stages = outer

    @property
    def origin(self) -> str:
        """For people."""
        return f"{self.op_type} {self.name}"

    def map(self, shape: Sequence[Dim], value: Callable[..., Expr], dtype: str | None = None) -> Tensor:
        """out[i, j, ..] = value(i, j, ..)"""
        vars = scalars.variables(shape)
        expr = value(*vars)
        assert dtype is None or expr.dtype == dtype, (dtype, expr.dtype)
        return self.add(Map(self.tensor(shape, expr.dtype), vars, expr, origin=self.origin))

    def reduce(
        self, shape: Sequence[Dim], over: Sequence[Dim], kind: str, value: Callable[..., Expr]
    ) -> Tensor:
        """out[i..] = kind over r.. of value(i.., r..)"""
        vars, reduced = scalars.variables(shape), scalars.variables(over, "r")
        expr = value(*vars, *reduced)
        return self.add(Reduce(self.tensor(shape, expr.dtype), vars, reduced, kind, expr, origin=self.origin))

    def arg_reduce(
        self, shape: Sequence[Dim], over: Dim, kind: str, last: bool, value: Callable[..., Expr]
    ) -> Tensor:
        """out[i..] = the r of the greatest or least value(i.., r)"""
        vars, (reduced,) = scalars.variables(shape), scalars.variables([over], "r")
        expr = value(*vars, reduced)
        return self.add(
            ArgReduce(self.tensor(shape, "int64"), vars, reduced, kind, expr, last, origin=self.origin)
        )

    def scatter(
        self,
        shape: Sequence[Dim],
        base: Callable[..., Expr],
        over: Sequence[Dim],
        update: Callable[..., tuple[tuple[Expr, ...], Expr]],
        combine: str = "set",
        guard: Callable[..., Expr] | None = None,
    ) -> Tensor:
        """out[i..] = base(i..), then out[index] = combine(.., value) for (index, value) = update(r..)."""
        vars, reduced = scalars.variables(shape), scalars.variables(over, "r")
        start = base(*vars)
        index, value = update(*reduced)
        condition = guard(*reduced) if guard else None
        out = self.tensor(shape, start.dtype)
        return self.add(
            Scatter(out, vars, start, reduced, index, value, combine, condition, origin=self.origin)
        )

    def extern(
        self,
        function: str,
        inputs: Sequence[Tensor],
        outputs: Sequence[tuple[Sequence[Dim], str]],
        numbers: Sequence[int | float | Size] = (),
    ) -> tuple[Tensor, ...]:
        """Tensors that a C function of the backend fills."""
        made = tuple(self.tensor(shape, dtype) for shape, dtype in outputs)
        self.add(Extern(made[0], function, tuple(inputs), made[1:], tuple(numbers), origin=self.origin))
        return made

    def measure(self, value: Expr, most: int) -> Dim:
        """A dimension of this size, an index between 0 and `most`."""
        if isinstance(value, Literal):
            return min(max(int(value.value), 0), most)
        dim = self.size(most)
        self.set_size(dim, value)
        return dim

    def set_size(self, dim: Size, value: Expr) -> None:
        """The run-time size, an index between 0 and the largest that it may be."""
        self.add(Measure(self.tensor((), "int64"), dim, value, origin=self.origin))

    def elements(self, shape: Sequence[Dim]) -> Dim:
        """How many elements a tensor of that shape has."""
        unknown = [dim for dim in shape if not isinstance(dim, int)]
        known = math.prod(dim for dim in shape if isinstance(dim, int))
        if not unknown or known == 0:
            return known
        if len(unknown) == 1 and known == 1:
            return unknown[0]
        value: Expr = Literal(known, INDEX)
        for dim in unknown:
            value = value * dim
        return self.measure(value, known * math.prod(dim.most for dim in unknown))

    def view(self, source: Tensor, shape: Sequence[Dim]) -> Tensor:
        """The same elements in another shape."""
        static = scalars.static(shape)
        if source.value is not None and static is not None:
            return self.constant(source.value.reshape(static), source.dtype)
        if source.shape == tuple(shape):
            return source
        return self.add(View(self.tensor(shape, source.dtype), source, origin=self.origin))

    def cast(self, source: Tensor, dtype: str) -> Tensor:
        """Every element in another type."""
        return source if source.dtype == dtype else self.map(source.shape, lambda *i: source[i].cast(dtype))


def broadcast(node: Node, *shapes: Sequence[Dim]) -> tuple[Dim, ...]:
    """Numpy's rule."""
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Dim] = []
    for axis in range(-rank, 0):
        sizes = [shape[axis] for shape in shapes if len(shape) >= -axis]
        wide = [dim for dim in sizes if dim != 1]
        if any(dim != wide[0] for dim in wide):
            raise node.refuse(f"shapes {', '.join(map(str, shapes))} do not fit together")
        result.append(wide[0] if wide else 1)
    return tuple(result)


def at(tensor: Tensor, index: Sequence[Expr]) -> Expr:
    """The element of `tensor` broadcast to the rank of `index`."""
    own = index[len(index) - tensor.rank :]
    return Load(
        tensor,
        tuple(Literal(0, INDEX) if dim == 1 else part for dim, part in zip(tensor.shape, own, strict=True)),
    )


def count(shape: Sequence[Dim]) -> Dim:
    """Elements; where one dimension is known only at run time, the others must be 1."""
    static = scalars.static(shape)
    if static is not None:
        return math.prod(static)
    (unknown,) = (dim for dim in shape if not isinstance(dim, int))
    if any(dim != 1 for dim in shape if isinstance(dim, int)):
        raise Unsupported("a size that is known only at run time among others")
    return unknown


def element(tensor: Tensor, *index: int) -> Expr:
    """A fixed element; the only one of a scalar or of a one-element tensor without `index`."""
    return tensor[index or (0,) * tensor.rank]


def bool_of(expr: Expr) -> Expr:
    """Not zero."""
    return expr if expr.dtype == BOOL else expr.differs(0)


def wrapped(index: Expr, extent: Dim) -> Expr:
    """A possibly negative index, counted from the end where it is."""
    return scalars.select(index < 0, index + scalars.size(extent), index)


Vars = tuple[Var, ...]
