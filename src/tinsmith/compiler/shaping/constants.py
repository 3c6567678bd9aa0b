"""Values that are known before any run: constants, shapes, and small arithmetic on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from tinsmith.compiler.shaping.folding import Values, evaluate
from tinsmith.compiler.shaping.graphs import canonical_domain, graphs, subgraphs
from tinsmith.compiler.shaping.inference import Shapes, Types, infer_node, shapes_of
from tinsmith.compiler.shaping.operators import node_version
from tinsmith.compiler.shaping.tensors import KEPT

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


def known_values(
    model: onnx.ModelProto, types: Types, imported: Mapping[str, int], before: Values | None = None
) -> Values:
    """Every value of at most `KEPT` elements in `model` that no input influences, and sizes of known shapes.

    No two values of `model` share a name, and nodes stand behind what they use. `types` are what is known of
    them beforehand; what a node's inputs now tell of its outputs counts for the nodes behind it. `before` is
    what was found with the types of an earlier round: it is not computed again.
    """
    known = _Known(dict(types), shapes_of(types), imported, before or {})
    for graph in graphs(model.graph):
        for tensor in graph.initializer:
            known.keep(tensor.name, _content(tensor))
    known.walk(model.graph)
    return known.values


@dataclass
class _Known:
    """What is known of the values of a model while its nodes are gone through."""

    types: Types
    shapes: Shapes
    imported: Mapping[str, int]
    before: Values
    values: Values = field(default_factory=dict)

    def walk(self, graph: onnx.GraphProto) -> None:
        for node in graph.node:
            self._complete(node)
            for name, value in zip(node.output, self._results(node), strict=False):
                self.keep(name, value)
            for inner in subgraphs(node):
                self.walk(inner)

    def keep(self, name: str, value: NDArray[np.generic] | None) -> None:
        if name and value is not None and value.size <= KEPT and value.dtype.kind in "biuf":
            self.values[name] = value

    def _complete(self, node: onnx.NodeProto) -> None:
        """Notes the types of the outputs, where what was found meanwhile of the inputs tells them."""
        if all(_is_known(self.shapes.get(name)) for name in node.output if name):
            return
        if canonical_domain(node.domain) or next(subgraphs(node), None) is not None:
            return
        found = infer_node(node, self.types, self.values, node_version(node, self.imported) or 1)
        self.types.update(found)
        self.shapes.update(shapes_of(found))

    def _results(self, node: onnx.NodeProto) -> Iterator[NDArray[np.generic] | None]:
        if canonical_domain(node.domain):
            return
        if node.op_type == "Constant":
            yield _constant(node)
        elif node.op_type in ("Shape", "Size"):
            yield _measure(node, self.shapes.get(node.input[0]))
        elif self._is_foldable(node):
            if all(name in self.before for name in node.output if name):
                yield from (self.before.get(name) for name in node.output)
            else:
                yield from _run(node, self.values, node_version(node, self.imported) or 1)

    def _is_foldable(self, node: onnx.NodeProto) -> bool:
        return (
            node.op_type in FOLDED
            and all(not name or name in self.values for name in node.input)
            and all(_is_small(self.shapes.get(name)) for name in node.output if name)
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
    feeds = {name: values[name] for name in node.input if name}
    try:
        found = iter(evaluate(node, feeds, version))
    except Exception:  # the model asks for what is not defined; that is found and named in a later stage
        return []
    return [next(found) if name else None for name in node.output]


def _content(tensor: TensorProto) -> NDArray[np.generic] | None:
    if tensor.data_location == TensorProto.EXTERNAL or tensor.data_type == TensorProto.STRING:
        return None
    return onnx.numpy_helper.to_array(tensor)


def _is_known(shape: tuple[int | None, ...] | None) -> bool:
    return shape is not None and None not in shape


def _is_small(shape: tuple[int | None, ...] | None) -> bool:
    return shape is not None and None not in shape and math.prod(size or 0 for size in shape) <= KEPT
