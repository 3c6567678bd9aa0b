"""Computes nodes whose inputs are all known, by the definition of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

Array = NDArray[Any]
Values = dict[str, NDArray[np.generic]]
"""What is known before any run, by name."""

FOLDED = 1 << 14
"""Elements up to which a value is computed where all that it depends on is known."""
FEEDS = 1 << 20
"""Elements of what such a value is computed from."""


def evaluate(node: onnx.NodeProto, feeds: Mapping[str, Array], version: int) -> list[Array]:
    """The outputs of `node`, an operator of `version` of ai.onnx; those without a name are left out.

    Raises what ONNX's evaluator happens to raise for nodes that it cannot compute.
    """
    arrays = [feeds[name] for name in node.input if name]
    simple = _SIMPLE.get(node.op_type)
    if simple is not None and not node.attribute and len({array.dtype for array in arrays}) == 1:
        with np.errstate(all="ignore"):
            return [np.asarray(simple(*arrays))]
    from onnx.reference import ReferenceEvaluator

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    model = helper.make_model(
        helper.make_graph(
            [copy],
            "constant",
            [onnx.ValueInfoProto(name=name) for name in feeds],
            [onnx.ValueInfoProto(name=name) for name in node.output if name],
        ),
        opset_imports=[helper.make_opsetid("", version)],
    )
    with np.errstate(all="ignore"):
        results: Any = ReferenceEvaluator(model).run(None, dict(feeds))
    return [np.asarray(result) for result in results]


def _reshape(data: Array, shape: Array, allowzero: int = 0) -> Array:
    sizes = [data.shape[i] if s == 0 and not allowzero else int(s) for i, s in enumerate(shape)]
    return data.reshape(sizes)


def _unsqueeze(data: Array, axes: Array) -> Array:
    return np.expand_dims(data, tuple(int(axis) for axis in np.ravel(axes)))


def _squeeze(data: Array, axes: Array | None = None) -> Array:
    return np.squeeze(data, None if axes is None else tuple(int(axis) for axis in np.ravel(axes)))


MOVES: dict[str, Callable[..., Array]] = {
    "Identity": lambda data: data,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Transpose": lambda data, perm=None: np.transpose(data, perm),
    "Unsqueeze": _unsqueeze,
}
"""What only moves elements is computed at any size: weights are turned once, here."""

KEPT = frozenset({"DequantizeLinear", "If", "Loop", "NonMaxSuppression", "Scan"})
"""Never computed: graphs, and weights that are to stay integers."""

_SIMPLE: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "And": np.logical_and,
    "Equal": np.equal,
    "Greater": np.greater,
    "Less": np.less,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
}
"""What numpy has by another name, which is much faster than ONNX's evaluator."""
