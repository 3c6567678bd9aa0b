"""The largest elements, and where elements belong among others."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinsmith.compiler.frontends.tensorflow.registry import Op, converts
from tinsmith.compiler.shaping.builder import Value

_INT32 = 3


@converts("TopK", "TopKV2")
def top_k(op: Op, x: Value, *count: Value) -> Any:
    wanted = count[0].cast(np.int64).reshape(1) if count else op.ints(op.integer("k"))
    values, places = op.several("TopK", 2, x, wanted, axis=-1, largest=1, sorted=1)
    return values, places.cast(op.type_of("index_type", _INT32))


@converts("InTopK", "InTopKV2")
def in_top_k(op: Op, predictions: Value, targets: Value, *count: Value) -> Any:
    wanted = count[0].cast(np.int64) if count else op.constant(np.int64(op.integer("k")))
    rows = op.add("GatherElements", predictions, targets.cast(np.int64).unsqueeze(1), axis=1)
    above = op.add("Greater", predictions, rows).cast(np.int64)
    return op.add("Less", op.add("ReduceSum", above, op.ints(1), keepdims=0), wanted)


@converts("Bucketize")
def bucketize(op: Op, x: Value) -> Any:
    borders = np.array(op.node.attr["boundaries"].list.f, np.float32)
    above = op.add("GreaterOrEqual", x.cast(np.float32).unsqueeze(x.rank), op.constant(borders))
    return op.add("ReduceSum", above.cast(np.int32), op.ints(x.rank), keepdims=0)


@converts("SearchSorted", "LowerBound", "UpperBound")
def search_sorted(op: Op, rows: Value, values: Value) -> Any:
    kind = "LessOrEqual" if op.type == "UpperBound" else "Less"
    below = op.add(kind, rows.unsqueeze(rows.rank - 1), values.unsqueeze(values.rank))
    counts = op.add("ReduceSum", below.cast(np.int32), op.ints(rows.rank), keepdims=0)
    return counts.cast(op.type_of("out_type", _INT32))
