"""Loop nests over tensors: what every operator becomes.

An operator is a list of *stages*; a stage fills a tensor by an expression over its indices. Expressions read
other tensors at any index, so elementwise operators, broadcasting, reductions, data movement and gathers are one
thing, and one stage may be put into another. `evaluate.py` is the meaning of a stage; backends make it fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinsmith.compiler.ir import dtypes

INDEX = "index"
"""The type of indices and sizes; a signed integer as wide as an address."""
BOOL = "bool"

Number = int | float | bool | np.generic


class Expr:
    """A scalar of type `dtype`: a numpy or ml_dtypes name, or INDEX. Arithmetic wraps and rounds in that type."""

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
"""min and max give NaN where an argument is NaN; div of integers truncates; mod takes the sign of the divisor, fmod of the
dividend; floordiv is for indices; round is half to even; `cast_wrap` is a float8 cast that does not saturate."""


@dataclass(frozen=True)
class Layout:
    """How a backend lays out a tensor of known shape: the axes from outermost to innermost, and elements along each
    axis that stand before and after the tensor's own and hold zero."""

    order: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Tensor:
    """An array; a constant where `value` is known."""

    name: str
    dtype: str
    shape: tuple[Dim, ...]
    value: np.ndarray[Any, Any] | None = None
    layout: Layout | None = None
    """None: row-major, without gaps."""

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


@dataclass(frozen=True, eq=False)
class Stage:
    """Fills `out`."""

    out: Tensor
    origin: str = field(kw_only=True, default="")
    """The node it came from, for people."""

    @property
    def whole(self) -> tuple[Tensor, ...]:
        """Tensors that it reads beside those in its expressions."""
        return ()


@dataclass(frozen=True, eq=False)
class Map(Stage):
    """out[vars] = value"""

    vars: tuple[Var, ...]
    value: Expr


@dataclass(frozen=True, eq=False)
class Reduce(Stage):
    """out[vars] = kind over `over` of value, starting from the kind's neutral element. Sums of floats may be taken
    in any order; float16 and bfloat16 are summed in float32."""

    vars: tuple[Var, ...]
    over: tuple[Var, ...]
    kind: str
    """sum, prod, min, max; any and all of BOOL."""
    value: Expr


@dataclass(frozen=True, eq=False)
class ArgReduce(Stage):
    """out[vars] = the index `over` of the least or greatest value; NaN beats all. out is int64."""

    vars: tuple[Var, ...]
    over: Var
    kind: str
    """min or max."""
    value: Expr
    last: bool
    """Of equal ones, the last."""


@dataclass(frozen=True, eq=False)
class Accumulate(Stage):
    """out[.., i, ..] = kind of value over 0 .. i (or 0 .. i - 1 when `exclusive`) along `axis`, one of `vars`."""

    vars: tuple[Var, ...]
    axis: Var
    kind: str
    """sum or prod."""
    value: Expr
    exclusive: bool
    reverse: bool


@dataclass(frozen=True, eq=False)
class Scatter(Stage):
    """out[vars] = base; then, in the order of `over`, out[index] = combine(out[index], value) where `guard` holds."""

    vars: tuple[Var, ...]
    base: Expr
    over: tuple[Var, ...]
    index: tuple[Expr, ...]
    value: Expr
    combine: str
    """set, add, mul, min or max."""
    guard: Expr | None = None


@dataclass(frozen=True, eq=False)
class Gemm:
    """out[b.., m, n] = sum over k of lhs[b.., m, k] * rhs[b.., k, n], as stages know it."""

    transposed: bool = False
    """rhs is [b.., n, k]."""


@dataclass(frozen=True, eq=False)
class Conv:
    """out[n, o, y..] = sum over c, k.. of x[n, g * C + c, y * stride + k * dilation - pad] * w[o, c, k..], in ONNX's layout."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    """Begins, then ends."""
    groups: int


@dataclass(frozen=True, eq=False)
class Contract(Stage):
    """out[vars] = sum over `over` of lhs * rhs, in the type of `out`. `form` says which contraction it is, and
    `operands` the whole tensors, for backends that have a kernel for it; lhs and rhs mean the same."""

    vars: tuple[Var, ...]
    over: tuple[Var, ...]
    lhs: Expr
    rhs: Expr
    form: Gemm | Conv | None = None
    operands: tuple[Tensor, ...] = ()


@dataclass(frozen=True, eq=False)
class View(Stage):
    """The elements of `source` in the same order under another shape."""

    source: Tensor


@dataclass(frozen=True, eq=False)
class Copy(Stage):
    """Writes `source` over the state tensor `out`, of the same shape; the only stage whose `out` is written twice."""

    source: Tensor


@dataclass(frozen=True, eq=False)
class Extern(Stage):
    """A C function of the backend's own fills `out` and `more`; they may have run-time sizes, which it sets."""

    function: str
    inputs: tuple[Tensor, ...]
    more: tuple[Tensor, ...] = ()
    numbers: tuple[int | float | Size, ...] = ()


