"""How far an output may be from the exact answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir
from numpy.typing import NDArray

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.network import Network


@dataclass(frozen=True)
class Tolerance:
    """|found - exact| <= relative * |exact| + absolute * (largest |exact| of the output)."""

    relative: float
    absolute: float
    steps: int = 0
    """Integers of 8 bits and less may differ by so many."""


TOLERANCES = {
    "float64": Tolerance(1e-9, 1e-10),
    "float32": Tolerance(1e-4, 1e-5),
    "float16": Tolerance(2e-2, 5e-3),
    "bfloat16": Tolerance(1e-1, 3e-2),
    "quantised": Tolerance(2e-2, 2e-2, 1),
}
"""By the coarsest arithmetic that an output comes from. Quantised networks round in the middle, so that the
last bit of a float may decide between two neighbouring numbers of 8 bits."""
SLACK = 4.0
"""An output may also be so many times as far from the exact answer as the reference in the network's own
types is."""
MOST_SLACK = 1e-2
"""Of the largest |exact| of the output: the least that counts as wrong whatever the reference does."""

SPREAD = 1.5
"""An output of a quantised network may also be so many times as far from the exact answer as the reference is
when what it rounds to steps is moved a little: numbers that fall on the other side move all that follow, by
less in a shallow network and by as much as its roundings are worth in a deep one."""
MOST_SPREAD = 0.25
"""Of the exact answer: the least that counts as wrong in a quantised network whatever the reference does."""

_QUANTISED = {
    *(
        "QuantizeLinear",
        "DynamicQuantizeLinear",
        "ConvInteger",
        "MatMulInteger",
        "QLinearConv",
        "QLinearMatMul",
    ),
}
COARSENESS = ("float64", "float32", "float16", "bfloat16", "quantised")


def arithmetics(network: Network) -> tuple[str, ...]:
    """Per output, the key of TOLERANCES for what computes it."""
    return tuple(_arithmetic(value) for value in network.graph.graph.outputs)


def _arithmetic(output: onnx_ir.Value) -> str:
    """The coarsest of all nodes that `output` comes from."""
    found = {"float64"} if _dtype(output) == "float64" else {"float32"}
    pending, seen = [output.producer()], set()
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        pending += [value.producer() for value in node.inputs if value is not None]
        pending += [inner for graph in bodies(node) for inner in graph]
        if node.op_type in _QUANTISED or node.op_type.startswith("QLinear"):
            found.add("quantised")
        found |= {_dtype(value) for value in node.outputs} & TOLERANCES.keys()
    return max(found, key=COARSENESS.index)


def bodies(node: onnx_ir.Node) -> list[onnx_ir.Graph]:
    """The bodies of loops and conditions."""
    graphs = []
    for attribute in node.attributes.values():
        if attribute.type == onnx_ir.AttributeType.GRAPH:
            graphs.append(attribute.as_graph())
        elif attribute.type == onnx_ir.AttributeType.GRAPHS:
            graphs += attribute.as_graphs()
    return graphs


def _dtype(value: onnx_ir.Value) -> str:
    if value.dtype is None:
        return ""
    try:
        return str(value.dtype.numpy().name)
    except TypeError:
        return ""


@dataclass(frozen=True)
class Allowance:
    """Of one output in one run: |found - exact| <= relative * |exact| + absolute."""

    relative: float
    absolute: float
    typical: float | None = None
    """The most that the root of the mean square of found - exact may be, over all elements. It tells an error
    in many elements from the few large differences that rounding makes."""


def allow(
    exact: NDArray[Any],
    native: NDArray[Any] | None,
    dtype: str,
    tolerance: Tolerance,
    disturbed: Sequence[NDArray[Any]] = (),
) -> Allowance:
    """For an output of type `dtype`; `native` is the reference's answer in the network's own types,
    `disturbed` are those that `reference.disturbed` gives."""
    apart = [_wide(other) - _wide(exact) for other in disturbed if other.shape == exact.shape]
    if not (dtypes.is_float(dtype) or dtype.startswith(("float", "complex"))):
        narrow = dtypes.is_integer(dtype) and dtypes.itemsize(dtype) == 1
        steps = max(tolerance.steps, np.floor(_spread(exact, apart, _largest))) if narrow else 0
        return Allowance(0.0, float(steps))
    magnitude = _largest(exact)
    absolute = tolerance.absolute * magnitude
    if apart:
        least = tolerance.relative * root_mean_square(exact)
        typical = max(least, _spread(exact, apart, root_mean_square))
        return Allowance(tolerance.relative, max(absolute, _spread(exact, apart, _largest)), typical)
    slack = 0.0
    if native is not None and native.shape == exact.shape:
        with np.errstate(all="ignore"):
            slack = SLACK * _largest(_wide(native) - _wide(exact))
    return Allowance(tolerance.relative, absolute + min(slack, MOST_SLACK * magnitude))


def _spread(
    exact: NDArray[Any], apart: Sequence[NDArray[Any]], size: Callable[[NDArray[Any]], float]
) -> float:
    """What disturbances add, by a measure of size."""
    return min(SPREAD * max(map(size, apart), default=0.0), MOST_SPREAD * size(_wide(exact)))


def root_mean_square(values: NDArray[Any]) -> float:
    """Of the finite ones."""
    finite = np.abs(values[np.isfinite(values)])
    return float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 0.0


def _largest(values: NDArray[Any]) -> float:
    """The magnitude of the largest finite one."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _wide(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
