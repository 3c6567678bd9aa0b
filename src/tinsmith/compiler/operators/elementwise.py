"""Arithmetic on every element by itself, with numpy's broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np

from tinsmith.compiler.ir import dtypes
from tinsmith.compiler.ir.scalars import Expr, Tensor, call, literal, select
from tinsmith.compiler.operators.node import Node, at, broadcast
from tinsmith.compiler.operators.registry import operator

Rule1 = Callable[[Node, Expr], Expr]

FLOATS = frozenset(dtypes.FLOATS)
INTEGERS = frozenset((*dtypes.SIGNED, *dtypes.UNSIGNED))
NUMBERS = FLOATS | INTEGERS


def pointwise(node: Node, value: Callable[..., Expr], *tensors: Tensor) -> Tensor:
    """out[i..] = value(elements at i.., broadcast)"""
    shape = broadcast(node, *(tensor.shape for tensor in tensors))
    return node.map(shape, lambda *i: value(*(at(tensor, i) for tensor in tensors)))


def check_type(node: Node, allowed: frozenset[str], *tensors: Tensor) -> str:
    """The one type of all `tensors`; refuses a mixture, and types that are not in `allowed`."""
    names = list(dict.fromkeys(tensor.dtype for tensor in tensors))
    if len(names) > 1:
        raise node.refuse(f"inputs of different types: {', '.join(names)}")
    if names[0] not in allowed:
        raise node.refuse(f"inputs of type {names[0]}")
    return names[0]


def unary(name: str, allowed: frozenset[str], domain: str = "") -> Callable[[Rule1], Rule1]:
    """Registers a function of one element for inputs of the types in `allowed`."""

    def register(function: Rule1) -> Rule1:
        @operator(name, domain=domain)
        def rule(node: Node, x: Tensor) -> Tensor:
            check_type(node, allowed, x)
            return pointwise(node, lambda element: function(node, element), x)

        return function

    return register


def _plain(name: str, op: str, allowed: frozenset[str]) -> None:
    unary(name, allowed)(lambda node, x: call(op, x))


for _name in (
    "Sqrt", "Exp", "Log", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh",
    "Acosh", "Atanh", "Floor", "Ceil", "Round",
):  # fmt: skip
    _plain(_name, _name.lower(), FLOATS)
for _name in ("Abs", "Neg", "Sign", "Erf"):
    _plain(_name, _name.lower(), NUMBERS)


@unary("Reciprocal", FLOATS)
def reciprocal(node: Node, x: Expr) -> Expr:
    """1 / x"""
    return literal(1, x.dtype) / x


def _binary(name: str, op: str) -> None:
    @operator(name)
    def rule(node: Node, a: Tensor, b: Tensor) -> Tensor:
        check_type(node, NUMBERS, a, b)
        return pointwise(node, lambda x, y: call(op, x, y), a, b)


for _name in ("Add", "Sub", "Mul", "Div"):
    _binary(_name, _name.lower())


def _variadic(name: str, op: str) -> None:
    @operator(name)
    def rule(node: Node, *tensors: Tensor) -> Tensor:
        check_type(node, NUMBERS, *tensors)
        return pointwise(node, lambda *values: reduce(lambda x, y: call(op, x, y), values), *tensors)


for _name, _op in {"Max": "max", "Min": "min", "Sum": "add"}.items():
    _variadic(_name, _op)


@operator("Mean")
def mean(node: Node, *tensors: Tensor) -> Tensor:
    """The sum of the inputs over their number."""
    check_type(node, FLOATS, *tensors)
    return pointwise(node, lambda *values: reduce(lambda x, y: x + y, values) / len(values), *tensors)


@operator("Mod")
def mod(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """The remainder with the sign of the divisor, or with `fmod` that of the dividend."""
    check_type(node, NUMBERS, a, b)
    op = "fmod" if node.integer("fmod", 0) else "mod"
    return pointwise(node, lambda x, y: call(op, x, y), a, b)


@operator("Pow")
def power(node: Node, base: Tensor, exponent: Tensor) -> Tensor:
    """The result has the type of `base`; an integer to a fractional power is computed in float64."""
    check_type(node, NUMBERS, base)
    check_type(node, NUMBERS, exponent)
    known = exponent.value
    if known is not None and known.size == 1 and exponent.rank <= base.rank:
        special = _POWERS.get(float(known.item()))
        if special is not None and (base.dtype in FLOATS or float(known.item()) >= 1):
            return pointwise(node, special, base)
    return pointwise(node, power_of, base, exponent)


def power_of(x: Expr, y: Expr) -> Expr:
    """x to the y, in the type of x."""
    wide = _power_type(x.dtype, y.dtype)
    return call("pow", x.cast(wide), y.cast(wide)).cast(x.dtype)


def _power_type(base: str, exponent: str) -> str:
    if base == exponent or (base in INTEGERS and exponent in INTEGERS):
        return base
    both = {base, exponent}
    if "float64" in both or both & {"int32", "uint32", "int64", "uint64"}:
        return "float64"
    return "float32"


def _root(x: Expr) -> Expr:
    """pow(x, 0.5), which is +0 for -0 and infinite for -infinity, as a square root is not."""
    infinite = literal(np.inf, x.dtype)
    return select(x.equals(-infinite), infinite, call("sqrt", x + 0))


_POWERS: dict[float, Callable[[Expr], Expr]] = {
    1.0: lambda x: x,
    2.0: lambda x: x * x,
    3.0: lambda x: x * x * x,
    0.5: _root,
    -1.0: lambda x: literal(1, x.dtype) / x,
}
"""Exponents that need no logarithm."""


@operator("Clip")
def clip(node: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """min(high, max(x, low)): where low is above high, the result is high. NaN stays."""
    check_type(node, NUMBERS, x)
    low = low if node.version >= 11 else _limit(node, "min", x.dtype)
    high = high if node.version >= 11 else _limit(node, "max", x.dtype)
    bounds = [(op, bound) for op, bound in (("max", low), ("min", high)) if bound is not None]
    for _, bound in bounds:
        check_type(node, NUMBERS, x, bound)
        if bound.static_shape not in ((), (1,)):
            raise node.refuse(f"a limit of shape {bound.shape}; a scalar is needed")

    def value(element: Expr, *limits: Expr) -> Expr:
        for (op, _), limit in zip(bounds, limits, strict=True):
            element = call(op, element, limit)
        return element

    scalars = [node.view(bound, ()) for _, bound in bounds]
    return pointwise(node, value, x, *scalars)


def _limit(node: Node, name: str, dtype: str) -> Tensor | None:
    return node.constant(node.number(name), dtype) if node.has(name) else None
