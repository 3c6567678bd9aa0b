"""Operators of ai.onnx.ml that prepare features: numbers to numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinsmith.compiler.ir.scalars import INDEX, Expr, Literal, Tensor, call, literal, select
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.scores import rows_of

ML = "ai.onnx.ml"


@operator("Normalizer", domain=ML)
def normalizer(node: Node, x: Tensor) -> Tensor:
    """Each row divided by its norm, in float32; a row of zeros stays."""
    rows = node.cast(rows_of(node, x), "float32")
    name = node.text("norm", "MAX")
    terms: dict[str, tuple[str, Callable[[Expr], Expr]]] = {
        "MAX": ("max", lambda v: v),
        "L1": ("sum", lambda v: call("abs", v)),
        "L2": ("sum", lambda v: v * v),
    }
    if name not in terms:
        raise node.refuse(f"norm {name}; one of {', '.join(terms)} is needed")
    kind, term = terms[name]
    norm = node.reduce(rows.shape[:1], rows.shape[1:], kind, lambda n, f: term(rows[n, f]))

    def value(n: Expr, f: Expr) -> Expr:
        size = call("sqrt", norm[n]) if name == "L2" else norm[n]
        return rows[n, f] / select(size.equals(0), literal(1, "float32"), size)

    return node.view(node.map(rows.shape, value), x.shape)


@operator("FeatureVectorizer", domain=ML)
def feature_vectorizer(node: Node, *inputs: Tensor) -> Tensor:
    """The columns of all inputs side by side, in float32."""
    parts = [node.cast(rows_of(node, tensor), "float32") for tensor in inputs]
    widths = node.integers("inputdimensions")
    if len(widths) != len(parts) or any(
        part.shape[0] != parts[0].shape[0] or width != part.shape[1]
        for width, part in zip(widths, parts, strict=False)
    ):
        raise node.refuse(f"inputs of shapes {[part.shape for part in parts]} for inputdimensions {widths}")

    def value(n: Expr, f: Expr) -> Expr:
        start = sum(widths[:-1])
        result: Expr = parts[-1][n, f - start]
        for part, width in zip(reversed(parts[:-1]), reversed(widths[:-1]), strict=True):
            end, start = start, start - width
            result = select(f < end, part[n, f - start], result)
        return result

    return node.map((parts[0].shape[0], sum(widths)), value)


@operator("OneHotEncoder", domain=ML)
def one_hot_encoder(node: Node, x: Tensor) -> Tensor:
    """A last axis with a 1 at the category of the element; no 1 for an unknown one."""
    if node.attributes.get("cats_strings"):
        raise node.refuse("its categories are text; numbers are needed")
    categories = node.constant(np.asarray(node.attributes.get("cats_int64s", ()), np.int64))
    if not node.integer("zeros", 1):
        raise node.refuse("zeros is 0: an unknown category would have to stop the run")

    def value(*i: Expr) -> Expr:
        hit = x[i[:-1]].cast("int64").equals(categories[i[-1]])
        return select(hit, literal(1, "float32"), 0)

    return node.map((*x.shape, *categories.shape), value)


@operator("LabelEncoder", domain=ML)
def label_encoder(node: Node, x: Tensor) -> Tensor:
    """The value that belongs to each key; NaN is a key like others."""
    if any(node.attributes.get(name) for name in ("keys_strings", "values_strings", "classes_strings")):
        raise node.refuse("its keys or values are text; numbers are needed")
    keys, values = _table(node, "keys"), _table(node, "values")
    if keys.size != values.size or keys.dtype.name != x.dtype:
        raise node.refuse(
            f"{keys.size} keys of {keys.dtype} and {values.size} values for an input of {x.dtype}"
        )
    default = node.constant(_default(node, values.dtype), values.dtype.name)
    known, found = node.constant(keys), node.constant(values)
    if not keys.size:
        return node.map(x.shape, lambda *i: default[()])

    def position(*i: Expr) -> Expr:
        value, key = x[i[:-1]], known[i[-1]]
        hit = value.equals(key)
        if keys.dtype.kind == "f":
            hit = hit | (value.differs(value) & key.differs(key))
        return select(hit, i[-1], Literal(-1, INDEX)).cast("int64")

    places = node.reduce(x.shape, keys.shape, "max", position)
    return node.map(
        x.shape,
        lambda *i: select(
            places[i] >= 0, found[call("max", places[i].as_index, Literal(0, INDEX))], default[()]
        ),
    )


def _table(node: Node, name: str) -> np.ndarray[Any, Any]:
    """Keys or values, in whichever attribute they are."""
    for kind, dtype in (("tensor", None), ("int64s", "int64"), ("floats", "float32")):
        if node.has(f"{name}_{kind}"):
            return np.asarray(node.attributes[f"{name}_{kind}"], dtype).ravel()
    raise node.refuse(f"attribute {name}_int64s or {name}_floats is missing")


def _default(node: Node, dtype: np.dtype[Any]) -> Any:
    if node.has("default_tensor"):
        return np.asarray(node.attributes["default_tensor"]).ravel()[0]
    return node.integer("default_int64", -1) if dtype.kind in "iu" else node.number("default_float", -0.0)
