"""Operators that reduce axes: sums, extremes, norms, the places of extremes, running sums, softmax."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from tinsmith.compiler.ir import dtypes, scalars
from tinsmith.compiler.ir.loops import Accumulate
from tinsmith.compiler.ir.scalars import BOOL, Dim, Expr, Tensor, call, literal, select
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator

Index = tuple[Expr, ...]


def wide(dtype: str) -> str:
    """The type in which sums of elements of `dtype` are taken."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def reduce_axes(
    node: Node,
    shape: Sequence[Dim],
    axes: Sequence[int],
    kind: str,
    value: Callable[[Index], Expr],
    keepdims: bool = True,
) -> Tensor:
    """kind over `axes` of value(index into `shape`); reduced axes get length 1 or, without `keepdims`, go."""
    plan = _plan(shape, axes, keepdims)
    return node.reduce(plan.shape, plan.over, kind, lambda *vars: value(plan.index(vars)))


def kept_index(index: Index, axes: Sequence[int]) -> Index:
    """The index of what `reduce_axes` with `keepdims` made of `axes`."""
    return tuple(
        scalars.Literal(0, scalars.INDEX) if axis in axes else part for axis, part in enumerate(index)
    )


@dataclass(frozen=True)
class _Plan:
    """A reduction to `shape` over loops `over`; `index` gives the element of the input from both loops."""

    shape: tuple[Dim, ...]
    over: tuple[Dim, ...]
    index: Callable[[Index], Index]


def _plan(shape: Sequence[Dim], axes: Sequence[int], keepdims: bool) -> _Plan:
    kept = _kept(shape, axes, keepdims)
    inner = sorted(axes)

    def index(vars: Index) -> Index:
        return _place(len(shape), inner, keepdims, vars[: len(kept)], vars[len(kept) :])

    return _Plan(kept, tuple(shape[axis] for axis in inner), index)


def _kept(shape: Sequence[Dim], axes: Sequence[int], keepdims: bool) -> tuple[Dim, ...]:
    if keepdims:
        return tuple(1 if axis in axes else dim for axis, dim in enumerate(shape))
    return tuple(dim for axis, dim in enumerate(shape) if axis not in axes)


def _place(rank: int, axes: Sequence[int], keepdims: bool, own: Index, over: Index) -> Index:
    inner, outer = iter(over), iter(own)
    parts = []
    for axis in range(rank):
        mine = next(outer) if keepdims or axis not in axes else None
        parts.append(next(inner) if axis in axes else mine)
    return tuple(part for part in parts if part is not None)


@dataclass(frozen=True)
class _Rule:
    """after(kind over before(element), number of elements)"""

    kind: str
    before: Callable[[Expr], Expr] = lambda x: x
    after: Callable[[Expr, Dim], Expr] | None = None
    real: bool = False
    """Integers are reduced as float64."""


_RULES = {
    "ReduceSum": _Rule("sum"),
    "ReduceProd": _Rule("prod"),
    "ReduceMax": _Rule("max"),
    "ReduceMin": _Rule("min"),
    "ReduceMean": _Rule("sum", after=lambda total, count: total / scalars.size(count).cast(total.dtype)),
    "ReduceL1": _Rule("sum", lambda x: call("abs", x), lambda total, _: total),
    "ReduceL2": _Rule("sum", lambda x: x * x, lambda total, _: call("sqrt", total), real=True),
    "ReduceSumSquare": _Rule("sum", lambda x: x * x, lambda total, _: total),
    "ReduceLogSum": _Rule("sum", after=lambda total, _: call("log", total), real=True),
    "ReduceLogSumExp": _Rule("sum", real=True),
}


