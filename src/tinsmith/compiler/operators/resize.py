"""Operators that give an image another size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.scalars import INDEX, Expr, Literal, Tensor, call, literal
from tinsmith.compiler.operators.filters import DOUBLE, Axis, Filter, Tabulated, coordinates
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.steering import declared_shape, static_shape

MOST_TERMS = 8
"""Of a sum that is written out."""


@operator("Upsample")
def upsample(node: Node, x: Tensor, scales: Tensor | None = None) -> Tensor:
    if scales is None:
        scales = node.constant(np.asarray(node.attributes.get("scales", ()), np.float32))
    return _resized(node, x, _axes(node, x, None, scales, None), Filter("asymmetric", _mode(node), "floor"))


@operator("Resize")
def resize(node: Node, x: Tensor, *inputs: Tensor | None) -> Tensor:
    if node.version < 11:
        scales = inputs[0] if inputs else None
        filter = Filter("asymmetric", _mode(node), "floor")
        return _resized(node, x, _axes(node, x, None, scales, None), filter)
    roi, scales, sizes = (tensor if _given(tensor) else None for tensor in (*inputs, None, None, None)[:3])
    filter = Filter(
        node.text("coordinate_transformation_mode", "half_pixel"),
        _mode(node),
        node.text("nearest_mode", "round_prefer_floor"),
        node.number("cubic_coeff_a", -0.75),
        bool(node.integer("antialias", 0)),
        bool(node.integer("exclude_outside", 0)),
        node.number("extrapolation_value", 0.0),
    )
    if filter.coordinates not in coordinates:
        raise node.refuse(f"coordinate_transformation_mode {filter.coordinates}")
    if filter.crops and roi is None:
        raise node.refuse("tf_crop_and_resize without roi")
    return _resized(node, x, _axes(node, x, roi if filter.crops else None, scales, sizes), filter)


def _mode(node: Node) -> str:
    mode = node.text("mode", "nearest").replace("bilinear", "linear")
    if mode not in ("nearest", "linear", "cubic"):
        raise node.refuse(f"mode {mode}")
    return mode


def _given(tensor: Tensor | None) -> bool:
    """Before version 13, what is left out may be an empty tensor."""
    return tensor is not None and 0 not in tensor.shape


def _axes(
    node: Node, x: Tensor, roi: Tensor | None, scales: Tensor | None, sizes: Tensor | None
) -> list[Axis]:
    shape = static_shape(node, x)
    numbers = [node.normal_axis(axis, x.rank) for axis in node.integers("axes", range(x.rank))]
    given = scales if scales is not None else sizes
    if given is None or (scales is not None and sizes is not None):
        raise node.refuse("expected scales or sizes, one of them")
    if given.shape != (len(numbers),) or (roi is not None and roi.shape != (2 * len(numbers),)):
        raise node.refuse(f"{given.shape} scales or sizes for {len(numbers)} axes")
    factors = [_number(given, place) for place in range(len(numbers))]
    regions = [
        None if roi is None else (_number(roi, place), _number(roi, place + len(numbers)))
        for place in range(len(numbers))
    ]
    lengths = [shape[number] for number in numbers]
    if scales is None:
        factors = _scales_of_sizes(node, lengths, factors)
    after = _lengths(node, numbers, lengths, factors, regions, sizes)
    if scales is None and node.text("keep_aspect_ratio_policy", "stretch") == "stretch":
        factors = [Literal(new / max(old, 1), DOUBLE) for new, old in zip(after, lengths, strict=True)]
    return [Axis(*parts) for parts in zip(numbers, lengths, after, factors, regions, strict=True)]


def _number(tensor: Tensor, place: int) -> Expr:
    """An element, in double precision."""
    if tensor.value is not None:
        return Literal(float(tensor.value[place]), DOUBLE)
    return tensor[place].cast(DOUBLE)


def _scales_of_sizes(node: Node, lengths: Sequence[int], sizes: Sequence[Expr]) -> list[Expr]:
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    if 0 in lengths:
        raise node.refuse("an empty image")
    scales = [_quotient(size, length) for size, length in zip(sizes, lengths, strict=True)]
    if policy == "stretch":
        return scales
    if policy not in ("not_larger", "not_smaller"):
        raise node.refuse(f"keep_aspect_ratio_policy {policy}")
    choose = "min" if policy == "not_larger" else "max"
    if all(isinstance(scale, Literal) for scale in scales):
        values = [float(scale.value) for scale in scales if isinstance(scale, Literal)]
        return [Literal(min(values) if choose == "min" else max(values), DOUBLE)] * len(scales)
    one = scales[0]
    for scale in scales[1:]:
        one = call(choose, one, scale)
    return [one] * len(scales)


def _quotient(size: Expr, length: int) -> Expr:
    return Literal(float(size.value) / length, DOUBLE) if isinstance(size, Literal) else size / float(length)


def _lengths(
    node: Node,
    numbers: Sequence[int],
    lengths: Sequence[int],
    scales: Sequence[Expr],
    regions: Sequence[tuple[Expr, Expr] | None],
    sizes: Tensor | None,
) -> list[int]:
    """The lengths after."""
    declared = node.declared[0] if node.declared else None
    if declared is not None:
        return [declared[number] for number in numbers]
    known = [scale.value for scale in scales if isinstance(scale, Literal)]
    edges = [edge for region in regions if region is not None for edge in region]
    if len(known) < len(scales) or (sizes is None and any(not isinstance(edge, Literal) for edge in edges)):
        return [declared_shape(node, "scales, sizes or roi")[number] for number in numbers]
    if sizes is not None:
        return [math.floor(length * scale + 0.5) for length, scale in zip(lengths, known, strict=True)]
    covered = [1.0 if region is None else _covered(region) for region in regions]
    # In single precision, as the frameworks that export scales: 0.7f * 10 is 7.
    return [
        math.floor(np.float32(length) * np.float32(part) * np.float32(scale))
        for length, part, scale in zip(lengths, covered, known, strict=True)
    ]


def _covered(region: tuple[Expr, Expr]) -> float:
    start, end = region
    assert isinstance(start, Literal)
    assert isinstance(end, Literal)
    return float(end.value) - float(start.value)


def _resized(node: Node, x: Tensor, axes: Sequence[Axis], filter: Filter) -> Tensor:
    changing = [axis for axis in axes if not axis.stays]
    if any(axis.before == 0 for axis in changing):
        raise node.refuse("an empty image")
    if filter.mode == "nearest":
        return _nearest(node, x, changing, filter)
    if not dtypes.is_float(x.dtype) and not dtypes.is_integer(x.dtype):
        raise node.refuse(f"mode {filter.mode} of {x.dtype}")
    exact = x.dtype in ("float32", "float16", "bfloat16") or dtypes.itemsize(x.dtype) < 4
    result = node.cast(x, "float32" if exact else DOUBLE)
    for axis in _cheapest_first(changing):
        result = _interpolated(node, result, axis, filter)
    return _back(node, result, x.dtype)


def _cheapest_first(axes: Sequence[Axis]) -> list[Axis]:
    """Small results early; along rows before across them where that grows, because it is the slower way."""
    return sorted(
        axes, key=lambda axis: (axis.least_scale, -axis.number if axis.least_scale > 1 else axis.number)
    )


def _back(node: Node, x: Tensor, dtype: str) -> Tensor:
    """In the type of the image; integers rounded, and kept within their limits."""
    if not dtypes.is_integer(dtype):
        return node.cast(x, dtype)
    least, most = (literal(limit, x.dtype) for limit in dtypes.limits(dtype))
    return node.map(
        x.shape, lambda *i: call("min", call("max", call("round", x[i]), least), most).cast(dtype)
    )


def _nearest(node: Node, x: Tensor, axes: Sequence[Axis], filter: Filter) -> Tensor:
    tables = {axis.number: Tabulated(node, axis, filter) for axis in axes}
    shape = [tables[number].axis.after if number in tables else dim for number, dim in enumerate(x.shape)]

    def value(*i: Expr) -> Expr:
        place = tuple(tables[k].nearest(part) if k in tables else part for k, part in enumerate(i))
        result = x[place]
        for number, table in tables.items():
            result = table.outside(i[number], result)
        return result

    return node.map(shape, value)


def _interpolated(node: Node, x: Tensor, axis: Axis, filter: Filter) -> Tensor:
    table = Tabulated(node, axis, filter)
    number = axis.number
    shape = (*x.shape[:number], axis.after, *x.shape[number + 1 :])

    def term(i: Sequence[Expr], tap: Expr) -> Expr:
        source = x[(*i[:number], table.place(i[number], tap), *i[number + 1 :])]
        return table.weight(i[number], tap, x.dtype) * source

    if table.taps > MOST_TERMS:
        total = node.reduce(shape, (table.taps,), "sum", lambda *i: term(i[:-1], i[-1]))
        if not filter.crops:
            return total
        return node.map(shape, lambda *i: table.outside(i[number], total[i]))

    def value(*i: Expr) -> Expr:
        result = term(i, Literal(0, INDEX))
        for tap in range(1, table.taps):
            result = result + term(i, Literal(tap, INDEX))
        return table.outside(i[number], result)

    return node.map(shape, value)
