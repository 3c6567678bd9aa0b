"""Values that are known before any run: constants, shapes, and small arithmetic on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from tinsmith.compiler.shaping.graphs import canonical_domain, graphs
from tinsmith.compiler.shaping.operators import node_version
from tinsmith.compiler.shaping.tensors import KEPT

Values = dict[str, NDArray[np.generic]]
Shapes = Mapping[str, tuple[int | None, ...]]

FOLDED = frozenset(
    [
        *(
            "Abs",
            "Add",
            "And",
            "BitwiseAnd",
            "BitwiseNot",
            "BitwiseOr",
            "BitwiseXor",
            "Cast",
            "CastLike",
            "Ceil",
        ),
        *("Clip", "Concat", "ConstantOfShape", "Div", "Equal", "Expand", "Flatten", "Floor", "Gather"),
        *("GatherElements", "GatherND", "Greater", "GreaterOrEqual", "Identity", "IsInf", "IsNaN", "Less"),
        *("LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pad", "Pow", "Range", "ReduceMax"),
        *("ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Round", "ScatterElements", "ScatterND", "Sign"),
        *(
            "Slice",
            "Split",
            "Sqrt",
            "Squeeze",
            "Sub",
            "Sum",
            "Tile",
            "Transpose",
            "Trilu",
            "Unsqueeze",
            "Where",
        ),
        "Xor",
    ]
)
"""Operators that exporters make sizes and conditions with. All are cheap when inputs and output are small."""


def known_values(model: onnx.ModelProto, shapes: Shapes, imported: Mapping[str, int]) -> Values:
    """Every value of at most `KEPT` elements in `model` that no input influences, and sizes of known shapes.

    No two values of `model` share a name, and nodes stand behind what they use. `shapes` has None for sizes
    that are not known.
    """
    values: Values = {}
    for graph in graphs(model.graph):
        for tensor in graph.initializer:
            _keep(values, tensor.name, _content(tensor))
    _evaluate(model.graph, shapes, imported, values)
    return values


def _evaluate(graph: onnx.GraphProto, shapes: Shapes, imported: Mapping[str, int], values: Values) -> None:
    for node in graph.node:
        for name, value in zip(node.output, _results(node, shapes, imported, values), strict=False):
            _keep(values, name, value)
        for attribute in node.attribute:
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                _evaluate(inner, shapes, imported, values)


def _results(
    node: onnx.NodeProto, shapes: Shapes, imported: Mapping[str, int], values: Values
) -> Iterator[NDArray[np.generic] | None]:
    if canonical_domain(node.domain):
        return
    if node.op_type == "Constant":
        yield _constant(node)
    elif node.op_type in ("Shape", "Size"):
        yield _measure(node, shapes.get(node.input[0]))
    elif _is_foldable(node, shapes, values):
        yield from _run(node, values, node_version(node, imported) or 1)


def _is_foldable(node: onnx.NodeProto, shapes: Shapes, values: Values) -> bool:
    return (
        node.op_type in FOLDED
        and all(not name or name in values for name in node.input)
        and all(_is_small(shapes.get(name)) for name in node.output if name)
    )


def _constant(node: onnx.NodeProto) -> NDArray[np.generic] | None:
    """As of opset 12 a Constant may have its value as numbers rather than as a tensor."""
    for attribute in node.attribute:
        if attribute.name == "value":
            return _content(attribute.t)
        if attribute.name in ("value_float", "value_floats"):
            return np.array(onnx.helper.get_attribute_value(attribute), np.float32)
        if attribute.name in ("value_int", "value_ints"):
            return np.array(onnx.helper.get_attribute_value(attribute), np.int64)
    return None


def _measure(node: onnx.NodeProto, shape: tuple[int | None, ...] | None) -> NDArray[np.generic] | None:
    """What Shape or Size says of a value of `shape`. As of opset 15 Shape has a start and an end."""
    if shape is None:
        return None
    if node.op_type == "Shape":
        bounds = {attribute.name: attribute.i for attribute in node.attribute}
        shape = shape[bounds.get("start") : bounds.get("end")]
    if None in shape:
        return None
    sizes = [size for size in shape if size is not None]
    return np.array(sizes if node.op_type == "Shape" else math.prod(sizes), np.int64)


def _run(node: onnx.NodeProto, values: Values, version: int) -> list[NDArray[np.generic] | None]:
    """The outputs of `node` by the definition of ONNX; nothing where that cannot be computed."""
    from onnx.reference import ReferenceEvaluator

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    feeds = {name: values[name] for name in node.input if name}
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [copy],
            "constant",
            [onnx.ValueInfoProto(name=name) for name in feeds],
            [onnx.ValueInfoProto(name=name) for name in node.output if name],
        ),
        opset_imports=[onnx.helper.make_opsetid("", version)],
    )
    try:
        with np.errstate(all="ignore"):
            found = iter(ReferenceEvaluator(model).run(None, feeds))
    except Exception:  # the model asks for what is not defined; that is found and named in a later stage
        return []
    return [np.asarray(next(found)) if name else None for name in node.output]


def _content(tensor: TensorProto) -> NDArray[np.generic] | None:
    if tensor.data_location == TensorProto.EXTERNAL or tensor.data_type == TensorProto.STRING:
        return None
    return onnx.numpy_helper.to_array(tensor)


def _is_small(shape: tuple[int | None, ...] | None) -> bool:
    return shape is not None and None not in shape and math.prod(size or 0 for size in shape) <= KEPT


def _keep(values: Values, name: str, value: NDArray[np.generic] | None) -> None:
    if name and value is not None and value.size <= KEPT and value.dtype.kind in "biuf":
        values[name] = value