@dataclass(frozen=True, eq=False)
class Measure(Stage):
    """size = value, kept within 0 .. size.most; `out`, an int64 scalar, gets it too."""

    size: Size
    value: Expr


@dataclass(frozen=True, eq=False)
class Require(Stage):
    """A run in which `value`, a BOOL, does not hold fails; `out`, a scalar, gets it."""

    value: Expr


@dataclass(frozen=True, eq=False)
class Repeat(Stage):
    """Runs `body` for var = 0 .. and stops after var.extent rounds or when `condition` (one BOOL, read before
    each round) is false: a loop or, of one round, a branch. Tensors that the body writes with Copy or Put keep their content from round to round; `out` is any
    of them."""

    var: Var
    body: tuple[Stage, ...]
    condition: Tensor | None = None
    rounds: Size | None = None
    """Gets the number of rounds, where someone asks."""


@dataclass(frozen=True, eq=False)
class Put(Stage):
    """out[at, ...] = source[...]: one slice of `out`, inside a Repeat."""

    at: Expr
    source: Tensor


@dataclass(frozen=True)
class Loops:
    """A whole network."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    stages: tuple[Stage, ...]


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
    assert yes.dtype == no.dtype and condition.dtype == BOOL
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
    """`expr` with every part that `change` gives something for replaced, outermost first; shared parts stay shared."""
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


def expressions(stage: Stage) -> tuple[Expr, ...]:
    """What a stage computes from."""
    match stage:
        case Scatter():
            return (
                stage.base,
                *stage.index,
                stage.value,
                *((stage.guard,) if stage.guard is not None else ()),
            )
        case Map() | Reduce() | ArgReduce() | Accumulate() | Measure() | Require():
            return (stage.value,)
        case Contract():
            return (stage.lhs, stage.rhs)
        case Put():
            return (stage.at,)
        case _:
            return ()


def reads(stage: Stage) -> list[Tensor]:
    """The tensors that a stage reads, each once."""
    found: dict[Tensor, None] = dict.fromkeys(stage.whole)
    match stage:
        case View() | Copy():
            found[stage.source] = None
        case Put():
            found[stage.source] = None
        case Extern():
            found.update(dict.fromkeys(stage.inputs))
        case Repeat():
            for part in stage.body:
                found.update(dict.fromkeys(reads(part)))
            if stage.condition is not None:
                found[stage.condition] = None
        case Contract():
            found.update(dict.fromkeys(stage.operands))
        case _:
            pass
    for expr in walk(expressions(stage)):
        if isinstance(expr, Load):
            found[expr.tensor] = None
    return list(found)


def writes(stage: Stage) -> list[Tensor]:
    """The tensors that a stage fills."""
    if isinstance(stage, Extern):
        return [stage.out, *stage.more]
    if isinstance(stage, Repeat):
        return list(dict.fromkeys(tensor for part in stage.body for tensor in writes(part)))
    return [stage.out]


def sizes_set(stage: Stage) -> list[Size]:
    """The run-time sizes that a stage finds out: of an Extern, those of what it fills that it is not given."""
    match stage:
        case Measure():
            return [stage.size]
        case Extern():
            given = {dim for tensor in stage.inputs for dim in tensor.shape} | set(stage.numbers)
            made = dict.fromkeys(dim for tensor in writes(stage) for dim in tensor.shape)
            return [dim for dim in made if isinstance(dim, Size) and dim not in given]
        case Repeat():
            inner = [size for part in stage.body for size in sizes_set(part)]
            return inner if stage.rounds is None else [*inner, stage.rounds]
        case _:
            return []


def sizes_used(stage: Stage) -> list[Size]:
    """All run-time sizes that a stage has to do with, those that it sets too."""
    tensors = [*writes(stage), *reads(stage)]
    found: list[object] = [dim for tensor in tensors for dim in tensor.shape]
    parts = walk(expressions(stage))
    found += [part for part in parts if isinstance(part, Size)]
    found += [var.extent for var in (*loop_vars(stage), *(part for part in parts if isinstance(part, Var)))]
    if isinstance(stage, Extern):
        found += stage.numbers
    if isinstance(stage, Repeat):
        found += [stage.var.extent, *(size for part in stage.body for size in sizes_used(part))]
    return [dim for dim in dict.fromkeys([*found, *sizes_set(stage)]) if isinstance(dim, Size)]


def loop_vars(stage: Stage) -> tuple[Var, ...]:
    """The indices that a stage runs over."""
    match stage:
        case Map() | Accumulate():
            return stage.vars
        case Reduce() | Contract() | Scatter():
            return (*stage.vars, *stage.over)
        case ArgReduce():
            return (*stage.vars, stage.over)
        case _:
            return ()
