"""A graph of floats of any width becomes the same graph in float64."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper

WIDENED = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
"""Types whose numbers are all float64 numbers, and that graphs compute in."""
_TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype", "softmax_precision")
"""Attributes that name an element type."""


def widen(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of `model` that computes in float64 what `model` computes in narrower types of WIDENED.

    It rounds nowhere that `model` does: its results are what exact arithmetic would give, but for float64's
    own rounding. Inputs are float64 too. External data stays as it is,
    for the evaluator to widen.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _widen_graph(copy.graph)
    for function in copy.functions:
        _widen_nodes(function.node)
        del function.value_info[:]
    return copy


def _widen_graph(graph: GraphProto) -> None:
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for info in (*graph.input, *graph.output):
        _widen_type(info.type)
    del graph.value_info[:]
    _widen_nodes(graph.node)


def _widen_nodes(nodes: Iterable[NodeProto]) -> None:
    for node in nodes:
        for attribute in node.attribute:
            _widen_attribute(attribute)


def _widen_attribute(attribute: AttributeProto) -> None:
    if attribute.type == AttributeProto.GRAPH:
        _widen_graph(attribute.g)
    for graph in attribute.graphs:
        _widen_graph(graph)
    if attribute.type == AttributeProto.TENSOR:
        _widen_tensor(attribute.t)
    if attribute.name in ("value_float", "value_floats"):  # of Constant
        values = (
            np.float64(attribute.f) if attribute.name == "value_float" else np.array(attribute.floats, float)
        )
        attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(np.asarray(values))))
    if attribute.name in _TYPE_ATTRIBUTES and attribute.i in WIDENED:
        attribute.i = TensorProto.DOUBLE


def _widen_tensor(tensor: TensorProto) -> None:
    if tensor.data_type in WIDENED and tensor.data_location != TensorProto.EXTERNAL:
        wide = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))


def _widen_type(kind: TypeProto) -> None:
    if kind.tensor_type.elem_type in WIDENED:
        kind.tensor_type.elem_type = TensorProto.DOUBLE
