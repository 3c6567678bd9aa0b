"""The meaning of stages, by numpy over whole index grids; folds constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.loops import Accumulate, ArgReduce, Contract, Map, Reduce, Scatter, Stage, View
from tinsmith.compiler.ir.scalars import BOOL, INDEX, Apply, Expr, Literal, Load, Tensor, Var, static, walk

Array = np.ndarray[Any, Any]

MOST_ELEMENTS = 2**26
"""Of a grid; what is larger is left to run time."""


class CannotEvaluate(Exception):
    """A stage that only a run can do, or that is too large."""


def evaluate(stages: Sequence[Stage], known: dict[Tensor, Array]) -> None:
    """Adds the tensors that `stages` fill to `known`, which holds the inputs; constants need not be in it."""
    with np.errstate(all="ignore"):
        for stage in stages:
            known[stage.out] = _stage(stage, known)


def _stage(stage: Stage, known: dict[Tensor, Array]) -> Array:
    dtype = _numpy(stage.out.dtype)
    shape = static(stage.out.shape)
    if shape is None:
        raise CannotEvaluate
    match stage:
        case View():
            return _value(stage.source, known).reshape(shape)
        case Map():
            return np.broadcast_to(grid(stage.value, stage.vars, known), shape).astype(dtype)
        case Reduce():
            values = _over(stage.value, stage.vars, stage.over, known)
            return _REDUCTIONS[stage.kind](values, len(stage.vars)).astype(dtype)
        case Contract():
            wide = "float32" if stage.out.dtype in ("float16", "bfloat16") else stage.out.dtype
            terms = stage.lhs.cast(wide) * stage.rhs.cast(wide)
            return _sum(_over(terms, stage.vars, stage.over, known), len(stage.vars)).astype(dtype)
        case ArgReduce():
            return _arg(stage, _over(stage.value, stage.vars, (stage.over,), known))
        case Accumulate():
            return _accumulate(stage, _over(stage.value, stage.vars, (), known)).astype(dtype)
        case Scatter():
            return _scatter(stage, known)
    raise CannotEvaluate


def grid(expr: Expr, vars: Sequence[Var], known: dict[Tensor, Array]) -> Array:
    """The values of `expr` over all `vars`, broadcastable to them."""
    _extents(vars)
    values: dict[int, Array] = {}
    for part in walk([expr]):
        values[id(part)] = _part(part, vars, known, values)
    return values[id(expr)]


def _part(part: Expr, vars: Sequence[Var], known: dict[Tensor, Array], values: dict[int, Array]) -> Array:
    match part:
        case Literal():
            return np.asarray(part.value, _numpy(part.dtype))
        case Var():
            axis = list(vars).index(part)
            (extent,) = _extents([part])
            return np.arange(extent).reshape([-1 if i == axis else 1 for i in range(len(vars))])
        case Load():
            array = _value(part.tensor, known)
            index = (values[id(expr)] for expr in part.index)
            # The side of a select that is not taken may be out of range.
            if 0 in array.shape:
                return np.zeros((), array.dtype)
            clipped = (np.clip(at, 0, extent - 1) for at, extent in zip(index, array.shape, strict=True))
            return np.asarray(array[tuple(clipped)])
        case Apply():
            arguments = [values[id(expr)] for expr in part.args]
            return apply(part.op, arguments, part.dtype)
    raise CannotEvaluate


def apply(op: str, arguments: Sequence[Array], dtype: str) -> Array:
    """A function of loops.FUNCTIONS on arrays."""
    if op in ("cast", "cast_wrap"):
        return _cast(arguments[0], dtype, saturate=op == "cast")
    if op == "reinterpret":
        return np.ascontiguousarray(arguments[0]).view(_numpy(dtype)).reshape(arguments[0].shape)
    function = _FUNCTIONS.get(op)
    if function is None:
        raise CannotEvaluate
    return np.asarray(function(*arguments)).astype(_numpy(dtype), copy=False)


def _cast(values: Array, dtype: str, saturate: bool) -> Array:
    if dtype == BOOL:
        return np.asarray(values != 0)
    if dtypes.BITS.get(values.dtype.name, 8) < 8 or values.dtype.name in dtypes.SMALL_FLOATS:
        # numpy knows no way from one of these to another.
        values = values.astype(np.float32)
    if dtype in dtypes.SMALL_FLOATS and saturate:
        least, most = dtypes.range_of(dtype)
        values = np.clip(values.astype(np.float64), least, most).astype(np.float32)
    return values.astype(_numpy(dtype))


def _over(expr: Expr, vars: Sequence[Var], over: Sequence[Var], known: dict[Tensor, Array]) -> Array:
    everything = (*vars, *over)
    values = grid(expr, everything, known)
    return np.broadcast_to(values, _extents(everything))


def _extents(vars: Sequence[Var]) -> tuple[int, ...]:
    extents = static([var.extent for var in vars])
    if extents is None or math.prod(extents) > MOST_ELEMENTS:
        raise CannotEvaluate
    return extents


def _axes(values: Array, kept: int) -> tuple[int, ...]:
    return tuple(range(kept, values.ndim))


def _sum(values: Array, kept: int) -> Array:
    wide = (
        values.astype(np.float32) if values.dtype.itemsize == 2 and values.dtype.kind not in "iu" else values
    )
    return np.asarray(wide.sum(axis=_axes(values, kept), dtype=wide.dtype))


_REDUCTIONS: dict[str, Callable[[Array, int], Array]] = {
    "sum": _sum,
    "prod": lambda v, k: np.asarray(v.prod(axis=_axes(v, k), dtype=v.dtype)),
    "min": lambda v, k: np.asarray(v.min(axis=_axes(v, k), initial=_extreme(v.dtype, +1))),
    "max": lambda v, k: np.asarray(v.max(axis=_axes(v, k), initial=_extreme(v.dtype, -1))),
    "any": lambda v, k: np.asarray(v.any(axis=_axes(v, k))),
    "all": lambda v, k: np.asarray(v.all(axis=_axes(v, k))),
}


def _extreme(dtype: np.dtype[Any], sign: int) -> Any:
    if dtype.kind == "b":
        return sign > 0
    if dtype.kind in "iu":
        low, high = dtypes.limits(dtype.name)
        return high if sign > 0 else low
    return dtype.type(sign * np.inf)


def _arg(stage: ArgReduce, values: Array) -> Array:
    find = np.argmax if stage.kind == "max" else np.argmin
    if stage.last:
        return np.asarray(values.shape[-1] - 1 - find(values[..., ::-1], axis=-1))
    return np.asarray(find(values, axis=-1), np.int64)


def _accumulate(stage: Accumulate, values: Array) -> Array:
    axis = stage.vars.index(stage.axis)
    if stage.reverse:
        values = np.flip(values, axis)
    neutral = 0 if stage.kind == "sum" else 1
    result = (np.cumsum if stage.kind == "sum" else np.cumprod)(values, axis=axis, dtype=values.dtype)
    if stage.exclusive:
        first = np.full_like(result.take([0], axis), neutral) if result.shape[axis] else result
        result = np.concatenate([first, result.take(range(result.shape[axis] - 1), axis)], axis)
    return np.flip(result, axis) if stage.reverse else result


def _scatter(stage: Scatter, known: dict[Tensor, Array]) -> Array:
    out = np.array(_over(stage.base, stage.vars, (), known))
    index = [_over(part, stage.over, (), known).ravel() for part in stage.index]
    value = _over(stage.value, stage.over, (), known).ravel()
    guard = None if stage.guard is None else _over(stage.guard, stage.over, (), known).ravel()
    combine = _COMBINE[stage.combine]
    for number, new in enumerate(value):
        if guard is None or guard[number]:
            place = tuple(part[number] for part in index)
            out[place] = combine(out[place], new)
    return out.astype(_numpy(stage.out.dtype))


_COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda old, new: new,
    "add": lambda old, new: old + new,
    "mul": lambda old, new: old * new,
    "min": np.minimum,
    "max": np.maximum,
}


def _value(tensor: Tensor, known: dict[Tensor, Array]) -> Array:
    if tensor.value is not None:
        return tensor.value
    if tensor not in known:
        raise CannotEvaluate
    return known[tensor]


def _numpy(dtype: str) -> np.dtype[Any]:
    return np.dtype(np.int64) if dtype == INDEX else dtypes.numpy_dtype(dtype)


def _divide(a: Array, b: Array) -> Array:
    """As C: integers truncate; by zero gives zero."""
    if a.dtype.kind not in "iu":
        return np.asarray(a / b)
    safe = np.where(b == 0, 1, b).astype(b.dtype)
    up = ((a < 0) != (safe < 0)) & (a % safe != 0)
    return np.where(b == 0, 0, a // safe + up).astype(a.dtype)


def _power(a: Array, b: Array) -> Array:
    """Integers to negative powers truncate; those of 0 are the least value."""
    if a.dtype.kind not in "iu":
        return np.asarray(np.power(a, b))
    least = dtypes.limits(a.dtype.name)[0]
    inverse = np.where(abs(a) == 1, np.where(b % 2 == 0, 1, a), np.where(a == 0, least, 0))
    return np.where(b < 0, inverse, np.power(a, np.maximum(b, 0))).astype(a.dtype)


def _mod(a: Array, b: Array) -> Array:
    if a.dtype.kind not in "iu":
        return np.asarray(np.mod(a, b))
    return np.asarray(np.where(b == 0, 0, np.mod(a, np.where(b == 0, 1, b))))


def _fmod(a: Array, b: Array) -> Array:
    if a.dtype.kind not in "iu":
        return np.asarray(np.fmod(a, b))
    return np.asarray(np.where(b == 0, 0, np.fmod(a, np.where(b == 0, 1, b))))


def _logical(number: Callable[..., Array], truth: Callable[..., Array]) -> Callable[..., Array]:
    return lambda *values: (truth if values[0].dtype == np.bool_ else number)(*values)


def _floored(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda values: values if values.dtype.kind in "iu" else np.asarray(function(values))


def _erf(values: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(values.astype(np.float64)))


_FUNCTIONS: dict[str, Callable[..., Array]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": _divide,
    "floordiv": lambda a, b: a // np.where(b == 0, 1, b),
    "mod": _mod,
    "fmod": _fmod,
    "pow": _power,
    "min": np.minimum,
    "max": np.maximum,
    "neg": lambda a: -a,
    "abs": np.abs,
    "sign": np.sign,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": _logical(np.bitwise_and, np.logical_and),
    "or": _logical(np.bitwise_or, np.logical_or),
    "xor": _logical(np.bitwise_xor, np.logical_xor),
    "not": _logical(np.invert, np.logical_not),
    "shl": np.left_shift,
    "shr": np.right_shift,
    "select": np.where,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": _erf,
    "floor": _floored(np.floor),
    "ceil": _floored(np.ceil),
    "round": _floored(np.rint),
    "trunc": _floored(np.trunc),
    "isnan": np.isnan,
    "isinf": np.isinf,
}
