"""Operators of two operands, or of one and a number."""

from __future__ import annotations

from functools import reduce

import numpy as np

from tinsmith.compiler.frontends.mxnet.node import AttributeProblem, Node, Rule, operator
from tinsmith.compiler.shaping.builder import Value

_BINARY = {
    "Add": "elemwise_add _plus _Plus _add broadcast_add broadcast_plus _grad_add",
    "Sub": "elemwise_sub _minus _Minus _sub broadcast_sub broadcast_minus",
    "Mul": "elemwise_mul _mul _Mul broadcast_mul",
    "Div": "elemwise_div _div _Div broadcast_div",
    "Pow": "_power _Power _pow broadcast_power",
    "Max": "_maximum _Maximum broadcast_maximum",
    "Min": "_minimum _Minimum broadcast_minimum",
}
_COMPARISONS = {
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "lesser",
    "LessOrEqual": "lesser_equal",
}
_LOGIC = {"And": "logical_and", "Or": "logical_or", "Xor": "logical_xor"}


def _binary(name: str) -> Rule:
    return lambda node: node.add(name, node.input(0), node.input(1))


def _with_scalar(name: str, reverse: bool = False) -> Rule:
    def rule(node: Node) -> Value:
        scalar = _scalar(node)
        return node.add(name, scalar, node.x) if reverse else node.add(name, node.x, scalar)

    return rule


def _compared(
    node: Node, name: str, other: Value | np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> Value:
    """1 or 0 in the type of the operands."""
    if name == "NotEqual":
        return node.add("Not", node.add("Equal", node.x, other)).cast(node.dtype)
    return node.add(name, node.x, other).cast(node.dtype)


def _scalar(node: Node) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    value = node.real("scalar")
    if node.dtype.kind in "iub" and not value.is_integer():
        raise node.refuse(f"a fraction ({value}) with elements of {node.dtype}")
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = np.array(value).astype(node.dtype)
    return found


def _logic(name: str) -> Rule:
    def rule(node: Node) -> Value:
        return node.add(name, *(_true(node, value) for value in node.inputs[:2])).cast(node.dtype)

    return rule


def _logic_scalar(name: str) -> Rule:
    def rule(node: Node) -> Value:
        scalar = node.constant(np.array(node.real("scalar") != 0))
        return node.add(name, _true(node, node.x), scalar).cast(node.dtype)

    return rule


def _true(node: Node, value: Value) -> Value:
    return node.add("Not", node.add("Equal", value, 0.0))


for _onnx, _names in _BINARY.items():
    operator(*_names.split())(_binary(_onnx))
for _onnx, _name in _LOGIC.items():
    operator(f"broadcast_{_name}", f"_{_name}")(_logic(_onnx))
    operator(f"_{_name}_scalar")(_logic_scalar(_onnx))


def _comparison(name: str) -> Rule:
    return lambda node: _compared(node, name, node.input(1))


def _comparison_scalar(name: str) -> Rule:
    return lambda node: _compared(node, name, _scalar(node))


for _onnx, _name in {**_COMPARISONS, "NotEqual": "not_equal"}.items():
    operator(f"broadcast_{_name}", f"_{_name}")(_comparison(_onnx))
    operator(f"_{_name}_scalar")(_comparison_scalar(_onnx))

for _onnx, _names, _reverse in (
    ("Add", "_plus_scalar _PlusScalar", False),
    ("Sub", "_minus_scalar _MinusScalar", False),
    ("Sub", "_rminus_scalar _RMinusScalar", True),
    ("Mul", "_mul_scalar _MulScalar", False),
    ("Div", "_div_scalar _DivScalar", False),
    ("Div", "_rdiv_scalar _RDivScalar", True),
    ("Pow", "_power_scalar _PowerScalar", False),
    ("Pow", "_rpower_scalar _RPowerScalar", True),
    ("Max", "_maximum_scalar _MaximumScalar", False),
    ("Min", "_minimum_scalar _MinimumScalar", False),
):
    operator(*_names.split())(_with_scalar(_onnx, _reverse))


@operator("broadcast_mod", "_mod", "_Mod")
def mod(node: Node) -> Value:
    """With the sign of the divisor."""
    return _remainder(node, node.x, node.input(1))


@operator("_mod_scalar", "_ModScalar")
def mod_scalar(node: Node) -> Value:
    """As mod."""
    return _remainder(node, node.x, node.constant(_scalar(node)))


@operator("_rmod_scalar", "_RModScalar")
def rmod_scalar(node: Node) -> Value:
    """As mod."""
    return _remainder(node, node.constant(_scalar(node)), node.x)


def _remainder(node: Node, a: Value, b: Value) -> Value:
    if node.dtype.kind in "iu":
        return node.add("Mod", a, b)
    return node.add("Sub", a, node.add("Mul", b, node.add("Floor", node.add("Div", a, b))))


@operator("broadcast_hypot", "_hypot")
def hypot(node: Node) -> Value:
    """sqrt(a² + b²)"""
    squares = [node.add("Mul", value, value) for value in (node.x, node.input(1))]
    return node.add("Sqrt", node.add("Add", *squares))


@operator("add_n", "ElementWiseSum", "_sum")
def add_n(node: Node) -> Value:
    """The sum of all inputs, from the first to the last."""
    if not node.inputs:
        raise AttributeProblem("it has no inputs")
    return reduce(lambda total, value: node.add("Add", total, value), node.inputs)
