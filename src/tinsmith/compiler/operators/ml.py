"""Elementwise operators of the domain ai.onnx.ml, which scikit-learn's preprocessing becomes."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.ir.scalars import Expr, Tensor, literal, select
from tinsmith.compiler.operators.elementwise import FLOATS, NUMBERS, check_type, pointwise
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator

ML = "ai.onnx.ml"


@operator("Binarizer", domain=ML)
def binarizer(node: Node, x: Tensor) -> Tensor:
    """1 above the threshold, else 0."""
    check_type(node, NUMBERS, x)
    threshold = node.number("threshold", 0.0)

    def value(element: Expr) -> Expr:
        wide = element if element.dtype in FLOATS else element.cast("float64")
        return select(wide > threshold, literal(1, x.dtype), 0)

    return pointwise(node, value, x)


@operator("Scaler", domain=ML)
def scaler(node: Node, x: Tensor) -> Tensor:
    """(x - offset) * scale as float32, per feature of the last axis or alike for all."""
    check_type(node, NUMBERS, x)
    offset, scale = (_per_feature(node, name, x) for name in ("offset", "scale"))
    return pointwise(node, lambda value, o, s: (value.cast("float32") - o) * s, x, offset, scale)


def _per_feature(node: Node, name: str, x: Tensor) -> Tensor:
    values = np.asarray(node.attributes.get(name, ()), np.float32)
    features = x.shape[-1] if x.rank else 1
    if values.size not in (1, features):
        raise node.refuse(f"attribute {name} has {values.size} values for {features} features")
    return node.constant(values)


@operator("Imputer", domain=ML)
def imputer(node: Node, x: Tensor) -> Tensor:
    """Replaces the values that stand for missing ones; NaN stands for NaN."""
    dtype = check_type(node, NUMBERS, x)
    is_float = dtype in FLOATS
    kind = "float" if is_float else "int64"
    fill_name, missing_name = f"imputed_value_{kind}s", f"replaced_value_{kind}"
    fill = np.asarray(node.attributes.get(fill_name, ()))
    features = x.shape[-1] if x.rank else 1
    if fill.size not in (1, features):
        raise node.refuse(f"attribute {fill_name} has {fill.size} values for {features} features")
    missing = node.number(missing_name, 0) if is_float else node.integer(missing_name, 0)

    def value(element: Expr, filler: Expr) -> Expr:
        hit = element.differs(element) if np.isnan(missing) else element.equals(missing)
        return select(hit, filler, element)

    return pointwise(node, value, x, node.constant(fill, dtype))
