"""Scalar expressions over the elements of tensors: what stages compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinsmith.compiler.ir import dtypes

INDEX = "index"
"""The type of indices and sizes; a signed integer as wide as an address."""
BOOL = "bool"

Number = int | float | bool | np.generic


class Expr:
    """A scalar of type `dtype`: a numpy or ml_dtypes name, or INDEX. Arithmetic wraps and rounds in that
    type."""

    dtype: str

    def __add__(self, other: Expr | Number) -> Expr:
        return binary("add", self, other)

    def __radd__(self, other: Number) -> Expr:
        return binary("add", literal(other, self.dtype), self)

    def __sub__(self, other: Expr | Number) -> Expr:
        return binary("sub", self, other)

    def __rsub__(self, other: Number) -> Expr:
        return binary("sub", literal(other, self.dtype), self)

    def __mul__(self, other: Expr | Number) -> Expr:
        return binary("mul", self, other)

    def __rmul__(self, other: Number) -> Expr:
        return binary("mul", literal(other, self.dtype), self)

    def __truediv__(self, other: Expr | Number) -> Expr:
        return binary("div", self, other)

    def __floordiv__(self, other: Expr | Number) -> Expr:
        return binary("floordiv", self, other)

    def __mod__(self, other: Expr | Number) -> Expr:
        return binary("mod", self, other)

    def __neg__(self) -> Expr:
        return Apply("neg", (self,), self.dtype)

    def __lt__(self, other: Expr | Number) -> Expr:
        return compare("lt", self, other)

    def __le__(self, other: Expr | Number) -> Expr:
        return compare("le", self, other)

    def __gt__(self, other: Expr | Number) -> Expr:
        return compare("gt", self, other)

    def __ge__(self, other: Expr | Number) -> Expr:
        return compare("ge", self, other)

    def equals(self, other: Expr | Number) -> Expr:
        """`==` is identity of expressions."""
        return compare("eq", self, other)

    def differs(self, other: Expr | Number) -> Expr:
        return compare("ne", self, other)

    def __and__(self, other: Expr | Number) -> Expr:
        return binary("and", self, other)

    def __or__(self, other: Expr | Number) -> Expr:
        return binary("or", self, other)

    def __xor__(self, other: Expr | Number) -> Expr:
        return binary("xor", self, other)

    def __invert__(self) -> Expr:
        return Apply("not", (self,), self.dtype)

    def cast(self, dtype: str) -> Expr:
        """The value in another type, by the rules of ONNX Cast (saturating float8)."""
        if dtype == self.dtype:
            return self
        if isinstance(self, Literal):
            return literal(self.value, dtype)
        return Apply("cast", (self,), dtype)

    @property
    def as_index(self) -> Expr:
        """An integer value as an index."""
        return self.cast(INDEX)


@dataclass(frozen=True, eq=False)
class Literal(Expr):
    """A number."""

    value: int | float | bool
    dtype: str


@dataclass(frozen=True, eq=False)
class Var(Expr):
    """A loop index: 0 .. extent - 1."""

    name: str
    extent: Dim
    dtype: str = INDEX


@dataclass(frozen=True, eq=False)
class Size(Expr):
    """A dimension that a run finds out: written by the stage that makes the first tensor of that size."""

    name: str
    most: int
    dtype: str = INDEX


@dataclass(frozen=True, eq=False)
class Load(Expr):
    """An element. Every index must be in range wherever the value is used (see `Apply` select)."""

    tensor: Tensor
    index: tuple[Expr, ...]

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.tensor.dtype


@dataclass(frozen=True, eq=False)
class Apply(Expr):
    """A function of FUNCTIONS. Only `select` is lazy: the side not taken may read out of range."""

    op: str
    args: tuple[Expr, ...]
    dtype: str

    def __post_init__(self) -> None:
        assert self.op in FUNCTIONS, self.op


Dim = int | Size

FUNCTIONS = frozenset(
    [
        "add",
        "sub",
        "mul",
        "div",
        "floordiv",
        "mod",
        "fmod",
        "pow",
        "min",
        "max",
        "neg",
        "abs",
        "sign",
        "lt",
        "le",
        "gt",
        "ge",
        "eq",
        "ne",
        "and",
        "or",
        "xor",
        "not",
        "shl",
        "shr",
        "select",
        "cast",
        "cast_wrap",
        "reinterpret",
        "sqrt",
        "exp",
        "log",
        "log1p",
        "expm1",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "erf",
        "floor",
        "ceil",
        "round",
        "trunc",
        "isnan",
        "isinf",
    ]
)
"""min and max give NaN where an argument is NaN; div of integers truncates; mod takes the sign of the
divisor, fmod of the dividend; floordiv is for indices; round is half to even; `cast_wrap` is a float8 cast
that does not saturate."""


@dataclass(frozen=True)
class Layout:
    """How a backend lays out a tensor of known shape: the axes from outermost to innermost, and elements
    along each axis that stand before and after the tensor's own and hold zero."""

    order: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Quantised:
    """(codes - zero) * scale: what the floats of a tensor stand for."""

    codes: Tensor
    scale: Tensor
    zero: Tensor | None
    axis: int | None
    """That scale and zero run along; None: one for all."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """An array; a constant where `value` is known."""

    name: str
    dtype: str
    shape: tuple[Dim, ...]
    value: np.ndarray[Any, Any] | None = None
    layout: Layout | None = None
    """None: row-major, without gaps."""
    quantised: Quantised | None = None
    """Set where the tensor holds dequantised integers: a backend may compute with those."""

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def static_shape(self) -> tuple[int, ...]:
        """The shape; where a size is known only at run time, its upper bound."""
        return tuple(dim if isinstance(dim, int) else dim.most for dim in self.shape)

    @property
    def is_static(self) -> bool:
        """All sizes are known."""
        return all(isinstance(dim, int) for dim in self.shape)

    def __getitem__(self, index: Expr | int | tuple[Expr | int, ...]) -> Expr:
        parts = index if isinstance(index, tuple) else (index,)
        assert len(parts) == self.rank, (self.name, self.shape, len(parts))
        exprs = tuple(part if isinstance(part, Expr) else Literal(int(part), INDEX) for part in parts)
        return Load(self, exprs)


def literal(value: Number, dtype: str) -> Literal:
    """`value` in `dtype`."""
    if dtype == BOOL:
        return Literal(bool(value), BOOL)
    if dtype == INDEX or dtypes.is_integer(dtype):
        return Literal(int(value), dtype)
    return Literal(float(value), dtype)


def binary(op: str, left: Expr, right: Expr | Number) -> Expr:
    """`op` of two values of one type."""
    if not isinstance(right, Expr):
        right = literal(right, left.dtype)
    assert left.dtype == right.dtype, (op, left.dtype, right.dtype)
    if left.dtype == INDEX:
        return _simplified(op, left, right)
    return Apply(op, (left, right), left.dtype)


def compare(op: str, left: Expr, right: Expr | Number) -> Expr:
    """A BOOL."""
    if not isinstance(right, Expr):
        right = literal(right, left.dtype)
    assert left.dtype == right.dtype, (op, left.dtype, right.dtype)
    return Apply(op, (left, right), BOOL)


def call(op: str, *args: Expr) -> Expr:
    """A function whose result has the type of its first argument."""
    return Apply(op, args, args[0].dtype)


def select(condition: Expr, yes: Expr, no: Expr | Number) -> Expr:
    """`yes` where `condition` holds; the other side is not evaluated."""
    if not isinstance(no, Expr):
        no = literal(no, yes.dtype)
    assert yes.dtype == no.dtype
    assert condition.dtype == BOOL
    return Apply("select", (condition, yes, no), yes.dtype)


def both(conditions: Sequence[Expr]) -> Expr | None:
    """All of them; None where there are none."""
    result: Expr | None = None
    for condition in conditions:
        result = condition if result is None else result & condition
    return result


def size(dim: Dim) -> Expr:
    """A dimension as an index."""
    return Literal(dim, INDEX) if isinstance(dim, int) else dim


def static(shape: Sequence[Dim]) -> tuple[int, ...] | None:
    """The shape, if all of it is known."""
    known = tuple(dim for dim in shape if isinstance(dim, int))
    return known if len(known) == len(shape) else None


def variables(shape: Sequence[Dim], prefix: str = "i") -> tuple[Var, ...]:
    """One index per dimension."""
    return tuple(Var(f"{prefix}{axis}", dim) for axis, dim in enumerate(shape))


def _simplified(op: str, left: Expr, right: Expr) -> Expr:
    """Index arithmetic without what does nothing."""
    a = left.value if isinstance(left, Literal) else None
    b = right.value if isinstance(right, Literal) else None
    if a is not None and b is not None and op in _FOLD:
        return Literal(_FOLD[op](int(a), int(b)), INDEX)
    if op in ("add", "sub") and b == 0:
        return left
    if op == "add" and a == 0:
        return right
    if op == "mul" and (a == 0 or b == 0):
        return Literal(0, INDEX)
    if op in ("mul", "floordiv") and b == 1:
        return left
    if op == "mul" and a == 1:
        return right
    return Apply(op, (left, right), INDEX)


_FOLD: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "min": min,
    "max": max,
}


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions that `expr` is made of."""
    if isinstance(expr, Load):
        return expr.index
    return expr.args if isinstance(expr, Apply) else ()


