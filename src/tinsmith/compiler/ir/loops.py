"""Loop nests over tensors: what every operator becomes.

An operator is a list of *stages*; a stage fills a tensor by an expression over its indices. Expressions read
other tensors at any index, so elementwise operators, broadcasting, reductions, data movement and gathers are
one thing, and one stage may be put into another. `evaluate.py` is the meaning of a stage; backends make it
fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tinsmith.compiler.ir.scalars import (
    Expr,
    Load,
    Size,
    Tensor,
    Var,
    walk,
)


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

    @property
    def parts(self) -> tuple[Expr, ...]:
        """What a stage of a backend's own computes from."""
        return ()


@dataclass(frozen=True, eq=False)
class Map(Stage):
    """out[vars] = value"""

    vars: tuple[Var, ...]
    value: Expr


@dataclass(frozen=True, eq=False)
class Reduce(Stage):
    """out[vars] = kind over `over` of value, starting from the kind's neutral element. Sums of floats may be
    taken in any order; float16 and bfloat16 are summed in float32."""

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
    """out[.., i, ..] = kind of value over 0 .. i (or 0 .. i - 1 when `exclusive`) along `axis`, one of
    `vars`."""

    vars: tuple[Var, ...]
    axis: Var
    kind: str
    """sum or prod."""
    value: Expr
    exclusive: bool
    reverse: bool


@dataclass(frozen=True, eq=False)
class Scatter(Stage):
    """out[vars] = base; then, in the order of `over`, out[index] = combine(out[index], value) where `guard`
    holds."""

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
    """out[n, o, y..] = sum over c, k.. of x[n, g * C + c, y * stride + k * dilation - pad] * w[o, c, k..], in
    ONNX's layout."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    """Begins, then ends."""
    groups: int


@dataclass(frozen=True, eq=False)
class Contract(Stage):
    """out[vars] = sum over `over` of lhs * rhs, in the type of `out`. `form` says which contraction it is,
    and `operands` the whole tensors, for backends that have a kernel for it; lhs and rhs mean the same (less
    a zero point each, if `out` is int32)."""

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
    """Writes `source` over the state tensor `out`, of the same shape; the only stage whose `out` is written
    twice."""

    source: Tensor


@dataclass(frozen=True, eq=False)
class Extern(Stage):
    """A C function of the backend's own fills `out` and `more`; they may have run-time sizes, which it
    sets."""

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
    each round) is false: a loop or, of one round, a branch. Tensors that the body writes with Copy or Put
    keep their content from round to round; `out` is any of them."""

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
            return stage.parts


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
    """The run-time sizes that a stage finds out: of an Extern, those of what it fills that it is not
    given."""
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


def readers(stages: Sequence[Stage]) -> dict[Tensor, list[Stage]]:
    """Per tensor: the stages that read it, in order."""
    found: dict[Tensor, list[Stage]] = {}
    for stage in stages:
        for tensor in reads(stage):
            found.setdefault(tensor, []).append(stage)
    return found


def read_elsewhere(stages: Sequence[Stage], stage: Stage) -> set[Tensor]:
    """What the stages beside `stage` read."""
    return {tensor for part in stages if part is not stage for tensor in reads(part)}


def overwrites(stage: Stage) -> set[Tensor]:
    """Tensors that had content before `stage` and have another afterwards."""
    return set(writes(stage)) if isinstance(stage, Repeat | Copy | Put) else set()
