"""Inputs of a network that look like real ones: the same for the same network, on any machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir
from numpy.typing import NDArray

from tinsmith.compiler.artifact.samples import Arrays
from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.draw import Draw

KINDS = ("normal", "uniform", "zeros", "large")
"""normal:  floats around 0, integers over their whole range, every mask full.
uniform: floats in [0, 1) as of images, other integers, masks that end early, a second segment.
zeros:   all zeros.
large:   floats up to several hundreds, the greatest integers."""

LARGE = {"float16": 8.0, "bfloat16": 8.0}
"""Factor of normal floats in the last kind, where it is not 100."""
UNKNOWN_INTEGERS = (0, 9)
"""Range of integers that nothing tells the meaning of."""

_INDEXED = {
    "Gather": 1,
    "GatherElements": 1,
    "GatherND": 1,
    "ScatterElements": 1,
    "ScatterND": 1,
    "Scatter": 1,
}
"""Operators that take indices, and their input that does; input 0 is what they index."""
_PASSING = {
    *(
        "Cast",
        "Identity",
        "Reshape",
        "Unsqueeze",
        "Squeeze",
        "Flatten",
        "Transpose",
        "Slice",
        "Expand",
        "Concat",
    ),
    *("Split", "Tile", "Pad", "ReduceMax", "ReduceMin", "Clip", "Max", "Min"),
}
"""Operators whose results are elements of their inputs."""
_AMOUNTS = {
    *(("Loop", 0), ("TopK", 1), ("Range", 0), ("Range", 1), ("Range", 2), ("Tile", 1), ("Expand", 1)),
    *(("Reshape", 1), ("ConstantOfShape", 0), ("Slice", 1), ("Slice", 2), ("Slice", 4), ("Pad", 1)),
    *(("NonMaxSuppression", 2), ("Resize", 3), ("Split", 1)),
}
"""Inputs that say how much or how often."""


@dataclass(frozen=True)
class Role:
    """What an input holds."""

    low: int
    high: int
    """Of integers; both occur."""
    meaning: str = "values"
    """"values", "codes" (integers, whatever their type is), "mask", "segment" or "position"."""


def make_inputs(network: Network) -> list[tuple[str, Arrays]]:
    """Per kind, an array for every input in order; one kind where there are no inputs."""
    if not network.inputs:
        return [("constant", ())]
    roles = [role(network, spec) for spec in network.inputs]
    runs = []
    for number, kind in enumerate(KINDS):
        arrays = tuple(
            _array(kind, spec, role, Draw((number << 48) + (index << 40)))
            for index, (spec, role) in enumerate(zip(network.inputs, roles, strict=True))
        )
        runs.append((kind, arrays))
    return runs


def role(network: Network, spec: TensorSpec) -> Role:
    """By what the graph does with the input, else by its name."""
    name = spec.name.lower()
    if "mask" in name:
        return Role(0, 1, "mask")
    low, high = _range(spec.dtype)
    value = next((value for value in network.graph.graph.inputs if value.name == spec.name), None)
    if not dtypes.is_integer(spec.dtype):
        limit = None if value is None else _limit(value, set())
        return Role(low, high) if limit is None else Role(0, max(0, limit - 1), "codes")
    choice = None if value is None or not _has_impossible_branch(network) else _compared(value)
    if choice is not None:
        return Role(choice, choice)
    limit = None if value is None else _limit(value, set())
    if "segment" in name or "token_type" in name:
        return Role(0, 1 if limit is None else min(1, limit - 1), "segment")
    if limit is not None:
        return Role(
            0, max(0, min(limit - 1, high if high > UNKNOWN_INTEGERS[1] else limit - 1)), _indices(name)
        )
    return Role(low, high)


def _has_impossible_branch(network: Network) -> bool:
    nodes = onnx_ir.traversal.RecursiveGraphIterator(network.graph.graph)
    return any(node.domain == "tinsmith" for node in nodes)


def _compared(value: onnx_ir.Value) -> int | None:
    """The constant that the input must equal for one branch to run: the other one may be impossible."""
    for node, index in value.uses():
        if node.op_type == "Equal":
            return _constant(node.inputs[1 - index])
        if node.op_type in _PASSING and (found := _compared(node.outputs[0])) is not None:
            return found
    return None


def _indices(name: str) -> str:
    return "position" if "position" in name else "values"


def _range(dtype: str) -> tuple[int, int]:
    if dtype in ("int8", "uint8", "int4", "uint4", "int2", "uint2"):
        return dtypes.limits(dtype)
    return UNKNOWN_INTEGERS


def _limit(value: onnx_ir.Value, seen: set[int]) -> int | None:
    """How many different numbers, from 0 on, all that is indexed by `value` allows; None: no limit is
    known."""
    if id(value) in seen:
        return None
    seen.add(id(value))
    limits = []
    for node, index in value.uses():
        if _INDEXED.get(node.op_type) == index:
            limits.append(_indexed(node))
        elif (node.op_type, index) in _AMOUNTS:
            limits.append(2)
        elif node.op_type == "OneHot" and index == 0:
            limits.append(_constant(node.inputs[1]))
        elif node.op_type in _PASSING:
            limits += [_limit(result, seen) for result in node.outputs]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _indexed(node: onnx_ir.Node) -> int | None:
    """Elements along the axis, or the fewest along any axis, that `node` indexes."""
    table, indices = node.inputs[0], node.inputs[1]
    if table is None or table.shape is None:
        return None
    sizes = [size if isinstance(size, int) else None for size in table.shape.dims]
    if node.op_type.endswith("ND"):
        depth = indices.shape.dims[-1] if indices is not None and indices.shape is not None else len(sizes)
        sizes = sizes[: depth if isinstance(depth, int) else len(sizes)]
        return min((size for size in sizes if size is not None), default=None)
    axis = node.attributes.get("axis")
    return sizes[axis.as_int() if axis is not None else 0]


def _constant(value: onnx_ir.Value | None) -> int | None:
    tensor = None if value is None else onnx_ir.convenience.get_const_tensor(value)
    return None if tensor is None else int(tensor.numpy().reshape(-1)[0])


def _array(kind: str, spec: TensorSpec, role: Role, draw: Draw) -> NDArray[np.generic]:
    shape = tuple(spec.shape)
    if role.meaning not in ("values", "codes"):
        made = _MEANINGS[role.meaning](kind, shape, role)
    elif spec.dtype == "bool":
        made = draw.integers(2, shape) if kind in ("normal", "uniform") else np.full(shape, kind == "large")
    elif dtypes.is_integer(spec.dtype) or role.meaning == "codes":
        made = _integers(kind, shape, role, draw)
    else:
        made = _floats(kind, spec.dtype, shape, draw)
    return np.asarray(made).astype(dtypes.numpy_dtype(spec.dtype)).reshape(shape)


def _integers(kind: str, shape: tuple[int, ...], role: Role, draw: Draw) -> NDArray[np.int64]:
    if kind == "zeros":
        return np.full(shape, max(role.low, min(0, role.high)), np.int64)
    if kind == "large":
        return np.full(shape, role.high, np.int64)
    return draw.integers(role.high - role.low + 1, shape) + role.low


def _floats(kind: str, dtype: str, shape: tuple[int, ...], draw: Draw) -> NDArray[np.generic]:
    if kind == "zeros":
        return np.zeros(shape)
    if kind == "uniform":
        return draw.uniform(shape)
    factor = LARGE.get(dtype, 100.0 if dtypes.is_float(dtype) else 1.0) if kind == "large" else 1.0
    made = draw.normal(shape) * factor
    return made + 1j * draw.normal(shape) if dtype.startswith("complex") else made


def _mask(kind: str, shape: tuple[int, ...], role: Role) -> NDArray[np.generic]:
    """Ones; where `kind` is "uniform", the last third of the last axis is masked."""
    mask = np.full(shape, role.low if kind == "zeros" else role.high)
    if kind == "uniform" and shape:
        mask[..., shape[-1] - shape[-1] // 3 :] = role.low
    return mask


def _segment(kind: str, shape: tuple[int, ...], role: Role) -> NDArray[np.generic]:
    """Zeros; where `kind` is "uniform", the second half of the last axis is another segment."""
    segment = np.full(shape, role.low)
    if kind == "uniform" and shape:
        segment[..., shape[-1] // 2 :] = role.high
    return segment


def _position(kind: str, shape: tuple[int, ...], role: Role) -> NDArray[np.generic]:
    """Numbers from 0 on along the last axis."""
    if kind == "zeros" or not shape:
        return np.zeros(shape)
    return np.broadcast_to(np.arange(shape[-1]) % (role.high + 1), shape)


_MEANINGS: dict[str, Callable[[str, tuple[int, ...], Role], NDArray[np.generic]]] = {
    "mask": _mask,
    "segment": _segment,
    "position": _position,
}