def rebuild(expr: Expr, change: Callable[[Expr], Expr | None], memo: dict[int, Expr] | None = None) -> Expr:
    """`expr` with every part that `change` gives something for replaced, outermost first; shared parts stay
    shared."""
    memo = {} if memo is None else memo
    if id(expr) in memo:
        return memo[id(expr)]
    new = change(expr)
    if new is None:
        parts = children(expr)
        changed = tuple(rebuild(part, change, memo) for part in parts)
        if all(a is b for a, b in zip(parts, changed, strict=True)):
            new = expr
        elif isinstance(expr, Load):
            new = replace(expr, index=changed)
        elif isinstance(expr, Apply) and expr.dtype == INDEX and expr.op in ("add", "sub", "mul", "floordiv"):
            new = binary(expr.op, changed[0], changed[1])
        else:
            assert isinstance(expr, Apply)
            new = Apply(expr.op, changed, expr.dtype)
    memo[id(expr)] = new
    return new


def substitute(expr: Expr, values: dict[Var, Expr]) -> Expr:
    """`expr` with indices replaced."""
    return rebuild(expr, lambda part: values.get(part) if isinstance(part, Var) else None)


def walk(exprs: Sequence[Expr]) -> list[Expr]:
    """Every part of the expressions once, parts before wholes."""
    seen: set[int] = set()
    found: list[Expr] = []
    waiting: list[tuple[Expr, bool]] = [(expr, False) for expr in reversed(exprs)]
    while waiting:
        expr, ready = waiting.pop()
        if ready:
            found.append(expr)
        elif id(expr) not in seen:
            seen.add(id(expr))
            waiting.append((expr, True))
            waiting += [(part, False) for part in reversed(children(expr))]
    return found
