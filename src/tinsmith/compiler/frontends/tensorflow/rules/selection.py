"""The largest elements, and where elements belong among others."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from tinsmith.compiler.frontends.tensorflow.builder import Value
from tinsmith.compiler.frontends.tensorflow.registry import Op, converts

_INT32 = 3


@converts("TopK", "TopKV2")
def top_k(op: Op, x: Value, *count: Value) -> Any:
    wanted = op.reshape(op.int64(count[0]), 1) if count else op.ints(op.integer("k"))
    values, places = op.several("TopK", 2, x, wanted, axis=-1, largest=1, sorted=1)
    return values, op.cast(places, op.type_of("index_type", _INT32))


@converts("InTopK", "InTopKV2")
def in_top_k(op: Op, predictions: Value, targets: Value, *count: Value) -> Any:
    wanted = op.cast(count[0], TensorProto.INT64) if count else op.constant(np.int64(op.integer("k")))
    rows = op.add("GatherElements", predictions, op.unsqueeze(op.int64(targets), 1), axis=1)
    above = op.cast(op.add("Greater", predictions, rows), TensorProto.INT64)
    return op.add("Less", op.add("ReduceSum", above, op.ints(1), keepdims=0), wanted)


@converts("Bucketize")
def bucketize(op: Op, x: Value) -> Any:
    borders = np.array(op.node.attr["boundaries"].list.f, np.float32)
    above = op.add(
        "GreaterOrEqual", op.unsqueeze(op.cast(x, TensorProto.FLOAT), x.rank), op.constant(borders)
    )
    return op.add("ReduceSum", op.cast(above, TensorProto.INT32), op.ints(x.rank), keepdims=0)


@converts("SearchSorted", "LowerBound", "UpperBound")
def search_sorted(op: Op, rows: Value, values: Value) -> Any:
    kind = "LessOrEqual" if op.type == "UpperBound" else "Less"
    below = op.add(kind, op.unsqueeze(rows, rows.rank - 1), op.unsqueeze(values, values.rank))
    counts = op.add("ReduceSum", op.cast(below, TensorProto.INT32), op.ints(rows.rank), keepdims=0)
    return op.cast(counts, op.type_of("out_type", _INT32))
