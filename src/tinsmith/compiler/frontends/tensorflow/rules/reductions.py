"""Sums, means, extremes and their places, along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.shaping.builder import Value

_REDUCTIONS = {
    "EuclideanNorm": "ReduceL2",
    "Max": "ReduceMax",
    "Mean": "ReduceMean",
    "Min": "ReduceMin",
    "Prod": "ReduceProd",
    "Sum": "ReduceSum",
}
_INT64 = 9


def _reduced(op: Op, kind: str, x: Value, axis: Value) -> Value:
    axes = op.axes(axis, x.rank)
    if not axes:
        return x
    result: Value = op.add(kind, x, op.ints(*axes), keepdims=int(op.flag("keep_dims")))
    return result


@converts(*_REDUCTIONS)
def reduce(op: Op, x: Value, axis: Value) -> Any:
    return _reduced(op, _REDUCTIONS[op.type], x, axis)


@converts("All", "Any")
def all_any(op: Op, x: Value, axis: Value) -> Any:
    numbers = x.cast(np.int32)
    result = _reduced(op, "ReduceMin" if op.type == "All" else "ReduceMax", numbers, axis)
    return result.cast(np.bool_)


@converts("ArgMax", "ArgMin")
def arg_max(op: Op, x: Value, *axis: Value) -> Any:
    (place,) = op.axes(axis[0], x.rank) if axis else (0,)
    result = op.add(op.type, x, axis=place, keepdims=0)
    return result.cast(op.type_of("output_type", _INT64))


@converts("L2Loss")
def l2_loss(op: Op, x: Value) -> Any:
    total = op.add("ReduceSumSquare", x, op.ints(*range(x.rank)), keepdims=0)
    return op.add("Mul", total, op.like(0.5, x))


@converts("Cumsum", "Cumprod")
def cumsum(op: Op, x: Value, axis: Value) -> Any:
    (place,) = op.axes(axis, x.rank)
    kind = "CumSum" if op.type == "Cumsum" else "CumProd"
    return op.add(
        kind,
        x,
        op.constant(np.int64(place)),
        exclusive=int(op.flag("exclusive")),
        reverse=int(op.flag("reverse")),
    )
