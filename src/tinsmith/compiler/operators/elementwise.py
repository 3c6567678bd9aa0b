"""Operators that work on every element by itself."""

from __future__ import annotations

from collections.abc import Callable

from tinsmith.compiler.ir.loops import Expr, Tensor, call, literal
from tinsmith.compiler.operators.node import Node
from tinsmith.compiler.operators.registry import operator

Rule1 = Callable[[Node, Expr], Expr]


def _unary(name: str) -> Callable[[Rule1], Rule1]:
    """Registers a function of one element."""

    def register(function: Rule1) -> Rule1:
        @operator(name)
        def rule(node: Node, x: Tensor) -> Tensor:
            return node.map(x.shape, lambda *i: function(node, x[i]))

        return function

    return register


def _plain(name: str, op: str) -> None:
    _unary(name)(lambda node, x: call(op, x))


for _name, _op in {
    "Abs": "abs", "Neg": "neg", "Sqrt": "sqrt", "Exp": "exp", "Log": "log", "Sin": "sin", "Cos": "cos", "Tan": "tan",
    "Asin": "asin", "Acos": "acos", "Atan": "atan", "Sinh": "sinh", "Cosh": "cosh", "Tanh": "tanh",
    "Asinh": "asinh", "Acosh": "acosh", "Atanh": "atanh", "Erf": "erf", "Floor": "floor", "Ceil": "ceil",
    "Round": "round", "Sign": "sign", "Not": "not", "BitwiseNot": "not",
}.items():  # fmt: skip
    _plain(_name, _op)


@_unary("Relu")
def relu(node: Node, x: Expr) -> Expr:
    return call("max", x, literal(0, x.dtype))


@_unary("Identity")
def identity(node: Node, x: Expr) -> Expr:
    return x


@_unary("Reciprocal")
def reciprocal(node: Node, x: Expr) -> Expr:
    return literal(1, x.dtype) / x


@_unary("Sigmoid")
def sigmoid(node: Node, x: Expr) -> Expr:
    return logistic(x)


def logistic(x: Expr) -> Expr:
    """1 / (1 + exp(-x))"""
    return literal(1, x.dtype) / (call("exp", -x) + 1)