@operator(*_RULES)
def reduction(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    rule = _RULES[node.op_type]
    plan, element = _elements(node, x)
    if x.dtype == BOOL:
        return _truth(node, plan, rule.kind, element)
    if node.op_type == "ReduceLogSumExp":
        return _log_sum_exp(node, plan, _typed(element, x.dtype, real=True), x.dtype)
    if rule.after is None:
        return node.reduce(plan.shape, plan.over, rule.kind, lambda *vars: rule.before(element(vars)))
    typed = _typed(element, x.dtype, rule.real, mean=node.op_type == "ReduceMean")
    total = node.reduce(plan.shape, plan.over, rule.kind, lambda *vars: rule.before(typed(vars)))
    count = _count(plan.over)
    after = rule.after
    return node.map(plan.shape, lambda *i: after(total[i], count).cast(x.dtype))


def _typed(
    element: Callable[[Index], Expr], dtype: str, real: bool, mean: bool = False
) -> Callable[[Index], Expr]:
    if dtypes.is_integer(dtype):
        target = "float64" if real else "int64" if mean else dtype
        return lambda vars: element(vars).cast(target)
    return lambda vars: element(vars).cast(wide(dtype))


def _truth(node: Node, plan: _Plan, kind: str, element: Callable[[Index], Expr]) -> Tensor:
    if kind not in ("max", "min"):
        raise node.refuse("of bool is not defined")
    return node.reduce(plan.shape, plan.over, "any" if kind == "max" else "all", lambda *vars: element(vars))


def _log_sum_exp(node: Node, plan: _Plan, element: Callable[[Index], Expr], dtype: str) -> Tensor:
    rank = len(plan.shape)
    most = node.reduce(plan.shape, plan.over, "max", lambda *vars: element(vars))
    shift = node.map(
        plan.shape,
        lambda *i: select(call("abs", most[i]).equals(math.inf), literal(0, most.dtype), most[i]),
    )
    total = node.reduce(
        plan.shape, plan.over, "sum", lambda *vars: call("exp", element(vars) - shift[vars[:rank]])
    )
    return node.map(plan.shape, lambda *i: (call("log", total[i]) + shift[i]).cast(dtype))


def _count(over: Sequence[Dim]) -> Dim:
    unknown = [dim for dim in over if not isinstance(dim, int)]
    if not unknown:
        return math.prod(dim for dim in over if isinstance(dim, int))
    assert len(over) == 1
    return unknown[0]


def _elements(node: Node, x: Tensor) -> tuple[_Plan, Callable[[Index], Expr]]:
    """How a Reduce* node reduces, and its element in the loops of that plan."""
    keepdims = bool(node.integer("keepdims", 1))
    given = node.input(1)
    if given is None or given.value is not None or given.shape == (0,):
        plan = _plan(x.shape, _axes(node, x), keepdims)
        return plan, lambda vars: x[plan.index(vars)]
    return _run_time_axes(node, x, given, keepdims)


def _axes(node: Node, x: Tensor) -> tuple[int, ...]:
    axes: Sequence[int] = node.integers("axes", ())
    if node.input(1) is not None and node.known(1) is not None:
        axes = node.known_ints(1, "axes")
    if not axes:
        return () if node.integer("noop_with_empty_axes", 0) else tuple(range(x.rank))
    return tuple(sorted({node.normal_axis(axis, x.rank) for axis in axes}))


def _run_time_axes(
    node: Node, x: Tensor, axes: Tensor, keepdims: bool
) -> tuple[_Plan, Callable[[Index], Expr]]:
    """The declared shape leaves few choices; which one it is, the run finds out."""
    wanted = node.declared[0] if node.declared else None
    if wanted is None or axes.rank != 1 or not isinstance(axes.shape[0], int):
        raise node.refuse("axes are not a constant, and the shape of the output is not declared")
    choices = [
        choice
        for choice in combinations(range(x.rank), axes.shape[0])
        if _kept(x.shape, choice, keepdims) == wanted
    ]
    if not choices:
        raise node.refuse(f"no axes of {x.shape} leave the declared output {wanted}")
    if len(choices) == 1:
        plan = _plan(x.shape, choices[0], keepdims)
        return plan, lambda vars: x[plan.index(vars)]
    count = math.prod(x.static_shape[axis] for axis in choices[0])

    def element(vars: Index) -> Expr:
        own, over = vars[:-1], vars[-1]
        found = None
        for choice in choices:
            inner = unravel(over, [x.static_shape[axis] for axis in choice])
            value = x[_place(x.rank, choice, keepdims, own, inner)]
            found = value if found is None else select(_are(axes, choice, x.rank), value, found)
        assert found is not None
        return found

    return _Plan(wanted, (count,), lambda vars: vars), element


def unravel(flat: Expr, shape: Sequence[int]) -> Index:
    """The index of the element of number `flat` in row-major order."""
    parts: list[Expr] = []
    for axis, dim in enumerate(shape):
        outer = flat.__floordiv__(math.prod(shape[axis + 1 :])) if axis + 1 < len(shape) else flat
        parts.append(outer % dim if axis else outer)
    return tuple(parts)


def _are(axes: Tensor, choice: Sequence[int], rank: int) -> Expr:
    tests = []
    for axis in choice:
        one = None
        for number in range(axes.static_shape[0]):
            value = axes[number]
            this = value.equals(axis) | value.equals(axis - rank)
            one = this if one is None else one | this
        tests.append(one)
    found = scalars.both([test for test in tests if test is not None])
    assert found is not None
    return found


@operator("ArgMax", "ArgMin")
def arg_extreme(node: Node, x: Tensor) -> Tensor:
    axis = node.axis(x.rank, default=0)
    plan = _plan(x.shape, [axis], bool(node.integer("keepdims", 1)))
    kind = "max" if node.op_type == "ArgMax" else "min"
    last = bool(node.integer("select_last_index", 0))
    return node.arg_reduce(plan.shape, x.shape[axis], kind, last, lambda *vars: x[plan.index(vars)])


@operator("CumSum", "CumProd")
def cumulative(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    kind = "sum" if node.op_type == "CumSum" else "prod"
    if axis.value is not None:
        (number,) = node.known_ints(1, "axis")
        return _accumulated(node, x, node.normal_axis(number, x.rank), kind)
    if x.rank == 1:
        return _accumulated(node, x, 0, kind)
    results = [_accumulated(node, x, number, kind) for number in range(x.rank)]
    chosen = axis[(0,) * axis.rank]

    def value(*i: Expr) -> Expr:
        found = results[0][i]
        for number, result in enumerate(results[1:], 1):
            found = select(chosen.equals(number) | chosen.equals(number - x.rank), result[i], found)
        return found

    return node.map(x.shape, value)


def _accumulated(node: Node, x: Tensor, axis: int, kind: str) -> Tensor:
    vars = scalars.variables(x.shape)
    exclusive, reverse = bool(node.integer("exclusive", 0)), bool(node.integer("reverse", 0))
    stage = Accumulate(
        node.tensor(x.shape, x.dtype), vars, vars[axis], kind, x[vars], exclusive, reverse,
        origin=node.origin,
    )  # fmt: skip
    return node.add(stage)


def _softmax_axes(node: Node, rank: int) -> tuple[int, ...]:
    """Before version 13, the axis and all after it count as one."""
    if node.version >= 13:
        return (node.axis(rank, default=-1),) if rank else ()
    return tuple(range(node.axis(rank, default=1 if rank > 1 else 0), rank))


@operator("Softmax", "LogSoftmax")
def softmax_operator(node: Node, x: Tensor) -> Tensor:
    return softmax(node, x, _softmax_axes(node, x.rank), log=node.op_type == "LogSoftmax")


def softmax(node: Node, x: Tensor, axes: Sequence[int], log: bool = False) -> Tensor:
    """exp(x) / sum over `axes` of exp(x), or the logarithm of that."""
    dtype = wide(x.dtype)
    most = reduce_axes(node, x.shape, axes, "max", lambda i: x[i].cast(dtype))
    shifted = node.map(x.shape, lambda *i: x[i].cast(dtype) - most[kept_index(i, axes)])
    powers = node.map(x.shape, lambda *i: call("exp", shifted[i]))
    total = reduce_axes(node, x.shape, axes, "sum", lambda i: powers[i])
    if log:
        logs = node.map(total.shape, lambda *i: call("log", total[i]))
        return node.map(x.shape, lambda *i: (shifted[i] - logs[kept_index(i, axes)]).cast(x.dtype))
    return node.map(x.shape, lambda *i: (powers[i] / total[kept_index(i, axes)]).cast(x.dtype))


@operator("Hardmax")
def hardmax(node: Node, x: Tensor) -> Tensor:
    axes = _softmax_axes(node, x.rank)
    if len(axes) > 1:
        rows = math.prod(x.static_shape[: axes[0]])
        flat = node.view(x, (rows, math.prod(x.static_shape[axes[0] :])))
        return node.view(_one_hot_of_most(node, flat, 1), x.shape)
    return _one_hot_of_most(node, x, axes[0])


def _one_hot_of_most(node: Node, x: Tensor, axis: int) -> Tensor:
    plan = _plan(x.shape, [axis], keepdims=True)
    place = node.arg_reduce(plan.shape, x.shape[axis], "max", False, lambda *vars: x[plan.index(vars)])

    def value(*i: Expr) -> Expr:
        here = place[kept_index(i, [axis])].as_index.equals(i[axis])
        return select(here, literal(1, x.dtype), literal(0, x.dtype))

    return node.map(x.shape, value)
