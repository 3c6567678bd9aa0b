"""What follows the scores of a model of ai.onnx.ml: a transformation, and for classifiers the label."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinsmith.compiler.ir.scalars import Expr, Tensor, call, literal, select
from tinsmith.compiler.operators.activations import logistic
from tinsmith.compiler.operators.node import Node

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def rows_of(node: Node, x: Tensor) -> Tensor:
    """[rows, features]; a tensor of one dimension is one row."""
    if x.rank == 1:
        return node.view(x, (1, *x.shape))
    if x.rank != 2:
        raise node.refuse(f"an input of shape {x.shape}; rows of features are needed")
    return x


def transforms(node: Node) -> str:
    """The attribute post_transform."""
    name = node.text("post_transform", "NONE")
    if name not in TRANSFORMS:
        raise node.refuse(f"post_transform {name}; one of {', '.join(TRANSFORMS)} is needed")
    return name


def transformed(node: Node, scores: Tensor, transform: str) -> Tensor:
    """Scores [rows, targets] after the transformation."""
    if transform in ("SOFTMAX", "SOFTMAX_ZERO"):
        return _softmax(node, scores, transform == "SOFTMAX_ZERO")
    if transform == "LOGISTIC":
        return node.map(scores.shape, lambda *i: logistic(scores[i]))
    if transform == "PROBIT":
        return node.map(scores.shape, lambda *i: _probit(scores[i]))
    return scores


def _softmax(node: Node, scores: Tensor, keep_zeros: bool) -> Tensor:
    rows, count = scores.shape
    most = node.reduce((rows,), (count,), "max", lambda n, t: scores[n, t])

    def is_zero(value: Expr) -> Expr:
        return call("abs", value) <= 1e-7

    def power(n: Expr, t: Expr) -> Expr:
        value = scores[n, t]
        result = call("exp", value - most[n])
        return select(is_zero(value), value * call("exp", -most[n]), result) if keep_zeros else result

    powers = node.map(scores.shape, power)

    def counted(n: Expr, t: Expr) -> Expr:
        return (
            select(is_zero(scores[n, t]), literal(0, powers.dtype), powers[n, t])
            if keep_zeros
            else powers[n, t]
        )

    total = node.reduce((rows,), (count,), "sum", counted)
    return node.map(scores.shape, lambda n, t: powers[n, t] / total[n])


def _probit(x: Expr) -> Expr:
    """sqrt(2) * erfinv(2 x - 1), by Winitzki's formula."""
    y = x * 2 - 1
    log = call("log", (literal(1, x.dtype) - y) * (y + 1))
    a = 0.147
    half = log * 0.5 + 2 / (math.pi * a)
    size = call("sqrt", call("sqrt", half * half - log * (1 / a)) - half)
    return select(y < 0, -size, size) * math.sqrt(2)


def classified(
    node: Node, scores: Tensor, labels: np.ndarray[Any, Any], transform: str
) -> tuple[Tensor, Tensor]:
    """The labels of the best scores, int64, and the transformed scores."""
    if scores.shape[1] != len(labels):
        raise node.refuse(f"{scores.shape[1]} scores for {len(labels)} labels")
    names = node.constant(labels, "int64")
    best = node.arg_reduce(scores.shape[:1], scores.shape[1], "max", False, lambda n, t: scores[n, t])
    chosen = node.map(scores.shape[:1], lambda n: names[best[n].as_index])
    return chosen, transformed(node, scores, transform)


def is_second(node: Node, score: Tensor, labels: np.ndarray[Any, Any], least: float) -> Tensor:
    """The second of two labels where a row's only score is above `least`, else the first one."""
    names = node.constant(labels, "int64")
    return node.map(score.shape[:1], lambda n: select(score[n, 0] > least, names[1], names[0]))


def two_columns(node: Node, score: Tensor, transform: str, complement: bool) -> Tensor:
    """Scores of two classes from that of the second one: the first gets what it lacks to 1, or its
    opposite."""

    def value(n: Expr, t: Expr) -> Expr:
        own = score[n, 0]
        if transform == "LOGISTIC":
            return logistic(select(t.equals(0), -own, own))
        return select(t.equals(0), literal(1, own.dtype) - own if complement else -own, own)

    return node.map((score.shape[0], 2), value)
