"""Transposes that move behind what comes after them, so that one and the next, before a convolution, undo one
another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.shaping.builder import Operand, Value

SINKING = frozenset(
    (
        *(
            "Abs",
            "Add",
            "Cast",
            "Clip",
            "Concat",
            "Cos",
            "DequantizeLinear",
            "Div",
            "Elu",
            "Exp",
            "Floor",
            "Gelu",
            "HardSwish",
        ),
        *("LeakyRelu", "Log", "Max", "Min", "Mul", "Neg", "PRelu", "Pad", "Pow", "QuantizeLinear"),
        *("Reciprocal", "Relu", "Round", "Sigmoid", "Sin", "Sqrt", "Sub", "Tanh"),
    )
)
"""Operators that do the same to an image whatever the order of its dimensions."""


def sunk(kind: str, inputs: Sequence[Operand]) -> tuple[tuple[int, ...], list[Operand]] | None:
    """The order of a transpose that may come behind a node rather than before it, and the inputs then."""
    if kind not in SINKING:
        return None
    moved = [value.transposed() if isinstance(value, Value) else (None, ()) for value in inputs]
    orders = {order for _, order in moved if order}
    if len(orders) != 1:
        return None
    (order,) = orders
    inner: list[Operand] = []
    for place, (value, (source, found)) in enumerate(zip(inputs, moved, strict=True)):
        known = value.constant if isinstance(value, Value) else value
        if found:
            inner.append(source)
        elif not isinstance(known, np.ndarray) or known.ndim > len(order):
            return None
        elif kind == "Pad" and place == 1:
            inner.append(_moved_back(known.reshape(2, -1), order))
        elif known.ndim == 0:
            inner.append(value)
        elif kind in ("Pad", "QuantizeLinear", "DequantizeLinear"):
            return None
        else:
            whole = known.reshape((1,) * (len(order) - known.ndim) + known.shape)
            inner.append(whole.transpose(np.argsort(order)))
    return order, inner


def _moved_back(pads: NDArray[Any], order: tuple[int, ...]) -> NDArray[Any]:
    """Paddings before and behind each dimension, for what a transpose by `order` makes of it."""
    moved = np.empty_like(pads)
    moved[:, list(order)] = pads
    return moved.reshape(-1)
