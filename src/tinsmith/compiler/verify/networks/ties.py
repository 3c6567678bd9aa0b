"""Whether an answer hangs on which of two nearly equal numbers is the larger one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np
import onnx_ir

from tinsmith.compiler.artifact.samples import Arrays
from tinsmith.compiler.ir.dtypes import numpy_dtype
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.networks import reference
from tinsmith.compiler.verify.networks.compare import Wanted, compare
from tinsmith.compiler.verify.networks.evaluator import disturbed
from tinsmith.compiler.verify.networks.reference import Unable
from tinsmith.compiler.verify.networks.tolerance import bodies
from tinsmith.errors import InternalError

SELECTING = {"TopK": (0,), "NonMaxSuppression": (0, 1), "ArgMax": (0,), "ArgMin": (0,)}
"""Operators that answer where something is, and their inputs that decide."""
DECIDING = {*SELECTING, "Greater", "GreaterOrEqual", "Less", "LessOrEqual"}
"""Of these in the body of a loop or condition, whatever the body reads from outside may decide."""
MOVED = 2.0**-18
"""Of the largest number: by more than that, two evaluations of scores in float32 hardly differ."""
_FLOATS = (
    onnx_ir.DataType.FLOAT,
    onnx_ir.DataType.DOUBLE,
    onnx_ir.DataType.FLOAT16,
    onnx_ir.DataType.BFLOAT16,
)


def decisive(network: Network) -> list[onnx_ir.Value]:
    """The real numbers that decide what the network selects, in the order in which they are computed."""
    graph = network.graph.graph
    read: set[onnx_ir.Value] = set()
    for node in graph:
        inner = [one for body in bodies(node) for one in onnx_ir.traversal.RecursiveGraphIterator(body)]
        if any(one.op_type in DECIDING for one in inner):
            read.update(value for one in (node, *inner) for value in one.inputs if value is not None)
        places = SELECTING.get(node.op_type, ())
        read.update(value for place in places if (value := node.inputs[place]) is not None)
    made = [value for node in graph for value in node.outputs]
    return [value for value in made if value in read and value.dtype in _FLOATS]


def undecided(network: Network, inputs: Arrays, wanted: Wanted) -> bool:
    """Whether the right answers change when the numbers that decide are moved by MOVED."""
    names = {value.name for value in decisive(network)}
    if not names:
        return False

    def move(name: str, value: Any) -> Any:
        return disturbed(np.asarray(value), crc32(name.encode()), MOVED) if name in names else value

    try:
        moved = reference.steered(network, move, wide=True).evaluate(inputs)
    except Unable:
        return False
    dtypes = [numpy_dtype(spec.dtype) for spec in network.outputs]
    found = tuple(array.astype(dtype) for array, dtype in zip(moved, dtypes, strict=True))
    try:
        compare(replace(wanted, native=None), found, [spec.name for spec in network.outputs], "moved")
    except InternalError:
        return True
    return False
