"""Layers that take several tensors and give one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from tinsmith.compiler.frontends.keras.layers.normalisation import unit
from tinsmith.compiler.frontends.keras.layers.registry import Use, axis_of, layer
from tinsmith.compiler.frontends.keras.tensor import Tensor
from tinsmith.compiler.shaping.builder import Operand

_OPERATORS = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Average": "Add",
    "Maximum": "Max",
    "Minimum": "Min",
}


@layer(*_OPERATORS, casts=False)
def _elementwise(use: Use, first: Any, second: Operand = None) -> Tensor:
    """As a layer it takes a list of tensors; as a function of Keras 3, two values."""
    values = first if isinstance(first, list) else [first, second]
    tensors = [value for value in values if isinstance(value, Tensor)]
    if not isinstance(first, list):
        return pair(use, _OPERATORS[use.layer.kind], first, second).masked(None)
    rank = max(tensor.rank for tensor in tensors)
    aligned = [_of_rank(use, tensor, rank).cast(tensors[0].dtype) for tensor in tensors]
    result = reduce(lambda one, other: use.add(_OPERATORS[use.layer.kind], one, other), aligned)
    if use.layer.kind == "Average":
        result = use.add("Mul", result, 1 / len(tensors))
    return result.masked(all_masks(use, tensors))


def pair(use: Use, operator: str, first: Any, second: Any) -> Tensor:
    """An operator of two values, of which one may be a constant."""
    if isinstance(first, Tensor):
        other = second if isinstance(second, Tensor) else np.asarray(second, first.dtype)
        return use.add(operator, first, other).masked(first.mask)
    one = use.constant(np.asarray(first, second.dtype))
    return use.add(operator, one, second).masked(second.mask)


def _of_rank(use: Use, x: Tensor, rank: int) -> Tensor:
    """Keras merges tensors of fewer dimensions after it put new ones behind the batch."""
    return x if x.rank == rank else x.reshape(x.shape[0], *[1] * (rank - x.rank), *x.shape[1:])


def all_masks(use: Use, tensors: Sequence[Tensor]) -> Tensor | None:
    """What all masks leave; none if a tensor has none."""
    masks = [tensor.mask for tensor in tensors]
    if any(mask is None for mask in masks):
        return None
    return reduce(lambda one, other: use.add("And", one, other), [mask for mask in masks if mask is not None])


@layer("Concatenate", casts=False)
def _concatenate(use: Use, values: list[Tensor], axis: int | None = None) -> Tensor:
    found = use.get("axis", -1) if axis is None else axis
    along = axis_of(found, values[0].rank)
    result = use.add("Concat", *(value.cast(values[0].dtype) for value in values), axis=along)
    if all(value.mask is None for value in values) or values[0].rank < 3:
        return result
    masks = [value.mask or _everything(use, value) for value in values]
    if along == 1:
        return result.masked(use.add("Concat", *masks, axis=1))
    return (
        result.masked(reduce(lambda one, other: use.add("And", one, other), masks)) if along > 1 else result
    )


def _everything(use: Use, x: Tensor) -> Tensor:
    return use.constant(np.ones(x.shape[:2], np.bool_))


@layer("Dot")
def _dot(use: Use, first: Any, second: Any = None) -> Tensor:
    """The product along one axis of each, for each item of the batch; or of Keras 3, numpy's dot."""
    if not isinstance(first, list):
        return pair(use, "MatMul", first, second)
    one, other = first
    axes = use.get("axes", -1)
    numbers = [axes, axes] if isinstance(axes, int) else list(axes)
    along = [axis_of(number, x.rank) for number, x in zip(numbers, (one, other), strict=True)]
    if use.get("normalize"):
        one, other = unit(use, one, [along[0]]), unit(use, other, [along[1]])
    left = [chr(ord("c") + index) for index in range(one.rank)]
    right = [chr(ord("p") + index) for index in range(other.rank)]
    left[0] = right[0] = "a"
    left[along[0]] = right[along[1]] = "b"
    free = [letter for letter in (*left, *right[1:]) if letter != "b"]
    equation = f"{''.join(left)},{''.join(right)}->{''.join(free)}"
    result = use.add("Einsum", one, other, equation=equation)
    return result.reshape(*result.shape, 1) if result.rank == 1 else result
