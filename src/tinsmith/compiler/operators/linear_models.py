"""Linear models and support vectors of ai.onnx.ml."""

from __future__ import annotations

import numpy as np

from tinsmith.compiler.ir.scalars import Expr, Tensor, call, literal, select
from tinsmith.compiler.operators.contractions import product
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator
from tinsmith.compiler.operators.scores import (
    classified,
    is_second,
    rows_of,
    transformed,
    transforms,
    two_columns,
)
from tinsmith.compiler.operators.tree_ensembles import labels_of

ML = "ai.onnx.ml"


@operator("LinearRegressor", domain=ML)
def linear_regressor(node: Node, x: Tensor) -> Tensor:
    return transformed(node, _scores(node, x, node.integer("targets", 1)), transforms(node))


@operator("LinearClassifier", domain=ML)
def linear_classifier(node: Node, x: Tensor) -> tuple[Tensor, Tensor]:
    labels = labels_of(node, "classlabels_ints")
    intercepts = node.attributes.get("intercepts") or ()
    scores = _scores(node, x, len(intercepts) or len(labels))
    if scores.shape[1] == 1 and len(labels) == 2:
        return is_second(node, scores, labels, 0.0), two_columns(node, scores, transforms(node), True)
    return classified(node, scores, labels, transforms(node))


def _scores(node: Node, x: Tensor, count: int) -> Tensor:
    """[rows, count] in float32: the features times the coefficients, plus the intercepts."""
    rows = node.cast(rows_of(node, x), "float32")
    coefficients = np.asarray(node.attributes["coefficients"], np.float32)
    intercepts = np.asarray(node.attributes.get("intercepts") or np.zeros(count), np.float32)
    width = rows.shape[1]
    if width * count != coefficients.size or intercepts.size != count:
        raise node.refuse(
            f"{coefficients.size} coefficients and {intercepts.size} intercepts "
            f"for {width} features and {count} targets"
        )
    out = product(node, rows, node.constant(coefficients.reshape(count, -1)), transposed=True)
    added = node.constant(intercepts)
    return node.map(out.shape, lambda n, t: out[n, t] + added[t])


@operator("SVMRegressor", domain=ML)
def svm_regressor(node: Node, x: Tensor) -> Tensor:
    rows = node.cast(rows_of(node, x), "float32")
    rho = node.constant(np.asarray(node.attributes.get("rho", (0.0,)), np.float32)[:1])
    coefficients = np.asarray(node.attributes["coefficients"], np.float32)
    supports = node.integer("n_supports", 0)
    if supports:
        kernel = _kernel(
            node, rows, np.asarray(node.attributes["support_vectors"], np.float32).reshape(supports, -1)
        )
        factors = node.constant(coefficients.reshape(1, supports))
        total = product(node, kernel, factors, transposed=True)
    else:
        total = _kernel(node, rows, coefficients.reshape(1, -1))
    scores = node.map(total.shape, lambda n, t: total[n, t] + rho[0])
    if node.integer("one_class", 0):
        shown = scores
        return node.map(scores.shape, lambda *i: select(shown[i] > 0, literal(1, "float32"), -1))
    return transformed(node, scores, transforms(node))


def _kernel(node: Node, rows: Tensor, vectors: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Tensor:
    """[rows, vectors]: the kernel of each pair."""
    if rows.shape[1] != vectors.shape[1]:
        raise node.refuse(f"vectors of {vectors.shape[1]} features for {rows.shape[1]}")
    name = node.text("kernel_type", "LINEAR")
    gamma, offset, degree = (*(float(v) for v in node.attributes.get("kernel_params", ())), 0.0, 0.0, 0.0)[:3]
    fixed = node.constant(vectors)
    if name == "RBF":
        count, width = vectors.shape

        def squared(n: Expr, v: Expr, f: Expr) -> Expr:
            difference = rows[n, f] - fixed[v, f]
            return difference * difference

        distance = node.reduce((rows.shape[0], count), (width,), "sum", squared)
        return node.map(distance.shape, lambda *i: call("exp", distance[i] * -gamma))
    if name not in ("LINEAR", "POLY", "SIGMOID"):
        raise node.refuse(f"kernel_type {name}; LINEAR, POLY, RBF or SIGMOID is needed")
    out = product(node, rows, fixed, transposed=True)

    def value(*i: Expr) -> Expr:
        if name == "LINEAR":
            return out[i]
        inner = out[i] * gamma + offset
        return call("tanh", inner) if name == "SIGMOID" else call("pow", inner, literal(degree, "float32"))

    return node.map(out.shape, value)
